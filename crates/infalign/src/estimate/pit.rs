//! Is the base calibrated? The histogram of its calibrated rewards, with χ² and Kolmogorov–Smirnov.
//!
//! C(x,y) of fresh responses y ~ p(·|x) is uniform where rewards have no atoms (MATH.md §1): the
//! probability integral transform. From n values u,
//!
//! ```text
//! χ² = Σ_b (count_b − n q_b)² / (n q_b),   p = Q((B − 1)/2, χ²/2)      Q: regularised upper gamma
//! D  = sup_u |F_n(u) − u|                   p: Kolmogorov's law, corrected for n
//! ```
//!
//! with `q_b` the cells' shares (equal, or those of K + 1 ranks: [`Resolution`]). For ranks D is taken
//! at the K + 1 values, where the law's CDF is (h+1)/(K+1), and its p-value errs on the large side.
//!
//! Both p-values hold for independent values: take one response per prompt, as responses of one
//! prompt share its table of K rollouts. Ties break uniformity at any calibration; there use
//! [`crate::calibration::Calibrator::randomised`] with [`Resolution::Continuous`].
//!
//! | case | result |
//! |---|---|
//! | no values | [`Error::Empty`] |
//! | B = 0, B > K + 1 | [`Error::OutOfRange`] |
//! | NaN, or outside \[0,1\] | [`Error::BadValue`] naming the index |
//! | B = 1 | χ² 0, p-value 1 |
//! | fewer than 5 values expected in a cell | [`Warning::SparseHistogram`]: the χ² law is approximate |

use serde::{Deserialize, Serialize};
use statrs::function::gamma::gamma_ur;

use super::{
    Resolution, kolmogorov,
    rank_cells::{RankCells, check_quantiles},
};
use crate::{Error, Result, Warning};

/// The expected count under which the χ² law is a poor approximation (Cochran 1954).
const LEAST_EXPECTED: f64 = 5.0;

/// How far calibrated rewards of the base are from uniform.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Pit {
    /// Values in each cell.
    pub counts: Vec<usize>,
    /// Values expected in each cell under exact calibration.
    pub expected: Vec<f64>,
    /// χ² statistic.
    pub chi_squared: f64,
    /// Its degrees of freedom, B − 1.
    pub degrees_of_freedom: usize,
    /// P(χ² at least this large) under exact calibration.
    pub chi_squared_p: f64,
    /// Kolmogorov–Smirnov statistic D.
    pub kolmogorov_smirnov: f64,
    /// P(D at least this large) under exact calibration.
    pub kolmogorov_smirnov_p: f64,
    /// Caveats.
    pub warnings: Vec<Warning>,
}

impl Pit {
    /// From calibrated rewards of fresh responses of the base, one per prompt.
    ///
    /// # Errors
    /// As in the table above.
    pub fn new(values: &[f64], bins: usize, resolution: Resolution) -> Result<Self> {
        let cells = RankCells::new(bins, resolution)?;
        if values.is_empty() {
            return Err(Error::Empty { name: "values" });
        }
        check_quantiles("values", values)?;
        let n = values.len();
        let mut counts = vec![0; bins];
        for &u in values {
            counts[cells.cell(u)] += 1;
        }
        let expected: Vec<f64> = cells
            .shares()
            .iter()
            .map(|share| share * n as f64)
            .collect();
        let chi_squared = counts
            .iter()
            .zip(&expected)
            .map(|(&count, expected)| (count as f64 - expected).powi(2) / expected)
            .sum();
        let statistic = largest_gap(values, resolution);
        let least = expected.iter().copied().fold(f64::INFINITY, f64::min);
        let sparse = bins > 1 && least < LEAST_EXPECTED;
        Ok(Self {
            chi_squared,
            degrees_of_freedom: bins - 1,
            chi_squared_p: chi_squared_survival(chi_squared, bins - 1),
            kolmogorov_smirnov: statistic,
            kolmogorov_smirnov_p: kolmogorov::survival(statistic, n),
            warnings: Vec::from_iter(sparse.then_some(Warning::SparseHistogram { bins, least })),
            counts,
            expected,
        })
    }
}

/// P(χ² ≥ x) with this many degrees of freedom.
fn chi_squared_survival(x: f64, degrees_of_freedom: usize) -> f64 {
    if degrees_of_freedom == 0 || x <= 0.0 {
        return 1.0;
    }
    gamma_ur(0.5 * degrees_of_freedom as f64, 0.5 * x)
}

/// `sup |F_n − F|` over \[0,1\], or over the K + 1 values of ranks.
fn largest_gap(values: &[f64], resolution: Resolution) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let n = sorted.len() as f64;
    match resolution {
        Resolution::Continuous => {
            let gap = |(i, u): (usize, &f64)| ((i + 1) as f64 / n - u).max(u - i as f64 / n);
            sorted.iter().enumerate().map(gap).fold(0.0, f64::max)
        }
        Resolution::Rollouts(k) => {
            let gap = |h: usize| {
                // A quarter rank above h: no rounding of u = h/K can cross it.
                let up_to = sorted.partition_point(|u| u * (k as f64) < h as f64 + 0.25);
                (up_to as f64 / n - (h as f64 + 1.0) / (k as f64 + 1.0)).abs()
            };
            (0..=k).map(gap).fold(0.0, f64::max)
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed construction is a failed test")]
    use super::*;
    use crate::calibration::{Calibrator, RankRule};
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn by_hand() {
        let pit = Pit::new(&[0.1, 0.2, 0.6, 0.9], 2, Resolution::Continuous).unwrap();
        assert_eq!((pit.counts, pit.expected), (vec![2, 2], vec![2.0, 2.0]));
        assert_eq!((pit.chi_squared, pit.chi_squared_p), (0.0, 1.0));
        assert!((pit.kolmogorov_smirnov - 0.3).abs() < 1e-15);
        assert_eq!(
            pit.warnings,
            [Warning::SparseHistogram {
                bins: 2,
                least: 2.0
            }]
        );
        // Ranks 0, 0, 2 of K = 2: F_n = ⅔, ⅔, 1 against ⅓, ⅔, 1.
        let pit = Pit::new(&[0.0, 0.0, 1.0], 3, Resolution::Rollouts(2)).unwrap();
        assert_eq!(pit.counts, [2, 0, 1]);
        assert!((pit.chi_squared - 2.0).abs() < 1e-12);
        assert!((pit.kolmogorov_smirnov - 1.0 / 3.0).abs() < 1e-15);
        // With two degrees of freedom P(χ² ≥ x) = e^{−x/2}.
        assert!((pit.chi_squared_p - (-1.0f64).exp()).abs() < 1e-12);
    }

    /// Published 5% points of χ².
    #[test]
    fn chi_squared_points() {
        for (dof, x) in [(1, 3.841_459), (9, 16.918_978), (99, 123.225_221)] {
            assert!((chi_squared_survival(x, dof) - 0.05).abs() < 1e-7);
        }
    }

    /// Share of 2000 simulated tests that reject at 5%: exact calibration, K rollouts per prompt.
    #[test]
    fn under_exact_calibration_p_values_are_uniform() {
        let mut rng = ChaCha8Rng::seed_from_u64(11);
        let (mut chi, mut smooth, mut ranks) = (0, 0, 0);
        for _ in 0..2000 {
            let mut scores = Vec::new();
            let mut spread = Vec::new();
            for _ in 0..100 {
                let rollouts: [f64; 9] = core::array::from_fn(|_| rng.random());
                let calibrator = Calibrator::new(&rollouts, RankRule::MidRank).unwrap();
                let raw = rng.random();
                scores.push(calibrator.calibrate(raw));
                spread.push(calibrator.randomised(raw, rng.random()));
            }
            let pit = Pit::new(&scores, 10, Resolution::Rollouts(9)).unwrap();
            chi += usize::from(pit.chi_squared_p < 0.05);
            ranks += usize::from(pit.kolmogorov_smirnov_p < 0.05);
            let pit = Pit::new(&spread, 10, Resolution::Continuous).unwrap();
            smooth += usize::from(pit.kolmogorov_smirnov_p < 0.05);
        }
        // 5% of 2000 ± four standard errors (9.7), and a point for the χ² approximation.
        assert!((chi as f64 - 100.0).abs() < 60.0, "{chi}");
        assert!((smooth as f64 - 100.0).abs() < 40.0, "{smooth}");
        assert!(ranks < 140, "conservative: {ranks}");
    }

    #[test]
    fn a_biased_calibration_is_found() {
        let values: Vec<f64> = (0..400).map(|i| (f64::from(i) / 400.0).powi(2)).collect();
        let pit = Pit::new(&values, 10, Resolution::Continuous).unwrap();
        assert!(
            pit.chi_squared_p < 1e-6 && pit.kolmogorov_smirnov_p < 1e-6 && pit.warnings.is_empty()
        );
    }

    #[test]
    fn edges() {
        let go = |values: &[f64], bins| Pit::new(values, bins, Resolution::Rollouts(4));
        assert!(matches!(go(&[], 2), Err(Error::Empty { .. })));
        assert!(matches!(go(&[0.5], 6), Err(Error::OutOfRange { .. })));
        assert!(matches!(
            go(&[0.5, f64::NAN], 2),
            Err(Error::BadValue { index: 1, .. })
        ));
        let one = go(&[0.0, 1.0], 1).unwrap();
        assert_eq!(
            (one.chi_squared, one.chi_squared_p, one.counts),
            (0.0, 1.0, vec![2])
        );
    }
}
