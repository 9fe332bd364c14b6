//! What the theory says that a table of this size shows: the same measurement on simulated tables.
//!
//! Without ties the calibrated reward of the base is uniform whatever the reward (derived: the probability integral transform), so rewards drawn
//! uniformly stand for any: the simulation's law is exact for the training judge, for every transform of Ĉ, and for this K and m. Its distance from
//! the prediction is what finite K and a finite evaluation part do to the figures.

use rand::RngExt;

use super::{
    answer::Prediction,
    prompt::{Evaluation, Policy, Side},
    split::stream,
};
use crate::Result;

/// Simulated prompts: the standard error of a win rate is then about 0.05/√1000 = 0.0015.
const PROMPTS: usize = 1000;

/// Prompts with K calibration rewards and m evaluation rewards, all uniform.
pub(super) fn tables(k: usize, m: usize, seed: u64) -> Result<Vec<Side>> {
    (0..PROMPTS)
        .map(|i| {
            let mut rng = stream(&format!("simulated prompt {i}"), seed);
            let calibration = (0..k).map(|_| rng.random::<f32>()).collect();
            let mut evaluation: Vec<f64> = (0..m).map(|_| rng.random()).collect();
            evaluation.sort_by(f64::total_cmp);
            Side::of_parts(calibration, vec![evaluation])
        })
        .collect()
}

/// The mean measurement of a policy.
pub(super) fn mean(policy: &Policy<'_>, prompts: &[Evaluation<'_>]) -> Result<Prediction> {
    let mut sum = Prediction {
        kl: 0.0,
        win_rate: 0.0,
        standard_win_rate: 0.0,
    };
    for prompt in prompts {
        let outcome = prompt.outcome(policy);
        let (win_rate, standard) = outcome.judged[0];
        sum.kl += outcome.kl;
        sum.win_rate += win_rate;
        sum.standard_win_rate += standard;
    }
    let n = prompts.len() as f64;
    Ok(Prediction {
        kl: sum.kl / n,
        win_rate: sum.win_rate / n,
        standard_win_rate: sum.standard_win_rate / n,
    })
}
