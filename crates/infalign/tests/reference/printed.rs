//! The values that the project's description prints with four digits.

use std::iter;

use infalign::{
    design::{Budget, Design, Question, design},
    raw::RawRewards,
};
use statrs::distribution::{ContinuousCDF, Normal};

use super::{
    Largest, procedure,
    record::{Printed, REFERENCE},
};

/// Half a unit of the fourth digit.
const FOUR_DIGITS: f64 = 0.5e-4;

/// The budget that `beta 0.3` names for transforms is the KL that the optimum spends at that β.
fn answer(printed: &Printed) -> Design {
    let (kind, value) = printed.budget.split_once(' ').unwrap();
    let value: f64 = value.parse().unwrap();
    let of = |budget| {
        let texts = [
            "identity", "log", "probit", "exp:5", "exp:10", "exp:-5", "exp:-10",
        ];
        Question {
            transforms: texts.iter().map(|t| t.parse().unwrap()).collect(),
            ..Question::new(procedure(&printed.procedure), budget)
        }
    };
    match kind {
        "kl" => design(&of(Budget::Kl(value))).unwrap(),
        "beta" => {
            let priced = design(&Question {
                transforms: vec!["identity".parse().unwrap()],
                ..of(Budget::Beta(value))
            });
            design(&of(Budget::Kl(priced.unwrap().optimum.kl))).unwrap()
        }
        other => panic!("{other} is no budget"),
    }
}

#[test]
fn values_to_hold() {
    let mut printed = Largest::new("printed value", FOUR_DIGITS);
    let mut value = Largest::new("value", 1e-9);
    for want in &REFERENCE.printed {
        let answer = answer(want);
        let got = match want.what.as_str() {
            "kl" => answer.optimum.kl,
            "optimum" => answer.optimum.win_rate,
            name => {
                answer
                    .transforms
                    .iter()
                    .find(|t| t.transform == name)
                    .unwrap()
                    .win_rate
            }
        };
        let at = format!("{} at {}, {}", want.procedure, want.budget, want.what);
        printed.insert(got, want.printed, &at);
        value.insert(got, want.value, &at);
    }
    printed.finish();
    value.finish();
}

/// Raw-reward RLHF on Gaussian rewards of equal spread, from a table of many rollouts at the normal's quantiles.
#[test]
fn raw_rewards_approach_the_gaussian_values() {
    let normal = Normal::standard();
    let rollouts = 1 << 16;
    let rewards: Vec<f32> = (0..rollouts)
        .map(|i| normal.inverse_cdf((f64::from(i) + 0.5) / f64::from(rollouts)) as f32)
        .collect();
    let raw = RawRewards::new(iter::repeat_n(rewards.as_slice(), 2)).unwrap();
    let mut deviation = Largest::new("win rate of raw rewards", 1e-3);
    for (kl, text, want) in [
        (0.5, "best-of:4", 0.8450),
        (0.5, "worst-of:4", 0.8450),
        (1.0, "best-of:4", 0.9237),
        (1.0, "worst-of:4", 0.9237),
    ] {
        let got = raw.at_kl(&procedure(text), kl).unwrap();
        deviation.insert(got.win_rate, want, &format!("{text} at KL {kl}"));
    }
    deviation.finish();
}
