//! The mathematics of loose files: procedures, calibration, and win rates.

use std::collections::BTreeMap;

use infalign::{
    estimate::LogProbsOf,
    evaluation::{
        CalibratedPrompt, Deployed, Evaluation, Judge, Pairs, PolicySamples, Question, Responses,
        Samples, TrainedOn, evaluate,
    },
};
use infalign_data::{ReadOptions, RewardTable, read_table};

use super::judged::Judged;
use crate::{
    args::Evaluate,
    error::{Error, Result},
    resolve,
};

/// The N that are tried where nothing is typed.
const DRAWS: [usize; 4] = [2, 4, 8, 16];

/// As typed; else plain sampling, and best and worst of every N for which there are responses.
pub(super) fn procedures(args: &Evaluate, judged: &[Judged]) -> Result<Vec<Deployed>> {
    let samples = judged.iter().filter_map(|j| Some(j.lengths.first()?.len()));
    let fewest = samples.min().unwrap_or(0);
    let mut texts = args.procedures.clone();
    if texts.is_empty() {
        texts.push("standard".to_owned());
        let draws: Vec<usize> = match args.n.as_slice() {
            [] => DRAWS.into_iter().filter(|n| *n <= fewest).collect(),
            typed => typed.iter().copied().filter(|n| *n != 1).collect(),
        };
        for kind in ["best-of", "worst-of"] {
            texts.extend(draws.iter().map(|n| format!("{kind}:{n}")));
        }
    }
    texts
        .iter()
        .map(|text| Ok(Deployed::Ranked(resolve::procedure(text)?)))
        .collect()
}

pub(super) fn calibration(args: &Evaluate) -> Result<Option<RewardTable>> {
    let read = |path| read_table(path, &ReadOptions::default());
    Ok(args.calibration.as_ref().map(read).transpose()?)
}

pub(super) fn evaluation(
    args: &Evaluate,
    judged: &[Judged],
    names: &[String],
    procedures: &[Deployed],
    table: Option<&RewardTable>,
) -> Result<Evaluation> {
    let (base, policies) = judged
        .split_first()
        .ok_or_else(|| Error::Usage("give --base".to_owned()))?;
    let prompts: Vec<&str> = base.side.prompts.iter().map(|p| p.id.as_str()).collect();
    let named = base.side.prompts.iter().zip(&base.rewards[0]);
    let fresh: BTreeMap<&str, &[f32]> = named
        .filter(|(prompt, _)| prompt.named)
        .map(|(prompt, rewards)| (prompt.id.as_str(), rewards.as_slice()))
        .collect();
    let calibration = table.map_or_else(Vec::new, |table| {
        let one = |p| CalibratedPrompt {
            id: table.id(p),
            rollouts: table.rewards(0, p),
            fresh: fresh.get(table.id(p)).copied().unwrap_or_default(),
        };
        (0..table.prompts()).map(one).collect()
    });
    let samples = Samples {
        base: sides(base),
        policies: policies
            .iter()
            .map(|policy| PolicySamples {
                name: policy.side.name.clone(),
                trained_on: TrainedOn::Other(policy.side.name.clone()),
                designed_for: None,
                seed: None,
                kl_budget: None,
                beta: None,
                log_probs_of: LogProbsOf::Sampler,
                responses: sides(policy),
            })
            .collect(),
        prompts,
        calibration,
    };
    let judge = |(number, name): (usize, &String)| Judge {
        name: name.clone(),
        training: false,
        threshold: args.threshold.filter(|_| number == 0),
    };
    let question = Question {
        base: base.side.name.clone(),
        judges: names.iter().enumerate().map(judge).collect(),
        procedures: procedures.to_vec(),
        comparisons: Pairs::All,
        duels: Pairs::None,
        seed: args.stage.place.seed.unwrap_or(0),
    };
    Ok(evaluate(&samples, &question)?)
}

fn sides(judged: &Judged) -> Vec<Responses<'_>> {
    let one = |p: usize| Responses {
        rewards: judged
            .rewards
            .iter()
            .map(|rewards| rewards[p].as_slice())
            .collect(),
        lengths: &judged.lengths[p],
        truncated: &judged.truncated[p],
        ..Responses::default()
    };
    (0..judged.lengths.len()).map(one).collect()
}
