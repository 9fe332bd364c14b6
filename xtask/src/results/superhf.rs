//! The first results page: inference-aware alignment tried on the scores that openfeedback/superhf recorded.
//!
//! Text that quotes no figure stands here; every figure comes from the run (`findings`, `tables`).

use std::path::Path;

use anyhow::{Context, Result};
use infalign_report::recorded_plot;

use super::{
    findings,
    run::{self, Run},
    tables,
};

const EXPERIMENT: &str = "experiments/superhf";
const PAGE: &str = "docs/src/results/superhf.md";
/// The columns of the table, and the seed.
const ARGS: [&str; 8] = [
    "--prompt-column",
    "prompt_id",
    "--reward-column",
    "proxy_train_rm",
    "--gold-column",
    "gold_test_rm",
    "--seed",
    "0",
];
const SOURCE: &str = "[openfeedback/superhf](https://github.com/openfeedback/superhf/tree/a089812d1cb5ee9635fff5379b8b334a37440b18)";

/// Runs the program on the table and writes record, description, pictures and page.
pub(super) fn write(root: &Path, data: &Path) -> Result<()> {
    let data = data
        .canonicalize()
        .with_context(|| data.display().to_string())?;
    let data = data.to_str().context("the path of --data is not UTF-8")?;
    let mut args = vec!["--rollouts", data];
    args.extend(ARGS);
    let found = run::run(root, &args)?;
    run::write(root, &format!("{EXPERIMENT}/results.json"), &found.json)?;
    run::write(
        root,
        &format!("{EXPERIMENT}/README.md"),
        &description(&found)?,
    )?;
    for procedure in findings::procedures(&found.recorded) {
        let svg = recorded_plot(&found.recorded, &found.designs, procedure)?;
        run::write(
            root,
            &format!("docs/src/results/{}", picture(procedure)),
            &svg,
        )?;
    }
    run::write(root, PAGE, &page(&found)?)
}

/// `superhf-best-of-4.svg`.
fn picture(procedure: &str) -> String {
    format!("superhf-{}.svg", procedure.replace(':', "-"))
}

/// What was typed, with `FILE` for the table.
fn command() -> String {
    format!("infalign run --rollouts FILE {}", ARGS.join(" "))
}

/// The note beside the record: how it was made, from what, under which licence.
fn description(found: &Run) -> Result<String> {
    Ok(format!(
        "<!-- Written by `cargo xtask results superhf --data FILE`; edits here are lost. -->\n\n\
         # Recorded rollouts: superhf\n\n\
         `results.json` is what this command wrote ([its shape](../../docs/src/reference/json.md); the readable page is \
         [docs/src/results/superhf.md](../../docs/src/results/superhf.md)):\n\n\
         ```sh\n{}\n```\n\n\
         `cargo xtask results superhf --data FILE` runs it and writes all of this again.\n\n\
         | | |\n|---|---|\n\
         | program | infalign {} |\n\
         | seed | {} |\n\
         | `FILE` | CSV, one row per response: `prompt_id`, `policy_id`, `gold_test_rm`, `proxy_train_rm`, `completion_chars`; {} prompts × 155 policies |\n\
         | SHA-256 of `FILE` | `{}` |\n\
         | source | {SOURCE}, commit `a089812` |\n\
         | licence of the data | MIT; the table is not copied here, only figures computed from it |\n\n\
         ## The table\n\n\
         The source keeps one file per policy: completions in `experiments/evaluations/test_completions/`, the proxy's scores in \
         `experiments/evaluations/train_scores/`, the gold scores in `experiments/evaluations/test_scores/`. `FILE` joins them by prompt and policy, \
         for prompts and policies that have both scores, without the policies whose names contain `mock`. Every policy answered every prompt once.\n",
        command(),
        found.version,
        found.recorded.seed,
        found.recorded.prompts,
        found
            .input
            .as_deref()
            .context("manifest.json names no input")?,
    ))
}

/// The page for readers.
fn page(found: &Run) -> Result<String> {
    let recorded = &found.recorded;
    let mut page = format!(
        "<!-- Written by `cargo xtask results superhf --data FILE`; edits here are lost. -->\n\n\
         # Recorded rollouts: a proxy and a gold reward\n\n\
         **Asked.** On real responses with real reward models: does the theory say what is measured? Does a calibrated and transformed reward beat \
         the raw one at the same KL budget, for a deployment that keeps the best of four and for an attacker who keeps the worst of four? How much of the \
         gain does a reward model confirm that training has not seen?\n\n\
         **Done.** {} prompts with {} responses each, scored by a proxy (`{}`, what training would use) and by a second reward model (`{}`, the gold judge); \
         per prompt, {} responses calibrate the proxy and {} others are reweighted and judged. Nothing was trained: the aligned policies are \
         reweightings, as [the tutorial](../tutorial-rollouts.md) explains.\n\n\
         ```sh\n{}\n```\n\n\
         Data: {SOURCE}, MIT; the record with seed and hashes is `experiments/superhf/README.md`.\n\n\
         **What the base policy is here.** The responses to a prompt come from 155 different policies: base models from 70 million to 12 billion \
         parameters, supervised ones, and ones that were themselves trained against reward models. They are exchangeable only if a policy is drawn at random, so *the base \
         policy is that mixture*: draw one of the 155, then let it answer. It is broader than any single model, and KL is measured against it.\n",
        recorded.prompts,
        recorded.calibration_responses + recorded.evaluation_responses,
        recorded.judges[0],
        recorded.judges.get(1).context("there is no gold judge")?,
        recorded.calibration_responses,
        recorded.evaluation_responses,
        command(),
    );
    for procedure in findings::procedures(recorded) {
        page.push_str(&format!(
            "\n![Win rates under {procedure} by proxy and by gold, measured and in theory]({})\n",
            picture(procedure)
        ));
    }
    page.push_str(
        "\nPoints: measured win rates with 95% intervals over prompts. Lines: the frontier of the theory. Right panels: the gold judge; hollow \
         marks repeat what the proxy says of the same policy, and the line between the two is over-optimisation.\n",
    );
    page.push_str("\n## Does the theory hold?\n\n");
    page.push_str(&findings::agreement(recorded)?);
    page.push_str(
        "\n## Is it better than the raw reward?\n\n\
         For each procedure and budget, the transform that `design` recommends for this number of rollouts. It is chosen from the theory alone, before anything is measured. \
         Win rates in %; *over raw* in points, paired by prompt, bold where the 95% interval leaves out 0; *KL spent* in nats.\n\n",
    );
    page.push_str(&findings::recommended(recorded, &found.designs)?);
    page.push_str(&format!(
        "\nEqual budgets are not quite equal spending. Each β is set before measuring, and a finite set of responses lets a steep tilt spend less \
         than an unlimited one. {}, so that the comparison there is not at equal KL.\n",
        findings::spent(recorded)?
    ));
    page.push_str(
        "\n## How much survives the gold judge?\n\n\
         The gain over ½ by the gold judge as a share of the gain over ½ by the proxy, in %: 100 would mean that the two judges agree on all of it. Ratios of two means over the same prompts, \
         without intervals. Transforms that were measured at every budget.\n",
    );
    for procedure in findings::procedures(recorded) {
        page.push_str(&format!(
            "\n### `{procedure}`\n\n{}",
            findings::retention(recorded, procedure)?
        ));
    }
    page.push_str(&format!(
        "\n{}\n{}",
        findings::raw_retention(recorded)?,
        findings::turning(recorded)?
    ));
    page.push_str(
        "\n## What this does not show\n\n\
         - *That training gets there.* A reweighting reaches its tilt by definition; a network may not, and it may find responses that no policy here gave.\n\
         - *One base policy.* The mixture holds weak and strong models. What separates them is easy to see for both reward models, so that proxy and gold \
         probably agree more here than they would on samples of a single model.\n\
         - *People.* The gold judge is a reward model too, and may share faults with the proxy.\n\
         - *Other prompts.* Intervals are over these prompts, as if drawn from a population of such prompts; all rows share them and one random split.\n\
         - *Large KL.* Few effective responses remain there; compare with *expected*, not with *theory*.\n",
    );
    page.push_str(
        "\n## Every figure\n\n\
         Win rates in %: the policy under the procedure against the base under the same procedure, which selects by the proxy; 95% intervals over prompts. *Over raw*: paired difference to raw-reward RLHF at the \
         same budget, in points, bold where the interval leaves out 0. *Standard*: one sample of each, by the proxy. *Expected*: the theory for a table of this size. *Theory*: with perfect calibration; for `raw`, \
         from the calibration part.\n",
    );
    for procedure in findings::procedures(recorded) {
        page.push_str(&format!(
            "\n### Every figure: `{procedure}`\n{}",
            tables::every_row(recorded, procedure)
        ));
    }
    if !recorded.warnings.is_empty() {
        page.push_str("\n### Warnings of the run\n\n");
        for warning in &recorded.warnings {
            page.push_str(&format!("- {warning}\n"));
        }
    }
    Ok(page)
}
