//! Any Φ with its argument clamped to \[1/(2K), 1−1/(2K)\]: what an unbounded Φ becomes on mid-ranks of K rollouts.

use std::{fmt, sync::Arc};

use super::{Transform, clamp};
use crate::Quantile;

/// Φ(clamp(u)); prints as the inner transform, since the clamp follows from K.
#[derive(Debug, Clone)]
pub struct Clamped {
    inner: Arc<dyn Transform>,
    ends: [f64; 2],
    bounds: (f64, f64),
    breakpoints: Vec<f64>,
}

impl Clamped {
    /// The transform itself where it is bounded, else clamped for K rollouts.
    #[must_use]
    pub fn for_k(inner: Arc<dyn Transform>, k: usize) -> Arc<dyn Transform> {
        let Some((low, high)) = clamp(inner.as_ref(), k) else {
            return inner;
        };
        let at = |u| inner.value(Quantile::new(u));
        let mut breakpoints = inner.breakpoints().to_vec();
        breakpoints.extend([low, high]);
        let bounds = (at(low), at(high));
        Arc::new(Self {
            inner,
            ends: [low, high],
            bounds,
            breakpoints,
        })
    }
}

impl fmt::Display for Clamped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl Transform for Clamped {
    fn value(&self, u: Quantile) -> f64 {
        let [low, high] = self.ends;
        if u.below() <= low {
            self.bounds.0
        } else if u.below() >= high {
            self.bounds.1
        } else {
            self.inner.value(u)
        }
    }

    fn bounds(&self) -> (f64, f64) {
        self.bounds
    }

    fn is_monotone(&self) -> bool {
        self.inner.is_monotone()
    }

    fn breakpoints(&self) -> &[f64] {
        &self.breakpoints
    }
}
