//! Quadrature, root finding and special functions: what every formula here is evaluated with.

pub(crate) mod gauss;
pub mod grid;
pub(crate) mod root;
pub(crate) mod special;
