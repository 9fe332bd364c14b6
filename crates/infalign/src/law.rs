//! The law of the calibrated reward u = C(x,y) under a policy: density, CDF and KL on a quadrature grid.
//!
//! Under the base policy p, u is uniform (no atoms; MATH of quantile space: \[IA\] section 4). A policy
//! π that depends on y only through u has density f on \[0,1\], and
//! KL(π‖p) = ∫ f log f du, win rate of one plain sample = ∫ u f du.
//! KL is summed as ∫ (f log f − f + 1), whose integrand is nowhere negative: a KL of 10⁻⁶ keeps its digits.

use std::sync::Arc;

use crate::{Quantile, numeric::grid::Grid};

/// A density on \[0,1\] with respect to the base policy, tabulated at a grid's nodes.
#[derive(Debug, Clone)]
pub struct Law {
    grid: Arc<Grid>,
    log_density: Vec<f64>,
    density: Vec<f64>,
    cdf: Vec<Quantile>,
    /// log ∫ e^{tilt}.
    log_normaliser: f64,
}

impl Law {
    /// The law with density ∝ e^{tilt}, for tilts at the grid's nodes. Any constant may be added to the tilts.
    #[must_use]
    pub fn from_log_tilt(grid: Arc<Grid>, tilt: &[f64]) -> Self {
        let top = tilt.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let mut density: Vec<f64> = tilt.iter().map(|t| (t - top).exp()).collect();
        let z = grid.integrate(&density);
        // For nearly uniform densities log z is summed from e^x − 1, so that small tilts keep their digits.
        let shift = if (z - 1.0).abs() < 0.1 {
            let small: f64 = grid
                .weights()
                .iter()
                .zip(tilt)
                .map(|(w, t)| w * (t - top).exp_m1())
                .sum();
            let whole: f64 = grid.weights().iter().sum();
            (small + (whole - 1.0)).ln_1p()
        } else {
            z.ln()
        };
        let log_density: Vec<f64> = tilt.iter().map(|t| t - top - shift).collect();
        for d in &mut density {
            *d /= z;
        }
        let (mut below, mut above) = (vec![0.0; grid.len()], vec![0.0; grid.len()]);
        grid.running_below(&density, &mut below);
        grid.running_above(&density, &mut above);
        let cdf = below
            .iter()
            .zip(&above)
            .map(|(&b, &a)| Quantile::from_masses(b, a))
            .collect();
        Self {
            grid,
            log_density,
            density,
            cdf,
            log_normaliser: top + shift,
        }
    }

    /// The base policy itself: f = 1.
    #[must_use]
    pub fn uniform(grid: Arc<Grid>) -> Self {
        let tilt = vec![0.0; grid.len()];
        Self::from_log_tilt(grid, &tilt)
    }

    /// The grid whose nodes index every slice here.
    #[must_use]
    pub const fn grid(&self) -> &Arc<Grid> {
        &self.grid
    }

    /// log f at the nodes.
    #[must_use]
    pub fn log_density(&self) -> &[f64] {
        &self.log_density
    }

    /// f at the nodes.
    #[must_use]
    pub fn density(&self) -> &[f64] {
        &self.density
    }

    /// F and 1 − F at the nodes.
    #[must_use]
    pub fn cdf(&self) -> &[Quantile] {
        &self.cdf
    }

    /// log of what the tilt had to be divided by.
    #[must_use]
    pub const fn log_normaliser(&self) -> f64 {
        self.log_normaliser
    }

    /// KL(π‖p) in nats.
    #[must_use]
    pub fn kl(&self) -> f64 {
        let mut sum = 0.0;
        for ((w, f), l) in self
            .grid
            .weights()
            .iter()
            .zip(&self.density)
            .zip(&self.log_density)
        {
            // f log f − f + 1, by series where the difference would cancel.
            let term = if l.abs() < 1e-3 {
                l * l * (0.5 + l * (1.0 / 3.0 + l * 0.125))
            } else {
                f * l - f + 1.0
            };
            sum += w * term;
        }
        sum
    }

    /// The mean of values at the nodes under this law: `E_f[y]`.
    #[must_use]
    pub fn mean(&self, y: &[f64]) -> f64 {
        self.grid.inner(&self.density, y)
    }

    /// Standard win rate: the chance that one sample of π beats one of p, ∫ u f du.
    #[must_use]
    pub fn standard_win_rate(&self) -> f64 {
        let mut sum = 0.0;
        for ((w, f), u) in self
            .grid
            .weights()
            .iter()
            .zip(&self.density)
            .zip(self.grid.nodes())
        {
            sum += w * f * u.below();
        }
        sum
    }

    /// F(u) at any u, by integration within its panel of the interpolated density.
    #[must_use]
    pub fn cdf_at(&self, u: Quantile) -> Quantile {
        let below: Vec<f64> = self.cdf.iter().map(|c| c.below()).collect();
        let above: Vec<f64> = self.cdf.iter().map(|c| c.above()).collect();
        Quantile::from_masses(
            self.grid.interpolate(&below, u),
            self.grid.interpolate(&above, u),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_base_is_uniform() {
        let law = Law::uniform(Arc::new(Grid::new(&[])));
        assert!(law.kl().abs() < 1e-15);
        assert!((law.standard_win_rate() - 0.5).abs() < 1e-14);
        for (c, u) in law.cdf().iter().zip(law.grid().nodes()) {
            assert!((c.below() - u.below()).abs() < 1e-14);
        }
    }

    #[test]
    fn small_tilts_keep_their_digits() {
        // f ∝ e^{εu}: KL = ε²/24 + O(ε³ · 0) + O(ε⁴).
        let grid = Arc::new(Grid::new(&[]));
        let epsilon = 1e-5;
        let tilt: Vec<f64> = grid.nodes().iter().map(|q| epsilon * q.below()).collect();
        let law = Law::from_log_tilt(grid, &tilt);
        assert!((law.kl() / (epsilon * epsilon / 24.0) - 1.0).abs() < 1e-6);
    }
}
