//! A user's own rank-based procedure as closures: G, g, and how to run it.

use std::{fmt, sync::Arc};

use rand::Rng;

use super::{At, Procedure, Shape};
use crate::Quantile;

type Map = dyn Fn(f64) -> f64 + Send + Sync;
type Execute = dyn Fn(&mut dyn FnMut() -> f64, &mut dyn Rng) -> f64 + Send + Sync;

/// A rank-based procedure given by its CDF map G and density g = G′.
#[derive(Clone)]
pub struct Custom {
    name: String,
    cdf: Arc<Map>,
    density: Arc<Map>,
    shape: Shape,
    execute: Option<Arc<Execute>>,
}

impl Custom {
    /// The procedure with CDF map `cdf` (G(0) = 0, G(1) = 1, never decreasing) and density `density` = G′.
    /// [`super::kit::check`] says whether they belong together.
    pub fn new(
        name: impl Into<String>,
        cdf: impl Fn(f64) -> f64 + Send + Sync + 'static,
        density: impl Fn(f64) -> f64 + Send + Sync + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            cdf: Arc::new(cdf),
            density: Arc::new(density),
            shape: Shape::Unknown,
            execute: None,
        }
    }

    /// Declares the shape of W: [`Shape::Concave`] when G is convex.
    #[must_use]
    pub const fn with_shape(mut self, shape: Shape) -> Self {
        self.shape = shape;
        self
    }

    /// Adds a way to run the procedure on draws of a policy.
    #[must_use]
    pub fn executed_by(
        mut self,
        execute: impl Fn(&mut dyn FnMut() -> f64, &mut dyn Rng) -> f64 + Send + Sync + 'static,
    ) -> Self {
        self.execute = Some(Arc::new(execute));
        self
    }
}

impl fmt::Debug for Custom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Custom")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Custom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl Procedure for Custom {
    fn cdf(&self, at: &At<'_>) -> Quantile {
        Quantile::new((self.cdf)(at.f.below()))
    }

    fn density(&self, at: &At<'_>) -> f64 {
        (self.density)(at.f.below())
    }

    fn shape(&self) -> Shape {
        self.shape
    }

    fn execute(&self, draw: &mut dyn FnMut() -> f64, rng: &mut dyn Rng) -> Option<f64> {
        self.execute.as_ref().map(|execute| execute(draw, rng))
    }
}
