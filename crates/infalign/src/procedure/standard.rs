//! Plain sampling: one draw, used as it is. G(u) = u, g = 1; Φ* is the identity (\[IA\], arXiv 2412.19792).

use std::fmt;

use rand::Rng;

use super::{At, OrderTerm, Procedure, Shape};
use crate::{Quantile, registry::Entry};

pub(super) const ENTRY: Entry = Entry {
    name: "standard",
    syntax: "standard",
    example: "standard",
    summary: "one plain sample",
};

/// One plain sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standard;

impl fmt::Display for Standard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("standard")
    }
}

impl Procedure for Standard {
    fn cdf(&self, at: &At<'_>) -> Quantile {
        at.f
    }

    fn density(&self, _: &At<'_>) -> f64 {
        1.0
    }

    fn density_slope(&self, _: &At<'_>) -> f64 {
        0.0
    }

    fn shape(&self) -> Shape {
        Shape::Concave
    }

    fn order_terms(&self) -> Option<Vec<OrderTerm>> {
        Some(vec![OrderTerm {
            weight: 1.0,
            j: 1,
            n: 1,
        }])
    }

    fn execute(&self, draw: &mut dyn FnMut() -> f64, _: &mut dyn Rng) -> Option<f64> {
        Some(draw())
    }
}
