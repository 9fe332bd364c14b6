//! The unit interval cut into B cells, with the share of each under an exactly calibrated base.
//!
//! Where calibrated rewards have no atoms, cell b is \[b/B, (b+1)/B) and holds 1/B. Calibrated from
//! K rollouts by mid-rank, a fresh response of the base (no ties) has Ĉ = h/K with h uniform on
//! 0…K: K + 1 values. They are centred in K + 1 equal cells, h ↦ (h + ½)/(K + 1), and cut by that;
//! a cell's share is the number of values in it over K + 1, exact also when B does not divide K + 1.
//!
//! | case | result |
//! |---|---|
//! | B = 0, B > K + 1, K = 0 | [`Error::OutOfRange`] |
//! | u outside \[0,1\], NaN | [`Error::BadValue`] naming the index |
//! | u = 1 | the last cell |
//! | u between two of the K + 1 values (ties) | rounded to half ranks: a half goes with its own place |

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// How finely calibrated rewards are resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resolution {
    /// No atoms: exact quantiles, or [`crate::calibration::Calibrator::randomised`] ones.
    Continuous,
    /// Mid-ranks among this many rollouts.
    Rollouts(usize),
}

/// B cells at a resolution.
#[derive(Debug, Clone, Copy)]
pub(super) struct RankCells {
    bins: usize,
    resolution: Resolution,
}

impl RankCells {
    pub(super) fn new(bins: usize, resolution: Resolution) -> Result<Self> {
        Error::range("bins", bins as f64, bins > 0, "at least 1")?;
        if let Resolution::Rollouts(k) = resolution {
            Error::range("K", k as f64, k > 0, "at least 1")?;
            Error::range("bins", bins as f64, bins <= k + 1, "at most K + 1")?;
        }
        Ok(Self { bins, resolution })
    }

    /// The cell of u in \[0,1\].
    pub(super) fn cell(&self, u: f64) -> usize {
        match self.resolution {
            Resolution::Continuous => ((u * self.bins as f64) as usize).min(self.bins - 1),
            Resolution::Rollouts(k) => {
                let half_ranks = (2.0 * u * k as f64).round() as usize;
                ((half_ranks + 1) * self.bins / (2 * (k + 1))).min(self.bins - 1)
            }
        }
    }

    /// The share of each cell under the base; B values that sum to 1.
    pub(super) fn shares(&self) -> Vec<f64> {
        let mut shares = vec![0.0; self.bins];
        match self.resolution {
            Resolution::Continuous => shares.fill(1.0 / self.bins as f64),
            Resolution::Rollouts(k) => {
                for h in 0..=k {
                    shares[(2 * h + 1) * self.bins / (2 * (k + 1))] += 1.0 / (k as f64 + 1.0);
                }
            }
        }
        shares
    }
}

/// Every value in \[0,1\], or the first that is not.
pub(super) fn check_quantiles(name: &'static str, values: &[f64]) -> Result<()> {
    match values.iter().position(|u| !(0.0..=1.0).contains(u)) {
        None => Ok(()),
        Some(index) => {
            let (value, allowed) = (values[index], "in [0, 1]");
            Err(Error::BadValue {
                name,
                index,
                value,
                allowed,
            })
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed construction is a failed test")]
    use super::*;

    #[test]
    fn shares_are_those_of_the_cells() {
        for k in [1, 7, 99, 100] {
            for bins in [1, 2, 3, 8, 10, k + 1] {
                let Ok(cells) = RankCells::new(bins, Resolution::Rollouts(k)) else {
                    assert!(bins > k + 1);
                    continue;
                };
                let mut shares = vec![0.0; bins];
                for h in 0..=k {
                    shares[cells.cell(h as f64 / k as f64)] += 1.0 / (k as f64 + 1.0);
                }
                assert_eq!(shares, cells.shares());
                assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-13);
            }
        }
        let cells = RankCells::new(4, Resolution::Continuous).unwrap();
        assert_eq!(
            [0.0, 0.24, 0.25, 0.99, 1.0].map(|u| cells.cell(u)),
            [0, 0, 1, 3, 3]
        );
        assert_eq!(cells.shares(), [0.25; 4]);
    }

    #[test]
    fn edges() {
        assert!(RankCells::new(0, Resolution::Continuous).is_err());
        assert!(RankCells::new(5, Resolution::Rollouts(3)).is_err());
        assert!(RankCells::new(1, Resolution::Rollouts(0)).is_err());
        assert!(check_quantiles("u", &[0.0, 1.0]).is_ok());
        for bad in [-0.1, 1.1, f64::NAN] {
            assert!(matches!(
                check_quantiles("u", &[0.5, bad]),
                Err(Error::BadValue { index: 1, .. })
            ));
        }
    }
}
