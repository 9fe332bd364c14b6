//! What an evaluation answers: the documented, stable shape of `results.json`.
//!
//! Every [`Estimate`] is a mean over prompts with its 95% interval over prompts. Lists keep the order of the question: policies, procedures,
//! judges. What does not apply to a policy (a prediction for a judge that training never saw, a decomposition without a KL budget) is absent.

use serde::{Deserialize, Serialize};

use super::{AttackSuccess, CalibrationDiagnostics, Gap, LawOfU};
use crate::{
    Warning,
    estimate::{Estimate, SequenceKl},
};

/// The result of `infalign evaluate`. Serialises to the documented `results.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Evaluation {
    /// Name of the base policy.
    pub base: String,
    /// Held-out prompts.
    pub prompts: usize,
    /// Fresh responses per prompt of each policy; the fewest where policies differ.
    pub samples: usize,
    /// Fresh responses per prompt of the base.
    pub base_samples: usize,
    /// The seed of the evaluation.
    pub seed: u64,
    /// Who decides wins; the first is the training reward, by which procedures select.
    pub judges: Vec<Judge>,
    /// Procedures of deployment, as typed.
    pub procedures: Vec<String>,
    /// What the base does by itself.
    pub base_behaviour: Behaviour,
    /// One entry per policy.
    pub policies: Vec<PolicyResult>,
    /// Differences between policies, paired by prompt.
    pub comparisons: Vec<Comparison>,
    /// Policies directly against each other, where that was asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub duels: Vec<Duel>,
    /// Policies against the base by judges that compare two texts, where such were asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pairwise: Vec<Pairwise>,
    /// How good the calibration is, where a calibration table was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diagnostics: Option<CalibrationDiagnostics>,
    /// Caveats.
    pub warnings: Vec<Warning>,
}

/// A reward that decides wins.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Judge {
    /// The reward's name.
    pub name: String,
    /// Whether policies were trained on it (or on its calibration).
    pub training: bool,
    /// Raw rewards below this count as an attack's success, where one was set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
}

/// One policy, measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PolicyResult {
    /// The policy's name: unique in the evaluation.
    pub name: String,
    /// What it was trained on: `raw`, or a transform as typed, such as `identity`, `exp:10`, `optimal`.
    pub reward: String,
    /// The procedure that the reward was designed for, as typed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub designed_for: Option<String>,
    /// Seed of its training.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// KL that training was asked to spend, in nats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kl_budget: Option<f64>,
    /// Price of KL at the end of training.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beta: Option<f64>,
    /// KL(π‖p) per sequence in nats, where log-probabilities were recorded: exact per position (`rao_blackwell`, the figure to use),
    /// and k1 and k3 for comparison with other tools.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kl: Option<SequenceKl>,
    /// KL of the law of u under the policy against the uniform law, in nats: what of the KL went into the training reward. Of the
    /// law averaged over prompts, hence a lower bound.
    pub quantile_kl: Estimate,
    /// `quantile_kl` over the sequence KL, in \[0,1\] up to noise; absent without log-probabilities or where no KL was spent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kl_efficiency: Option<Estimate>,
    /// What `kl_efficiency` comes to for a policy that does exactly what it was trained for, at the measured KL: below 1 because u is
    /// seen as a rank among the base's fresh responses, in cells, as one law for all prompts, and because a table of K rollouts turns some
    /// KL into its own noise. Compare `kl_efficiency` with this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kl_efficiency_ceiling: Option<f64>,
    /// One entry per procedure × judge, against the base under the same procedure.
    pub win_rates: Vec<WinRate>,
    /// Where the policy's responses lie among the base's, by the training reward.
    pub law: LawOfU,
    /// Rewards, lengths, attacks.
    pub behaviour: Behaviour,
    /// The distance to the optimum at the KL budget, one entry per procedure for which there is a prediction.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gap: Vec<Gap>,
}

/// A policy's inference-time win rate under one procedure, by one judge.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct WinRate {
    /// The procedure on both sides, as typed. It selects by the training reward.
    pub procedure: String,
    /// Who decides which of the two selected responses wins.
    pub judge: String,
    /// W^T, unbiased, in \[0,1\].
    pub win_rate: Estimate,
    /// What the theory says of this reward at the KL budget; for the training reward only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub predicted: Option<f64>,
    /// What the theory says of this reward at the measured sequence KL; for the training reward only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub predicted_at_measured_kl: Option<f64>,
    /// The most that any policy wins with the measured sequence KL; for the training reward only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub optimum: Option<f64>,
}

/// What a policy does by itself, without an opponent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Behaviour {
    /// Mean raw reward of one plain response, one entry per judge.
    pub rewards: Vec<MeanReward>,
    /// Length of a response in tokens.
    pub length: Estimate,
    /// Share of responses that were cut at the token limit, in \[0,1\].
    pub truncated: Estimate,
    /// One entry per judge with a threshold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attacks: Vec<AttackSuccess>,
}

/// Mean raw reward by one judge.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MeanReward {
    /// The judge.
    pub judge: String,
    /// In the judge's own unit.
    pub reward: Estimate,
}

/// How much more often `left` beats the base than `right` does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Comparison {
    /// A policy.
    pub left: String,
    /// Another one.
    pub right: String,
    /// The procedure, as typed.
    pub procedure: String,
    /// Who decides.
    pub judge: String,
    /// W^T(left) − W^T(right), paired by prompt: both are measured against the same responses of the base.
    pub difference: Estimate,
}

/// Two policies against each other, each under the procedure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Duel {
    /// A policy.
    pub left: String,
    /// Its opponent.
    pub right: String,
    /// The procedure on both sides, as typed.
    pub procedure: String,
    /// Who decides.
    pub judge: String,
    /// How often left's selected response beats right's, ties half; in \[0,1\].
    pub win_rate: Estimate,
}

/// A policy against the base, each under the procedure, by a judge that compares the two selected responses in both orders.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Pairwise {
    /// The policy.
    pub policy: String,
    /// The procedure on both sides, as typed. It selects by the training reward.
    pub procedure: String,
    /// Who compares.
    pub judge: String,
    /// How often the policy's selected response beats the base's, ties and inconsistent pairs half; in \[0,1\]. Absent where no pair has a verdict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub win_rate: Option<Estimate>,
    /// Pairs of responses. The five counts below add up to it.
    pub pairs: usize,
    /// The policy's response is better, in both orders.
    pub wins: usize,
    /// The base's is, in both orders.
    pub losses: usize,
    /// Neither is, in both orders; equal texts are so unasked.
    pub ties: usize,
    /// Another verdict in the other order: many of them tell of a judge that goes by position.
    pub inconsistent: usize,
    /// No verdict in one order at least.
    pub unparsed: usize,
    /// Prompts of which no pair has a verdict: they are left out of the win rate.
    pub left_out: usize,
}
