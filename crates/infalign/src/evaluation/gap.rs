//! Where the distance to the optimum is lost: transform, calibration, KL missed, KL wasted, shape.

use serde::{Deserialize, Serialize};

use crate::estimate::Estimate;

/// What a prediction of the theory rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// Rewards without ties: one law of u for all prompts, known exactly.
    Continuous,
    /// The calibration table's levels, prompt by prompt: for `raw`, and wherever rewards tie.
    Table,
}

/// Distance of a policy's win rate to the optimum's at the KL budget, in win rate (0.01 is a point), in five terms that sum to the whole.
///
/// With B the budget, s the measured sequence KL, q the measured quantile KL, W* the optimum, V the prediction of this reward with perfect
/// calibration, P its prediction as calibrated, and W the measured win rate by the training reward. A term may be negative.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Gap {
    /// The procedure, as typed.
    pub procedure: String,
    /// What V and P are computed from.
    pub basis: Basis,
    /// W*(B): the most that any policy wins with the budget.
    pub optimum: f64,
    /// P(B): what this reward was expected to win.
    pub predicted: f64,
    /// W, measured.
    pub measured: f64,
    /// W*(B) − V(B): the reward is not the optimal one for this procedure.
    pub transform: f64,
    /// V(B) − P(B): Ĉ from K rollouts in place of C, and ties of the reward, which no calibration can part. 0 for `raw`.
    pub calibration: f64,
    /// P(B) − P(s): more or less KL was spent than asked for.
    pub kl_missed: f64,
    /// P(s) − P(q): KL that went elsewhere than into the reward's quantiles (or, for `raw`, unevenly over prompts).
    pub kl_wasted: f64,
    /// P(q) − W: as much quantile KL as this, but a law of u of another shape than the target's.
    pub shape: f64,
    /// W*(B) − W, with the uncertainty of W: the sum of the five terms.
    pub total: Estimate,
}
