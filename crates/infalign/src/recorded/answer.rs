//! What a run on recorded rollouts answers: the documented, stable shape of `results.json`.

use serde::{Deserialize, Serialize};

use crate::{Warning, estimate::Estimate};

/// The result of `infalign run --rollouts FILE`. Serialises to the documented `results.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Recorded {
    /// Prompts used.
    pub prompts: usize,
    /// Median number of responses per prompt on which Ĉ is built.
    pub calibration_responses: usize,
    /// Median number of responses per prompt on which policies are measured.
    pub evaluation_responses: usize,
    /// The reward column that training would use.
    pub training_reward: String,
    /// Every reward column that judges, the training reward first.
    pub judges: Vec<String>,
    /// The seed of the split.
    pub seed: u64,
    /// One row per procedure × KL × transform.
    pub measurements: Vec<Measurement>,
    /// Caveats.
    pub warnings: Vec<Warning>,
}

/// One policy (a reweighting of the evaluation part), measured under one procedure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Measurement {
    /// The procedure, as typed.
    pub procedure: String,
    /// The transform, as typed, or `raw`, or `optimal`.
    pub transform: String,
    /// KL budget asked for, in nats.
    pub kl_budget: f64,
    /// Price of KL used.
    pub beta: f64,
    /// KL(π‖p) spent on the evaluation part, in nats; over prompts.
    pub kl: Estimate,
    /// Effective sample size 1/Σw² per prompt; over prompts.
    pub effective_samples: Estimate,
    /// Win rates by each reward column: responses are selected by the training reward under the
    /// procedure, and judged by this column.
    pub judged: Vec<Judged>,
    /// What `design` predicts at the budget: with perfect calibration; for `raw`, from the calibration part.
    pub predicted: Prediction,
    /// What this very measurement shows, in theory, on a table of this size (finite K, finite evaluation part, no ties): the mean
    /// over simulated tables. Absent for `raw`, whose law depends on the reward.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<Prediction>,
    /// The chance that some response is drawn twice on either side, which bounds the difference between the win rate measured here
    /// (draws with replacement from a finite set) and that of distinct draws. Absent where the number of draws is not fixed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bias_bound: Option<f64>,
}

/// Win rates by one judge.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Judged {
    /// The reward column.
    pub reward: String,
    /// Inference-time win rate of T(π) against T(p).
    pub win_rate: Estimate,
    /// Win rate of one plain sample against one plain sample.
    pub standard_win_rate: Estimate,
    /// `win_rate` minus that of `raw` at the same procedure and budget, paired by prompt; absent for `raw` itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub over_raw: Option<Estimate>,
}

/// Figures that the theory gives.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Prediction {
    /// KL in nats.
    pub kl: f64,
    /// Inference-time win rate.
    pub win_rate: f64,
    /// Standard win rate.
    pub standard_win_rate: f64,
}
