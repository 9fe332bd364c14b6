//! Ĉ of one reward from a prompt's sorted rewards, wherever these are kept: in memory or in a mapped file.
//!
//! ```text
//! Ĉ(x, r) from #below and #equal in the row, by two binary searches; the rules: [`RankRule`]
//! ```
//!
//! | case | result |
//! |---|---|
//! | an empty row, NaN as query | NaN |
//! | a row that is not ascending | some number: whoever keeps rows keeps them sorted |
//! | ±∞, ties, −0 | as in [`Calibrator`] |

use super::{Calibrator, RankRule};

/// Ĉ of a raw reward among a prompt's K rewards in ascending order. The same value as [`Calibrator::calibrate`].
///
/// O(log K); `interpolated` O(K), as it needs the prompt's calibrator.
#[must_use]
pub fn calibrate_sorted(row: &[f32], raw: f32, rule: RankRule) -> f64 {
    if raw.is_nan() || row.is_empty() {
        return f64::NAN;
    }
    if rule == RankRule::Interpolated {
        let calibrator = Calibrator::from_sorted(row, rule);
        return calibrator.map_or(f64::NAN, |c| c.calibrate(raw.into()));
    }
    let below = row.partition_point(|&reward| reward < raw);
    let equal = row[below..].partition_point(|&reward| reward <= raw);
    rule.score(below, equal, row.len())
}

#[cfg(test)]
mod tests {
    use super::*;

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
