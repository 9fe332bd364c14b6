//! `sum(W*REWARD + …)`: rewards added up, each with a finite weight.
//!
//! ```text
//! r(x,y) = Σ_i w_i r_i(x,y)          in f64, in the order that is written; rounded to f32 once
//! ```
//!
//! The parts keep their scales: weights are the user's to choose. A sum that leaves f32 is an error that names the row.

use crate::{Asked, Entry, RawReward, Result, Reward, RewardSpec, checked};

pub(crate) const ENTRY: Entry = Entry {
    name: "sum",
    syntax: "sum(W*REWARD + W*REWARD + …)",
    example: "sum(0.7*model:rm + 0.3*length)",
    summary: "weighted sum of rewards; a part with blanks or parentheses is put into double quotes",
};

/// A part of a sum, as it is written.
#[derive(Debug, Clone, PartialEq)]
pub struct Term {
    /// What the reward is multiplied by; finite.
    pub weight: f64,
    /// The reward.
    pub reward: RewardSpec,
}

/// Adds rewards up.
pub struct SumReward {
    name: String,
    parts: Vec<(f64, Box<dyn Reward>)>,
}

impl SumReward {
    /// Of opened rewards with their weights; `name` is the text that opens the sum again.
    #[must_use]
    pub fn new(name: String, parts: Vec<(f64, Box<dyn Reward>)>) -> Self {
        Self { name, parts }
    }
}

impl Reward for SumReward {
    fn name(&self) -> &str {
        &self.name
    }

    fn rewards(&mut self, asked: &[Asked<'_>]) -> Result<Vec<RawReward>> {
        let mut sums = vec![0.0; asked.len()];
        for (weight, part) in &mut self.parts {
            for (sum, reward) in sums.iter_mut().zip(part.rewards(asked)?) {
                *sum += *weight * f64::from(reward.0);
            }
        }
        let values: Vec<f32> = sums.iter().map(|&sum| sum as f32).collect();
        checked(&self.name, asked, &values)
    }

    fn identity(&self) -> String {
        let one = |(weight, part): &(f64, Box<dyn Reward>)| format!("{weight}*{}", part.identity());
        let parts: Vec<String> = self.parts.iter().map(one).collect();
        format!("sum({})", parts.join(" + "))
    }

    fn another(&self) -> Option<Box<dyn Reward>> {
        let one = |(weight, part): &(f64, Box<dyn Reward>)| Some((*weight, part.another()?));
        let parts = self.parts.iter().map(one).collect::<Option<Vec<_>>>()?;
        Some(Box::new(Self::new(self.name.clone(), parts)))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;
    use crate::{Error, LengthReward, PatternReward, reward::testing::responses};

    #[test]
    fn weights_and_overflow() {
        let sum = |weight| {
            let parts: Vec<(f64, Box<dyn Reward>)> = vec![
                (weight, Box::new(LengthReward)),
                (-2.0, Box::new(PatternReward::new("a", true).unwrap())),
            ];
            SumReward::new("s".to_owned(), parts)
        };
        let asked = responses(&["", "aab"]);
        let found = sum(0.5).rewards(&asked).unwrap();
        assert_eq!(found, [0.0, -2.5].map(RawReward));
        assert_eq!(sum(0.5).identity(), "sum(0.5*length + -2*regex-count:a)");
        let error = sum(1e300).rewards(&asked).unwrap_err();
        assert!(matches!(error, Error::NotFinite { row: 1, .. }), "{error}");
    }

    #[test]
    fn there_is_another_unless_a_part_is_one_of_its_kind() {
        let program = crate::ExecReward::open("cat", crate::ExecLimits::default()).unwrap();
        let sum = |other: Box<dyn Reward>| {
            let parts: Vec<(f64, Box<dyn Reward>)> =
                vec![(2.0, Box::new(LengthReward)), (1.0, other)];
            SumReward::new("s".to_owned(), parts)
        };
        let one = sum(Box::new(LengthReward));
        let mut another = one.another().unwrap();
        assert_eq!((another.name(), another.identity()), ("s", one.identity()));
        let found = another.rewards(&responses(&["ab"])).unwrap();
        assert_eq!(found, [RawReward(6.0)]);
        assert!(sum(Box::new(program)).another().is_none());
    }
}
