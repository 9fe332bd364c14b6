//! Ĉ of one reward from a prompt's sorted rewards, wherever these are kept: in memory or in a mapped file.
//!
//! ```text
//! Ĉ(x, r) from #below and #equal in the row; the rules: [`RankRule`]
//! ```
//!
//! A row of up to 256 rewards is counted through, which has no branch to mispredict and reads memory in order: faster than a search of
//! a row that is in no cache.
//!
//! | case | result |
//! |---|---|
//! | an empty row, NaN as query | NaN |
//! | a row that is not ascending | some number: whoever keeps rows keeps them sorted |
//! | ±∞, ties, −0 | as in [`Calibrator`] |

use super::{Calibrator, RankRule};

/// Rows up to this long are counted through.
const COUNTED: usize = 256;

/// Ĉ of a raw reward among a prompt's K rewards in ascending order. The same value as [`Calibrator::calibrate`].
///
/// O(log K) for large K; `interpolated` O(K), as it needs the prompt's calibrator.
#[must_use]
pub fn calibrate_sorted(row: &[f32], raw: f32, rule: RankRule) -> f64 {
    if raw.is_nan() || row.is_empty() {
        return f64::NAN;
    }
    if rule == RankRule::Interpolated {
        let calibrator = Calibrator::from_sorted(row, rule);
        return calibrator.map_or(f64::NAN, |c| c.calibrate(raw.into()));
    }
    let (below, up_to) = if row.len() <= COUNTED {
        let count = |(below, up_to): (u32, u32), &reward: &f32| {
            (
                below + u32::from(reward < raw),
                up_to + u32::from(reward <= raw),
            )
        };
        let (below, up_to) = row.iter().fold((0, 0), count);
        (below as usize, up_to as usize)
    } else {
        let below = row.partition_point(|&reward| reward < raw);
        (
            below,
            below + row[below..].partition_point(|&reward| reward <= raw),
        )
    };
    rule.score(below, up_to - below, row.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counting_and_searching_agree() {
        let row: Vec<f32> = (0..1000u16).map(|i| f32::from(i / 3)).collect();
        for (from, to) in [(0, COUNTED), (0, COUNTED + 1), (100, 1000)] {
            let row = &row[from..to];
            for raw in [-1.0, 0.0, 40.0, 40.5, 85.0, 333.0, f32::INFINITY] {
                for rule in RankRule::ALL {
                    let calibrator = Calibrator::new(row, rule).map(|c| c.calibrate(raw.into()));
                    assert_eq!(Ok(calibrate_sorted(row, raw, rule)), calibrator);
                }
            }
        }
    }

    #[test]
    fn edges() {
        for rule in RankRule::ALL {
            assert!(calibrate_sorted(&[], 1.0, rule).is_nan());
            assert!(calibrate_sorted(&[1.0], f32::NAN, rule).is_nan());
        }
        assert_eq!(
            calibrate_sorted(&[1.0, 2.0, 2.0, 3.0], 2.0, RankRule::MidRank),
            0.5
        );
    }
}
