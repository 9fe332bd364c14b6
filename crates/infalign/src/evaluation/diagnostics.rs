//! Diagnostics of a calibration: is Ĉ uniform for fresh responses of the base, is it right, and are K rollouts enough?

use serde::{Deserialize, Serialize};

use super::LawOfU;
use crate::estimate::{CalibrationError, Pit};

/// A calibration table against fresh responses of the base.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CalibrationDiagnostics {
    /// Prompts in both the table and the fresh responses.
    pub prompts: usize,
    /// Rollouts per prompt of the table: fewest, median, most.
    pub k: (usize, usize, usize),
    /// Fresh responses per prompt.
    pub held_out: usize,
    /// Histogram of Ĉ of one fresh response per prompt, ties broken at random, with the tests that need independent values: χ² and
    /// Kolmogorov–Smirnov.
    pub pit: Pit,
    /// The same histogram of all fresh responses, with standard errors over prompts: the smoother picture.
    pub law: LawOfU,
    /// Does a response of calibrated reward u beat the base with probability u? Over disjoint pairs of fresh responses. Absent with fewer
    /// than two per prompt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<CalibrationError>,
    /// How the spread of raw rewards differs between prompts: what makes `raw` spend its KL unevenly.
    pub spread: Spread,
    /// Share of pairs of rewards of one prompt that are equal, in \[0,1\].
    pub tie_share: f64,
    /// Prompts whose rewards are all equal: nothing can be learnt from them.
    pub flat_prompts: usize,
    /// The rollouts that each design needs.
    pub needed_k: Vec<NeededK>,
}

/// Quantiles over prompts of the standard deviation of a prompt's raw rewards.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Spread {
    /// Levels: 0 (the least), 0.1, 0.25, 0.5, 0.75, 0.9, 1 (the most).
    pub levels: Vec<f64>,
    /// The quantile at each, in units of the raw reward.
    pub values: Vec<f64>,
}

/// The rollouts per prompt that a transform needs for a procedure at a KL.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NeededK {
    /// The transform, as typed.
    pub transform: String,
    /// The procedure, as typed.
    pub procedure: String,
    /// KL budget in nats.
    pub kl: f64,
    /// The smallest K that costs less than `wanted` in win rate, if one up to 4096 does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub k: Option<usize>,
    /// The cost that is taken as acceptable.
    pub wanted: f64,
    /// Win rate that the table's median K costs; absent where that K cannot spend the KL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<f64>,
}
