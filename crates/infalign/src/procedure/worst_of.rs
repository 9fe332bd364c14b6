//! Worst-of-N: N draws, the one with the lowest reward counts; models best-of-N jailbreaking (\[IA\], arXiv 2412.19792, section 4).
//!
//! The minimum of N draws lies above u when all N do: G(u) = 1 − (1−u)^N, g = N(1−u)^{N−1}. G is concave, so W is convex in f and concave in the
//! quantile function: the optimum is unique and certified all the same (see `optimum`).
//! W = N∫(1−F)^N(1−u)^{N−1} du and Φ*(u) = −N²∫_u^1 (1−F)^{N−1}(1−v)^{N−1} dv.

use std::fmt;

use rand::Rng;

use super::{At, OrderTerm, Procedure, Shape, draws, whole_power};
use crate::{Quantile, Result, registry::Entry};

pub(super) const ENTRY: Entry = Entry {
    name: "worst-of",
    syntax: "worst-of:N",
    example: "worst-of:4",
    summary: "the worst of N draws: an attacker who samples N times and keeps what does most harm",
};

/// The worst of N draws.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorstOf {
    n: usize,
}

impl WorstOf {
    /// Worst of `n` draws.
    ///
    /// # Errors
    /// [`crate::Error::OutOfRange`] unless 1 ≤ n ≤ 4096.
    pub fn new(n: usize) -> Result<Self> {
        draws("N of worst-of:N", n).map(|n| Self { n })
    }
}

impl fmt::Display for WorstOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "worst-of:{}", self.n)
    }
}

impl Procedure for WorstOf {
    fn cdf(&self, at: &At<'_>) -> Quantile {
        at.f.flip().power(self.n as f64).flip()
    }

    fn density(&self, at: &At<'_>) -> f64 {
        self.n as f64 * whole_power(at.f.flip(), self.n - 1)
    }

    fn density_slope(&self, at: &At<'_>) -> f64 {
        if self.n == 1 {
            return 0.0;
        }
        -((self.n * (self.n - 1)) as f64) * whole_power(at.f.flip(), self.n - 2)
    }

    fn shape(&self) -> Shape {
        if self.n == 1 {
            Shape::Concave
        } else {
            Shape::Convex
        }
    }

    fn order_terms(&self) -> Option<Vec<OrderTerm>> {
        Some(vec![OrderTerm {
            weight: 1.0,
            j: 1,
            n: self.n,
        }])
    }

    fn execute(&self, draw: &mut dyn FnMut() -> f64, _: &mut dyn Rng) -> Option<f64> {
        (0..self.n).map(|_| draw()).min_by(f64::total_cmp)
    }
}
