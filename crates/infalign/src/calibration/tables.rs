//! Calibration of many prompts of equal K at once: sorted rows of raw rewards.
//!
//! ```text
//! row of prompt x = its K rewards in ascending order;   Ĉ(x, r) from #below and #equal in that row
//! ```
//!
//! The same scores as [`Calibrator`], at the cost of a sort: nothing is stored but the rewards.
//!
//! | case | result |
//! |---|---|
//! | no rewards | [`Error::Empty`] |
//! | K = 0, or K does not divide the number of rewards | [`Error::OutOfRange`] |
//! | NaN | [`Error::BadValue`]; the index is prompt · K + position |
//! | ±∞, ties, −0 | as in [`Calibrator`] |

use super::{Calibrator, RankRule, calibrate_sorted, row_sort::sort_rows};
use crate::{Error, Result};

/// Sorted raw rewards, one row of K per prompt.
///
/// # Shapes
/// `prompts × K`, row by row, f32 as recorded.
#[derive(Debug, Clone, PartialEq)]
pub struct CalibrationTables {
    sorted: Vec<f32>,
    k: usize,
}

impl CalibrationTables {
    /// From raw rewards, K of each prompt in turn, in any order within a prompt; sorts them in place.
    ///
    /// # Errors
    /// [`Error::Empty`], [`Error::OutOfRange`] when K does not fit, [`Error::BadValue`] for NaN.
    pub fn new(mut rewards: Vec<f32>, k: usize) -> Result<Self> {
        if rewards.is_empty() {
            return Err(Error::Empty { name: "rewards" });
        }
        let fits = k > 0 && rewards.len().is_multiple_of(k);
        Error::range("K", k as f64, fits, "a divisor of the number of rewards")?;
        if rewards
            .iter()
            .fold(false, |any, reward| any | reward.is_nan())
        {
            let index = rewards
                .iter()
                .position(|reward| reward.is_nan())
                .unwrap_or_default();
            let (name, allowed) = ("rewards", "a number (not NaN)");
            return Err(Error::BadValue {
                name,
                index,
                value: f64::NAN,
                allowed,
            });
        }
        sort_rows(&mut rewards, k);
        Ok(Self { sorted: rewards, k })
    }

    /// Rollouts per prompt.
    #[must_use]
    pub const fn k(&self) -> usize {
        self.k
    }

    /// Number of prompts.
    #[must_use]
    pub fn prompts(&self) -> usize {
        self.sorted.len() / self.k
    }

    /// The sorted rewards of a prompt; `None` past the last.
    #[must_use]
    pub fn row(&self, prompt: usize) -> Option<&[f32]> {
        self.sorted.chunks_exact(self.k).nth(prompt)
    }

    /// Ĉ of one raw reward of a prompt; NaN for NaN, `None` past the last prompt.
    ///
    /// O(log K); `interpolated` O(K), as it needs the prompt's calibrator.
    #[must_use]
    pub fn calibrate(&self, prompt: usize, raw: f32, rule: RankRule) -> Option<f64> {
        Some(calibrate_sorted(self.row(prompt)?, raw, rule))
    }

    /// The prompt's calibrator, for many lookups; `None` past the last prompt.
    #[must_use]
    pub fn calibrator(&self, prompt: usize, rule: RankRule) -> Option<Calibrator> {
        Calibrator::from_sorted(self.row(prompt)?, rule).ok()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed construction is a failed test")]
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn tables_score_like_calibrators(
            rewards in prop::collection::vec(prop_oneof![-3.0f32..3.0, Just(0.0), Just(-0.0),
                Just(1.0), Just(f32::INFINITY), Just(f32::NEG_INFINITY)], 1..400),
            k in 1usize..20,
        ) {
            let prompts = rewards.len() / k;
            prop_assume!(prompts > 0);
            let rewards = &rewards[..prompts * k];
            let tables = CalibrationTables::new(rewards.to_vec(), k).unwrap();
            prop_assert_eq!((tables.prompts(), tables.k()), (prompts, k));
            for rule in RankRule::ALL {
                for (prompt, row) in rewards.chunks_exact(k).enumerate() {
                    let single = Calibrator::new(row, rule).unwrap();
                    prop_assert_eq!(&tables.calibrator(prompt, rule).unwrap(), &single);
                    for &raw in &rewards[..rewards.len().min(30)] {
                        let score = tables.calibrate(prompt, raw, rule);
                        prop_assert_eq!(score, Some(single.calibrate(raw.into())));
                    }
                }
            }
        }
    }

    #[test]
    fn edges() {
        assert!(matches!(
            CalibrationTables::new(vec![], 4),
            Err(Error::Empty { .. })
        ));
        for k in [0, 2, 4] {
            let odd = CalibrationTables::new(vec![0.0; 3], k);
            assert!(matches!(odd, Err(Error::OutOfRange { name: "K", .. })));
        }
        let nan = CalibrationTables::new(vec![0.0, 1.0, 2.0, f32::NAN], 2);
        assert!(matches!(nan, Err(Error::BadValue { index: 3, .. })));
        let tables = CalibrationTables::new(vec![2.0, 1.0], 2).unwrap();
        assert_eq!(tables.row(0), Some([1.0, 2.0].as_slice()));
        assert_eq!(tables.row(1), None);
        assert_eq!(tables.calibrate(1, 0.0, RankRule::MidRank), None);
        assert!(
            tables
                .calibrate(0, f32::NAN, RankRule::MidRank)
                .is_some_and(f64::is_nan)
        );
    }
}
