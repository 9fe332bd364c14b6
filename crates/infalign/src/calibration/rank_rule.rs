//! How a rank among K rollouts becomes a calibrated reward: four rules, by name.
//!
//! With #below and #equal the numbers of the K rollouts whose reward is below and equal to r:
//!
//! | name | Ĉ(r) | range | at a rollout's own reward (untied, i-th smallest) |
//! |---|---|---|---|
//! | `mid-rank` | (#below + ½#equal) / K | \[0,1\] | (i − ½)/K |
//! | `strict` | #below / K | \[0,1\] | (i − 1)/K |
//! | `plus-one` | (rank + 1) / (K + 1) | \[½/(K+1), 1 − ½/(K+1)\] | i/(K+1) |
//! | `interpolated` | mid-rank at the rollouts' rewards, linear in r between them | \[½/K, 1 − ½/K\] | (i − ½)/K |
//!
//! `mid-rank` is CTRL's (`Ĉ = (1/K) Σ w(y, z_i)`) and unbiased for C. `strict` counts a tie as a loss.
//! For `plus-one`, rank = #below + ½#equal − ½: the zero-based mid-rank. It is what puts r into the
//! pool with the K rollouts and takes its mid-rank there, so that nothing is ever scored 0 or 1,
//! which log and logit transforms need. `interpolated` never scores two different rewards within
//! the rollouts' range alike; below the smallest and above the largest it stays level. It is the
//! only one that depends on the scale of r: a strictly increasing map leaves the other three as
//! they are, bit for bit, but `interpolated` only at the rollouts' own rewards.

use core::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::named;
use crate::{Error, Result};

/// A rule from ranks to calibrated rewards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RankRule {
    /// `(#below + ½#equal)/K`.
    #[default]
    MidRank,
    /// `#below/K`.
    Strict,
    /// `(rank + 1)/(K + 1)` with the zero-based mid-rank.
    PlusOne,
    /// Mid-rank at the rollouts' rewards, linear in between.
    Interpolated,
}

impl RankRule {
    /// Every rule.
    pub const ALL: [Self; 4] = [
        Self::MidRank,
        Self::Strict,
        Self::PlusOne,
        Self::Interpolated,
    ];

    /// Ĉ of a reward with `below` of `k` rollouts below it and `equal` at it.
    ///
    /// For `interpolated` this is the value at a rollout's own reward (`equal` ≥ 1).
    #[must_use]
    pub fn score(self, below: usize, equal: usize, k: usize) -> f64 {
        let mid_rank = below as f64 + 0.5 * equal as f64;
        let k = k as f64;
        match self {
            Self::MidRank | Self::Interpolated => mid_rank / k,
            Self::Strict => below as f64 / k,
            Self::PlusOne => (mid_rank + 0.5) / (k + 1.0),
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::MidRank => "mid-rank",
            Self::Strict => "strict",
            Self::PlusOne => "plus-one",
            Self::Interpolated => "interpolated",
        }
    }
}

impl fmt::Display for RankRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for RankRule {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        named::find(
            "calibration rule",
            &Self::ALL.map(|rule| (rule.name(), rule)),
            text,
        )
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed construction is a failed test")]
    use super::*;

    #[test]
    fn formulae() {
        // 3 of 10 below, 2 equal.
        assert_eq!(RankRule::MidRank.score(3, 2, 10), 0.4);
        assert_eq!(RankRule::Strict.score(3, 2, 10), 0.3);
        assert_eq!(RankRule::PlusOne.score(3, 2, 10), 4.5 / 11.0);
        assert_eq!(RankRule::Interpolated.score(3, 2, 10), 0.4);
    }

    #[test]
    fn plus_one_stays_inside_and_is_i_over_k_plus_one() {
        for k in [1, 2, 100] {
            assert!(RankRule::PlusOne.score(0, 0, k) > 0.0);
            assert!(RankRule::PlusOne.score(k, 0, k) < 1.0);
            for i in 1..=k {
                let weibull = i as f64 / (k as f64 + 1.0);
                assert_eq!(RankRule::PlusOne.score(i - 1, 1, k), weibull);
            }
        }
    }

    #[test]
    fn names_round_trip() {
        for rule in RankRule::ALL {
            assert_eq!(rule.to_string().parse(), Ok(rule));
            assert_eq!(serde_json::to_string(&rule).unwrap(), format!("\"{rule}\""));
        }
        let error = "mid_rank".parse::<RankRule>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "unknown calibration rule `mid_rank`: did you mean `mid-rank`?; \
             known: mid-rank, strict, plus-one, interpolated"
        );
    }
}
