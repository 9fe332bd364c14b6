//! Mean over prompts with its standard error and 95% interval.

use serde::{Deserialize, Serialize};

/// A mean over prompts (the independent unit) with its uncertainty.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// Mean over prompts.
    pub mean: f64,
    /// Standard error of the mean, over prompts.
    pub standard_error: f64,
    /// Lower end of the 95% interval.
    pub low: f64,
    /// Upper end of the 95% interval.
    pub high: f64,
    /// Number of prompts.
    pub prompts: usize,
}
