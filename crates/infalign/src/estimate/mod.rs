//! From samples to figures: win rates, KL, calibration error, each with its standard error.

mod summary;

pub use summary::Estimate;
