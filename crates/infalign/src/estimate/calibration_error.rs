//! Expected calibration error: do responses of calibrated reward u beat the base with probability u?
//!
//! Given predictions u = Ĉ(x,y) and outcomes w = w(y,z) against fresh z ~ p(·|x), E\[w | u\] = u
//! when calibrated. With the predictions in B equal cells of \[0,1\],
//!
//! ```text
//! ECE = Σ_b (n_b/n) |ū_b − w̄_b|                           MCE = max_b |ū_b − w̄_b|
//! floor = Σ_b (n_b/n) √(2 v_b / (π n_b)),   v_b = mean of (w − u)² in cell b
//! ```
//!
//! (Naeini et al. 2015). A finite sample has an ECE above 0 however well calibrated: a cell's gap
//! is then half-normal, and `floor` is its mean, what exact calibration would show on average. Judge
//! the ECE by its distance from the floor.
//!
//! | case | result |
//! |---|---|
//! | no predictions | [`Error::Empty`] |
//! | outcomes and predictions of different number | [`Error::Lengths`] |
//! | B = 0 | [`Error::OutOfRange`] |
//! | NaN, or outside \[0,1\] | [`Error::BadValue`] naming the index |
//! | empty cells | left out |

use serde::{Deserialize, Serialize};

use super::{
    Resolution,
    rank_cells::{RankCells, check_quantiles},
};
use crate::{Error, Result};

/// Predictions against outcomes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CalibrationError {
    /// Expected calibration error, in \[0,1\].
    pub expected: f64,
    /// The largest error of a cell, in \[0,1\].
    pub maximum: f64,
    /// What exact calibration would show on average in a sample of this size.
    pub floor: f64,
    /// The cells that hold predictions, in ascending order: a reliability diagram.
    pub cells: Vec<ReliabilityCell>,
}

/// One cell of a reliability diagram.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ReliabilityCell {
    /// Mean prediction.
    pub predicted: f64,
    /// Mean outcome.
    pub observed: f64,
    /// Number of predictions.
    pub count: usize,
}

/// Calibration error of `predicted` win probabilities against `outcomes` in \[0,1\] (0, ½, 1 for a
/// single comparison).
///
/// # Errors
/// As in the table above.
pub fn calibration_error(
    predicted: &[f64],
    outcomes: &[f64],
    bins: usize,
) -> Result<CalibrationError> {
    if predicted.len() != outcomes.len() {
        return Err(Error::Lengths {
            left: "predictions",
            left_len: predicted.len(),
            right: "outcomes",
            right_len: outcomes.len(),
        });
    }
    if predicted.is_empty() {
        return Err(Error::Empty {
            name: "predictions",
        });
    }
    check_quantiles("predictions", predicted)?;
    check_quantiles("outcomes", outcomes)?;
    let grid = RankCells::new(bins, Resolution::Continuous)?;
    // Sums of u, w, (w − u)² and 1.
    let mut sums = vec![(0.0, 0.0, 0.0, 0usize); bins];
    for (&u, &w) in predicted.iter().zip(outcomes) {
        let cell = &mut sums[grid.cell(u)];
        *cell = (
            cell.0 + u,
            cell.1 + w,
            cell.2 + (w - u) * (w - u),
            cell.3 + 1,
        );
    }
    let total = predicted.len() as f64;
    let (mut expected, mut maximum, mut floor) = (0.0, 0.0f64, 0.0);
    let mut cells = Vec::new();
    for (u, w, square, count) in sums.into_iter().filter(|cell| cell.3 > 0) {
        let n = count as f64;
        let gap = (u / n - w / n).abs();
        expected += n / total * gap;
        maximum = maximum.max(gap);
        floor += n / total * (core::f64::consts::FRAC_2_PI * square / n / n).sqrt();
        cells.push(ReliabilityCell {
            predicted: u / n,
            observed: w / n,
            count,
        });
    }
    Ok(CalibrationError {
        expected,
        maximum,
        floor,
        cells,
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed construction is a failed test")]
    use super::*;
    use rand::{RngExt, SeedableRng};

    #[test]
    fn by_hand() {
        let e = calibration_error(&[0.2, 0.4, 0.9, 0.9], &[0.0, 1.0, 1.0, 0.5], 2).unwrap();
        // Cells: ū .3 against w̄ .5; ū .9 against w̄ .75.
        assert!((e.expected - (0.5 * 0.2 + 0.5 * 0.15)).abs() < 1e-15);
        assert!((e.maximum - 0.2).abs() < 1e-15);
        assert_eq!(
            e.cells.iter().map(|cell| cell.count).collect::<Vec<_>>(),
            [2, 2]
        );
    }

    #[test]
    fn exact_calibration_shows_the_floor_and_bias_shows_itself() {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(2);
        let (mut shown, mut floor) = (0.0, 0.0);
        for _ in 0..200 {
            let u: Vec<f64> = (0..1000).map(|_| rng.random()).collect();
            let w: Vec<f64> = u
                .iter()
                .map(|u| f64::from(rng.random::<f64>() < *u))
                .collect();
            let e = calibration_error(&u, &w, 10).unwrap();
            (shown, floor) = (shown + e.expected / 200.0, floor + e.floor / 200.0);
        }
        assert!(
            (shown / floor - 1.0).abs() < 0.05,
            "{shown} against {floor}"
        );
        let u: Vec<f64> = (0..1000).map(|i| f64::from(i) / 1000.0).collect();
        let w: Vec<f64> = u.iter().map(|u| 0.5 * u).collect();
        let e = calibration_error(&u, &w, 10).unwrap();
        assert!((e.expected - 0.249_75).abs() < 1e-12, "{}", e.expected);
    }

    #[test]
    fn edges() {
        let go = calibration_error;
        assert!(matches!(go(&[], &[], 5), Err(Error::Empty { .. })));
        assert!(matches!(go(&[0.5], &[], 5), Err(Error::Lengths { .. })));
        assert!(matches!(
            go(&[0.5], &[1.0], 0),
            Err(Error::OutOfRange { .. })
        ));
        assert!(matches!(
            go(&[0.5, 0.5], &[1.0, 2.0], 3),
            Err(Error::BadValue { index: 1, .. })
        ));
        assert!(matches!(
            go(&[f64::NAN], &[1.0], 3),
            Err(Error::BadValue { index: 0, .. })
        ));
    }
}
