//! Exponential tilt λ of the policy by its own quantile: the limit of soft best-of-n (arXiv 2505.03156).
//!
//! G(u) = (e^{λu} − 1)/(e^λ − 1), g(u) = λe^{λu}/(e^λ − 1) (derived: the density ∝ e^{λF} of the policy's own F).
//! Execution is exact without knowing F (derived): a candidate y is kept with probability e^{−λ(1−F(y))}, which is the chance
//! that none of Poisson(λ) further draws beats it; for λ < 0, that none falls below it.

use std::fmt;

use rand::Rng;

use super::{At, Procedure, Shape, poisson::poisson_count};
use crate::{Error, Quantile, Result, registry::Entry};

pub(super) const ENTRY: Entry = Entry {
    name: "tilt",
    syntax: "tilt:LAMBDA",
    example: "tilt:4",
    summary: "soft best-of-n in the limit: the policy tilted by e^(LAMBDA·its own quantile); LAMBDA < 0 is an attacker",
};

/// The policy tilted by its own quantile.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tilt {
    lambda: f64,
}

impl Tilt {
    /// The tilt with strength λ.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] unless 0 < |λ| ≤ 700.
    pub fn new(lambda: f64) -> Result<Self> {
        let ok = lambda.is_finite() && lambda != 0.0 && lambda.abs() <= 700.0;
        let allowed = "a number between -700 and 700 other than 0 (tilt:0 would be `standard`)";
        Error::range("LAMBDA of tilt:LAMBDA", lambda, ok, allowed).map(|lambda| Self { lambda })
    }
}

impl fmt::Display for Tilt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tilt:{}", self.lambda)
    }
}

impl Procedure for Tilt {
    fn cdf(&self, at: &At<'_>) -> Quantile {
        let l = self.lambda;
        Quantile::from_masses(
            (l * at.f.below()).exp_m1() / l.exp_m1(),
            (-l * at.f.above()).exp_m1() / (-l).exp_m1(),
        )
    }

    fn density(&self, at: &At<'_>) -> f64 {
        -self.lambda * (-self.lambda * at.f.above()).exp() / (-self.lambda).exp_m1()
    }

    fn density_slope(&self, at: &At<'_>) -> f64 {
        self.lambda * self.density(at)
    }

    fn shape(&self) -> Shape {
        if self.lambda > 0.0 {
            Shape::Concave
        } else {
            Shape::Convex
        }
    }

    fn execute(&self, draw: &mut dyn FnMut() -> f64, rng: &mut dyn Rng) -> Option<f64> {
        loop {
            let candidate = draw();
            let rivals = poisson_count(self.lambda.abs(), rng);
            let kept = (0..rivals).all(|_| {
                let rival = draw();
                if self.lambda > 0.0 {
                    rival <= candidate
                } else {
                    rival >= candidate
                }
            });
            if kept {
                return Some(candidate);
            }
        }
    }
}
