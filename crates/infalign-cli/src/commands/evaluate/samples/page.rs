//! The page of compared samples: the question with its answer, and responses to read.

use infalign::{
    calibration::{Calibrator, RankRule},
    evaluation::Evaluation,
};
use infalign_data::Fingerprint;
use infalign_report::{RunReport, SampleSet, SampleText};

use super::judged::Judged;
use crate::{args::Evaluate, commands::responses, error::Result};

/// Prompts of which the page shows responses, and how many of each policy.
const SHOWN: (usize, usize) = (20, 2);

pub(super) fn record(
    args: &Evaluate,
    judged: &[Judged],
    evaluation: &Evaluation,
) -> Result<RunReport> {
    let judges: Vec<&str> = evaluation.judges.iter().map(|j| j.name.as_str()).collect();
    let tokens = judged.iter().all(|j| {
        let mut all = j.side.prompts.iter().flat_map(|p| &p.responses);
        all.all(|r| r.sampled.is_some())
    });
    let mut question = format!(
        "How often do responses of {} win against those of {}, when deployment runs {}? Procedures select by {}; judged by {}, on {} prompts.",
        listed(evaluation.policies.iter().map(|p| p.name.as_str())),
        evaluation.base,
        listed(evaluation.procedures.iter().map(String::as_str)),
        judges[0],
        listed(judges.iter().copied()),
        evaluation.prompts,
    );
    // The answer in a few words, where the question is of many procedures; the tables have the rest.
    let usual = |procedure: &str| procedure == "standard" || procedure.ends_with(":4");
    let few = !evaluation.procedures.iter().any(|p| usual(p)) || evaluation.procedures.len() <= 3;
    for policy in &evaluation.policies {
        let rates = policy.win_rates.iter();
        for rate in rates.filter(|r| r.judge == judges[0] && (few || usual(&r.procedure))) {
            let e = rate.win_rate;
            question.push_str(&format!(
                " {} wins {:.1}% ({:.1}–{:.1}) under {}.",
                policy.name,
                100.0 * e.mean,
                100.0 * e.low,
                100.0 * e.high,
                rate.procedure
            ));
        }
    }
    if !tokens {
        question.push_str(" Lengths are in words, as the files hold no tokens.");
    }
    let mut reproduce = vec![
        (
            "Version".to_owned(),
            format!("infalign {}", env!("CARGO_PKG_VERSION")),
        ),
        ("Seed".to_owned(), evaluation.seed.to_string()),
    ];
    let files = judged.iter().map(|j| &j.side.file).chain(&args.calibration);
    for file in files {
        let name = file.display().to_string();
        let hash = Fingerprint::new().file("", file)?.hex();
        reproduce.push((format!("Fingerprint of {name}"), hash));
    }
    Ok(RunReport {
        title: "Samples compared".to_owned(),
        question,
        evaluation: evaluation.clone(),
        designs: Vec::new(),
        curves: Vec::new(),
        samples: shown(judged)?,
        reproduce,
    })
}

#[expect(
    single_use_lifetimes,
    reason = "anonymous lifetimes in `impl Trait` are unstable"
)]
fn listed<'a>(texts: impl Iterator<Item = &'a str>) -> String {
    texts.collect::<Vec<_>>().join(", ")
}

/// Some responses of every side, with their quantiles among the base's.
fn shown(judged: &[Judged]) -> Result<Vec<SampleSet>> {
    let Some(base) = judged.first() else {
        return Ok(Vec::new());
    };
    let mut sets = Vec::new();
    for (p, prompt) in base.side.prompts.iter().enumerate().take(SHOWN.0) {
        let calibrator = Calibrator::new(&base.rewards[0][p], RankRule::MidRank)?;
        let mut responses = Vec::new();
        for side in judged {
            let texts = side.side.prompts[p]
                .responses
                .iter()
                .zip(&side.rewards[0][p]);
            for (response, raw) in texts.take(SHOWN.1) {
                let raw = f64::from(*raw);
                responses.push(SampleText {
                    policy: side.side.name.clone(),
                    text: response.text.clone(),
                    raw,
                    quantile: Some(calibrator.calibrate(raw)),
                });
            }
        }
        sets.push(SampleSet {
            prompt_id: prompt.id.clone(),
            prompt: responses::text(prompt.prompt.as_ref()),
            responses,
        });
    }
    Ok(sets)
}
