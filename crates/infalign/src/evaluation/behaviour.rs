//! What a policy does without an opponent: rewards, lengths, truncation, attacks.

use super::{AttackSuccess, Behaviour, Judge, MeanReward, samples::Responses};
use crate::{Result, estimate::Estimate};

/// What a policy does without an opponent.
pub(super) fn behaviour(prompts: &[Responses<'_>], judges: &[Judge]) -> Result<Behaviour> {
    let mean = |value: &dyn Fn(&Responses<'_>) -> f64| {
        let means: Vec<f64> = prompts.iter().map(|r| value(r) / r.len() as f64).collect();
        Estimate::from_values(&means)
    };
    let (mut rewards, mut attacks) = (Vec::new(), Vec::new());
    for (i, judge) in judges.iter().enumerate() {
        rewards.push(MeanReward {
            judge: judge.name.clone(),
            reward: mean(&|r| r.rewards[i].iter().map(|x| f64::from(*x)).sum())?,
        });
        if let Some(threshold) = judge.threshold {
            let by_judge: Vec<&[f32]> = prompts.iter().map(|r| r.rewards[i]).collect();
            attacks.push(AttackSuccess::measured(&judge.name, threshold, &by_judge)?);
        }
    }
    Ok(Behaviour {
        rewards,
        length: mean(&|r| r.lengths.iter().map(|l| f64::from(*l)).sum())?,
        truncated: mean(&|r| r.truncated.iter().filter(|t| **t).count() as f64)?.within(0.0, 1.0),
        attacks,
    })
}
