//! The law of u: where a policy's responses lie among fresh responses of the base.

use serde::{Deserialize, Serialize};

/// A histogram of the calibrated reward u, as a density: 1 everywhere for the base.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LawOfU {
    /// Edges of the B cells: B + 1 values from 0 to 1.
    pub edges: Vec<f64>,
    /// Mean density in each cell, over prompts; B values with mean 1.
    pub density: Vec<f64>,
    /// Standard error of each, over prompts; ∞ (`null` in JSON) for a single prompt.
    #[serde(deserialize_with = "infinite_when_null")]
    #[cfg_attr(feature = "schema", schemars(with = "Vec<Option<f64>>"))]
    pub standard_error: Vec<f64>,
    /// What training aimed at, f = e^{Φ/β}/Z at the KL budget, averaged over each cell; for `raw`, from the calibration table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Vec<f64>>,
    /// What a policy of law f would show in this histogram, whose u are ranks among as many responses of the base as there are: `target`,
    /// blurred. The curve to compare `density` with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<Vec<f64>>,
}

fn infinite_when_null<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<f64>, D::Error> {
    let values = Vec::<Option<f64>>::deserialize(deserializer)?;
    Ok(values
        .into_iter()
        .map(|v| v.unwrap_or(f64::INFINITY))
        .collect())
}
