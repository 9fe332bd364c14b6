//! A user's own Φ as a closure.

use std::{fmt, sync::Arc};

use super::Transform;
use crate::Quantile;

type Function = dyn Fn(f64) -> f64 + Send + Sync;

/// Φ given by a function of u, with the bounds that the caller knows.
#[derive(Clone)]
pub struct Custom {
    name: String,
    function: Arc<Function>,
    bounds: (f64, f64),
    breakpoints: Vec<f64>,
}

impl Custom {
    /// Φ(u) = `function(u)` on \[0,1\], with its infimum and supremum and the places of its kinks and jumps.
    pub fn new(
        name: impl Into<String>,
        bounds: (f64, f64),
        breakpoints: &[f64],
        function: impl Fn(f64) -> f64 + Send + Sync + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            function: Arc::new(function),
            bounds,
            breakpoints: breakpoints.to_vec(),
        }
    }
}

impl fmt::Debug for Custom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Custom")
            .field("name", &self.name)
            .field("bounds", &self.bounds)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Custom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl Transform for Custom {
    fn value(&self, u: Quantile) -> f64 {
        (self.function)(u.below())
    }

    fn bounds(&self) -> (f64, f64) {
        self.bounds
    }

    /// Judged on 1024 equal steps.
    fn is_monotone(&self) -> bool {
        let values: Vec<f64> = (0..=1024)
            .map(|i| (self.function)(f64::from(i) / 1024.0))
            .collect();
        values.windows(2).all(|w| w[1] >= w[0])
    }

    fn breakpoints(&self) -> &[f64] {
        &self.breakpoints
    }
}
