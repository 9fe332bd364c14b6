//! The J-th smallest of N draws: order statistics between worst-of-N (J = 1) and best-of-N (J = N); median-of-N for J = (N+1)/2.
//!
//! At least J of N draws lie below u (derived): `G(u) = Σ_{i≥J} C(N,i) uⁱ(1−u)^{N−i} = I_u(J, N−J+1)`, the regularised incomplete
//! beta function, and g(u) = u^{J−1}(1−u)^{N−J}/B(J, N−J+1).

use std::fmt;

use rand::Rng;
use statrs::function::beta::beta_reg;

use super::{At, OrderTerm, Procedure, Shape, draws};
use crate::{Error, Quantile, Result, numeric::special::ln_choose, registry::Entry};

pub(super) const ENTRY: Entry = Entry {
    name: "order",
    syntax: "order:J/N",
    example: "order:2/3",
    summary: "the J-th smallest of N draws: order:2/3 is the median of three",
};

/// The J-th smallest of N draws.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    j: usize,
    n: usize,
}

impl Order {
    /// The `j`-th smallest of `n` draws.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] unless 1 ≤ j ≤ n ≤ 4096.
    pub fn new(j: usize, n: usize) -> Result<Self> {
        let n = draws("N of order:J/N", n)?;
        let ok = (1..=n).contains(&j);
        Error::range(
            "J of order:J/N",
            j as f64,
            ok,
            "a whole number between 1 and N",
        )?;
        Ok(Self { j, n })
    }

    /// coefficient · u^a (1−u)^b in log space; 0⁰ = 1.
    fn term(q: Quantile, log_coefficient: f64, a: usize, b: usize) -> f64 {
        let power = |n: usize, log: f64| if n == 0 { 0.0 } else { n as f64 * log };
        (log_coefficient + power(a, q.ln_below()) + power(b, q.ln_above())).exp()
    }

    /// log(1/B(J, N−J+1)) = log(N·C(N−1, J−1)).
    fn log_coefficient(self) -> f64 {
        (self.n as f64).ln() + ln_choose(self.n - 1, self.j - 1)
    }
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "order:{}/{}", self.j, self.n)
    }
}

impl Procedure for Order {
    fn cdf(&self, at: &At<'_>) -> Quantile {
        let (a, b) = (self.j as f64, (self.n - self.j + 1) as f64);
        Quantile::from_masses(beta_reg(a, b, at.f.below()), beta_reg(b, a, at.f.above()))
    }

    fn density(&self, at: &At<'_>) -> f64 {
        Self::term(at.f, self.log_coefficient(), self.j - 1, self.n - self.j)
    }

    fn density_slope(&self, at: &At<'_>) -> f64 {
        let (a, b) = (self.j - 1, self.n - self.j);
        let log = self.log_coefficient();
        let mut slope = 0.0;
        if a > 0 {
            slope += a as f64 * Self::term(at.f, log, a - 1, b);
        }
        if b > 0 {
            slope -= b as f64 * Self::term(at.f, log, a, b - 1);
        }
        slope
    }

    fn shape(&self) -> Shape {
        if self.j == self.n {
            Shape::Concave
        } else if self.j == 1 {
            Shape::Convex
        } else {
            Shape::Unknown
        }
    }

    fn order_terms(&self) -> Option<Vec<OrderTerm>> {
        Some(vec![OrderTerm {
            weight: 1.0,
            j: self.j,
            n: self.n,
        }])
    }

    fn execute(&self, draw: &mut dyn FnMut() -> f64, _: &mut dyn Rng) -> Option<f64> {
        let mut drawn: Vec<f64> = (0..self.n).map(|_| draw()).collect();
        let (_, value, _) = drawn.select_nth_unstable_by(self.j - 1, f64::total_cmp);
        Some(*value)
    }
}
