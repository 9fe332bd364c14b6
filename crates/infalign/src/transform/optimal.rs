//! Φ* of the coupled optimum, tabulated on the grid it was solved on: the best transform for one procedure at one β.

use std::{fmt, sync::Arc};

use super::Transform;
use crate::{Quantile, numeric::grid::Grid, registry::Entry};

pub(super) const ENTRY: Entry = Entry {
    name: "optimal",
    syntax: "optimal",
    example: "optimal",
    summary: "the coupled optimum's Φ* for the procedure and budget at hand, tabulated",
};

/// Φ*(u) − Φ*(1), by panelwise polynomials through the nodes of the optimum's grid.
#[derive(Debug, Clone)]
pub struct Optimal {
    grid: Arc<Grid>,
    gaps: Vec<f64>,
    low: f64,
    breakpoints: Vec<f64>,
}

impl Optimal {
    /// From Φ* at the nodes of `grid`, with kinks at `breakpoints`.
    #[must_use]
    pub(crate) fn new(grid: Arc<Grid>, phi: &[f64], breakpoints: &[f64]) -> Self {
        let top = phi.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let gaps: Vec<f64> = phi.iter().map(|p| p - top).collect();
        let low = gaps.iter().copied().fold(f64::INFINITY, f64::min);
        Self {
            grid,
            gaps,
            low,
            breakpoints: breakpoints.to_vec(),
        }
    }
}

impl fmt::Display for Optimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("optimal")
    }
}

impl Transform for Optimal {
    fn value(&self, u: Quantile) -> f64 {
        self.grid.interpolate(&self.gaps, u)
    }

    fn bounds(&self) -> (f64, f64) {
        (self.low, 0.0)
    }

    fn is_monotone(&self) -> bool {
        self.gaps.windows(2).all(|w| w[1] >= w[0] - 1e-15)
    }

    fn breakpoints(&self) -> &[f64] {
        &self.breakpoints
    }
}
