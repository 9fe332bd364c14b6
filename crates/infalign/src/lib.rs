//! The mathematics of inference-aware alignment, on the unit interval and on samples.
//!
//! Floor 0 of infalign: f64 throughout, no I/O, no async, no tensors, no unsafe code. Symbols are
//! those of InfAlign (Balashankar, Sun et al., ICML 2025, arXiv 2412.19792), cited as \[IA\].
#![forbid(unsafe_code)]

pub mod calibration;
pub mod deployment;
pub mod design;
pub mod error;
pub mod estimate;
pub mod evaluation;
pub mod finite;
pub mod finite_k;
pub mod law;
pub mod numeric;
pub mod optimum;
pub mod procedure;
pub mod quantile;
pub mod raw;
pub mod recorded;
pub mod registry;
pub mod tilted;
pub mod transform;
pub mod warning;

pub use deployment::Deployment;
pub use error::{Error, Result};
pub use law::Law;
pub use procedure::{Procedure, ProcedureSpec};
pub use quantile::Quantile;
pub use tilted::TiltedPolicy;
pub use transform::{Transform, TransformSpec};
pub use warning::Warning;
