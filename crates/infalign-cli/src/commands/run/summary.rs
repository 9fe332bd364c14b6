//! What the main job prints at its end: the answer, a table of policies, and where the page lies.

use infalign::{design::Design, estimate::Estimate, evaluation::Evaluation};
use infalign_pipeline::{Config, Estimated, Finished, HandedOver, Variant};

use crate::{
    error::Result,
    print::{self, Table},
};

/// Prints as much as is done.
///
/// `place` is what was typed to name the configuration and its run: it names them for `infalign serve`, too.
pub(super) fn print(finished: &Finished, config: &Config, place: &str) -> Result<()> {
    match &finished.evaluation {
        Some(evaluation) => {
            measured(evaluation, config)?;
            print::pairwise(evaluation)?;
            for warning in &evaluation.warnings {
                print::caveat(warning);
            }
        }
        None if !finished.distilled.is_empty() => return distilled(finished),
        None => planned(&finished.designs, &finished.variants)?,
    }
    if finished.evaluation.is_none() && !finished.handed_over.is_empty() {
        return handed_over(&finished.handed_over, place);
    }
    match &finished.report {
        Some(report) => print::text(format_args!("report: {}\n", report.display())),
        None => print::text(format_args!("in {}\n", finished.directory.display())),
    }
}

/// What to type next, policy by policy.
fn handed_over(policies: &[HandedOver], place: &str) -> Result<()> {
    for policy in policies {
        print::text(format_args!("\n{}: {}\n", policy.name, policy.folder))?;
        if let Some(service) = &policy.service {
            print::text(format_args!("  infalign serve {place} {service}\n"))?;
        }
        print::text(format_args!("  {}\n", policy.command))?;
    }
    let one = policies.first().map_or("", |p| p.name.as_str());
    print::note(&format!(
        "when a policy is trained: the same command with --trained '{one}=FOLDER' (or the address of a server that serves it) measures it"
    ));
    Ok(())
}

/// One table for each procedure of the design, and for voting.
fn measured(evaluation: &Evaluation, config: &Config) -> Result<()> {
    let executed = evaluation.procedures.iter();
    let votes = executed.filter(|procedure| procedure.starts_with("voting:"));
    for procedure in config.design.procedures.iter().chain(votes) {
        let mut heads = vec!["policy".to_owned(), "KL".to_owned()];
        for judge in &evaluation.judges {
            heads.push(format!("wins by {}", judge.name));
        }
        heads.extend([
            "predicted".to_owned(),
            "standard".to_owned(),
            "KL efficiency".to_owned(),
        ]);
        let heads: Vec<&str> = heads.iter().map(String::as_str).collect();
        let mut table = Table::new(&heads);
        for policy in &evaluation.policies {
            let find = |procedure: &str, judge: &str| {
                policy
                    .win_rates
                    .iter()
                    .find(|w| w.procedure == procedure && w.judge == judge)
            };
            let mut cells = vec![policy.name.clone()];
            let kl = policy.kl.and_then(|kl| kl.rao_blackwell);
            cells.push(kl.map_or_else(String::new, |e| format!("{:.3}", e.mean)));
            let mut predicted = String::new();
            let mut standard = String::new();
            for judge in &evaluation.judges {
                let Some(won) = find(procedure, &judge.name) else {
                    cells.push(String::new());
                    continue;
                };
                cells.push(with_interval(&won.win_rate));
                if judge.training {
                    predicted = won
                        .predicted
                        .map_or_else(String::new, |p| format!("{p:.3}"));
                    standard = find("standard", &judge.name)
                        .map_or_else(String::new, |w| format!("{:.3}", w.win_rate.mean));
                }
            }
            cells.extend([predicted, standard]);
            cells.push(
                policy
                    .kl_efficiency
                    .map_or_else(String::new, |e| format!("{:.2}", e.mean)),
            );
            table.row(cells);
        }
        print::text(format_args!(
            "{procedure} against the base's, {} held-out prompts\n",
            evaluation.prompts
        ))?;
        print::text(table.numbers())?;
    }
    Ok(())
}

fn with_interval(e: &Estimate) -> String {
    format!("{:.3} ±{:.3}", e.mean, 0.5 * (e.high - e.low))
}

/// The training sets, and whether they hold enough.
fn distilled(finished: &Finished) -> Result<()> {
    let mut table = Table::new(&[
        "optimum of",
        "rows",
        "K",
        "effective",
        "K for 30 effective",
        "file",
    ]);
    for set in &finished.distilled {
        table.row(vec![
            set.name.clone(),
            set.rows.to_string(),
            set.k.to_string(),
            format!("{:.1}", set.effective),
            set.healthy_k.to_string(),
            set.file.clone(),
        ]);
    }
    print::text(table.numbers())
}

/// The policies that are to be trained.
fn planned(designs: &[Design], variants: &[Variant]) -> Result<()> {
    let mut table = Table::new(&["policy", "KL", "beta", "predicted win rate", "under"]);
    for variant in variants {
        for design in designs.iter().filter(|d| d.kl == variant.kl) {
            let Some(row) = design
                .transforms
                .iter()
                .find(|r| r.transform == variant.reward)
            else {
                continue;
            };
            table.row(vec![
                variant.name.clone(),
                format!("{}", variant.kl),
                format!("{:.4}", variant.beta),
                format!("{:.4}", row.at_k.map_or(row.win_rate, |at| at.win_rate)),
                design.procedure.clone(),
            ]);
        }
    }
    if variants.is_empty() {
        return Ok(());
    }
    print::text(table.numbers())
}

/// The plan of a dry run.
pub(super) fn plan(plan: &Estimated, config: &Config) -> Result<()> {
    let mut table = Table::new(&["stage", "work", "tokens at most", "seconds, about"]);
    for stage in &plan.stages {
        table.row(vec![
            stage.name.clone(),
            stage.work.clone(),
            stage.tokens.to_string(),
            format!("{:.0}", stage.seconds),
        ]);
    }
    print::text(table.numbers())?;
    let seconds: f64 = plan.stages.iter().map(|s| s.seconds).sum();
    print::text(format_args!(
        "{} policies at KL {:?}; about {:.0} s on this machine, measured just now at the base's lengths; {:.0} MB of disk\n",
        plan.policies,
        config.design.kl,
        seconds,
        plan.disk as f64 / 1e6
    ))?;
    if plan.comparisons > 0 {
        print::text(format_args!(
            "{} comparisons at most by {}, each asked in both orders; their time is not in this\n",
            plan.comparisons,
            config.evaluate.compare.join(", ")
        ))?;
    }
    Ok(())
}
