//! Best-of-Poisson: the best of n = 1 + Poisson(μ) draws (arXiv 2506.19248).
//!
//! G(u) = E\[uⁿ\] = u e^{μ(u−1)} (derived from the Poisson generating function), g = e^{−μ(1−u)}(1 + μu), increasing: G is convex.

use std::fmt;

use rand::{Rng, RngExt};

use super::{At, Procedure, Shape};
use crate::{Error, Quantile, Result, registry::Entry};

pub(super) const ENTRY: Entry = Entry {
    name: "poisson",
    syntax: "poisson:MU",
    example: "poisson:3",
    summary: "the best of 1 + Poisson(MU) draws",
};

/// The best of 1 + Poisson(μ) draws.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Poisson {
    mu: f64,
}

impl Poisson {
    /// Best-of-Poisson with mean μ extra draws.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] unless 0 ≤ μ ≤ 4095.
    pub fn new(mu: f64) -> Result<Self> {
        let ok = (0.0..=4095.0).contains(&mu);
        Error::range("MU of poisson:MU", mu, ok, "a number between 0 and 4095")
            .map(|mu| Self { mu })
    }
}

impl fmt::Display for Poisson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "poisson:{}", self.mu)
    }
}

impl Procedure for Poisson {
    fn cdf(&self, at: &At<'_>) -> Quantile {
        let log = at.f.ln_below() - self.mu * at.f.above();
        Quantile::from_masses(log.exp(), -log.exp_m1())
    }

    fn density(&self, at: &At<'_>) -> f64 {
        (-self.mu * at.f.above()).exp() * (1.0 + self.mu * at.f.below())
    }

    fn density_slope(&self, at: &At<'_>) -> f64 {
        (-self.mu * at.f.above()).exp() * self.mu * (2.0 + self.mu * at.f.below())
    }

    fn shape(&self) -> Shape {
        Shape::Concave
    }

    fn execute(&self, draw: &mut dyn FnMut() -> f64, rng: &mut dyn Rng) -> Option<f64> {
        (0..=poisson_count(self.mu, rng))
            .map(|_| draw())
            .max_by(f64::total_cmp)
    }
}

/// A Poisson(μ) count: unit-rate exponential gaps until their sum passes μ.
pub(super) fn poisson_count(mu: f64, rng: &mut dyn Rng) -> usize {
    let mut count = 0;
    let mut time = 0.0;
    loop {
        time -= (1.0 - rng.random::<f64>()).ln();
        if time > mu {
            return count;
        }
        count += 1;
    }
}
