//! Best-of-N: N draws, the one with the highest reward is used (\[IA\], arXiv 2412.19792, section 4).
//!
//! The maximum of N draws lies below u when all N do: G(u) = u^N, g = N u^{N−1}. G is convex, so W is concave in f.
//! W = 1 − N∫F^N u^{N−1} du and Φ*(u) = −N²∫_u^1 F^{N−1} v^{N−1} dv.

use std::fmt;

use rand::Rng;

use super::{At, OrderTerm, Procedure, Shape, draws, whole_power};
use crate::{Quantile, Result, registry::Entry};

pub(super) const ENTRY: Entry = Entry {
    name: "best-of",
    syntax: "best-of:N",
    example: "best-of:4",
    summary: "the best of N draws by the reward: reranking",
};

/// The best of N draws.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BestOf {
    n: usize,
}

impl BestOf {
    /// Best of `n` draws.
    ///
    /// # Errors
    /// [`crate::Error::OutOfRange`] unless 1 ≤ n ≤ 4096.
    pub fn new(n: usize) -> Result<Self> {
        draws("N of best-of:N", n).map(|n| Self { n })
    }
}

impl fmt::Display for BestOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "best-of:{}", self.n)
    }
}

impl Procedure for BestOf {
    fn cdf(&self, at: &At<'_>) -> Quantile {
        at.f.power(self.n as f64)
    }

    fn density(&self, at: &At<'_>) -> f64 {
        self.n as f64 * whole_power(at.f, self.n - 1)
    }

    fn density_slope(&self, at: &At<'_>) -> f64 {
        if self.n == 1 {
            return 0.0;
        }
        (self.n * (self.n - 1)) as f64 * whole_power(at.f, self.n - 2)
    }

    fn shape(&self) -> Shape {
        Shape::Concave
    }

    fn order_terms(&self) -> Option<Vec<OrderTerm>> {
        Some(vec![OrderTerm {
            weight: 1.0,
            j: self.n,
            n: self.n,
        }])
    }

    fn execute(&self, draw: &mut dyn FnMut() -> f64, _: &mut dyn Rng) -> Option<f64> {
        (0..self.n).map(|_| draw()).max_by(f64::total_cmp)
    }
}
