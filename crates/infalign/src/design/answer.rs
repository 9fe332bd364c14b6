//! What a design answers: the documented, stable shape of its JSON.

use serde::{Deserialize, Serialize};

use crate::Warning;

/// What `infalign design` answers. Serialises to the documented, stable JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Design {
    /// The procedure, as typed: `best-of:4`.
    pub procedure: String,
    /// KL budget in nats: as asked, or the optimum's at the β asked for.
    pub kl: f64,
    /// Rollouts per prompt of the calibration, when given.
    pub k: Option<usize>,
    /// One row per transform, best first: by inference-time win rate, or by `W − β KL` when β was asked.
    pub transforms: Vec<TransformRow>,
    /// The coupled optimum at this budget.
    pub optimum: OptimumRow,
    /// The procedure applied to the base policy itself, taken as a policy: `N/(N+1)` for best-of-N.
    pub base_procedure: Point,
    /// The transform to train with.
    pub recommended: Recommended,
    /// The frontier (with `--frontier`): every transform and `optimum` at ≥ 60 KLs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub points: Vec<Point>,
    /// Φ* beside the recommended Φ on a grid of u (with `--frontier` or a plot).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub phi: Vec<PhiPoint>,
    /// Caveats.
    pub warnings: Vec<Warning>,
}

/// A transform at the requested KL (or β).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TransformRow {
    /// The transform, as typed: `exp:10`; `raw` for ordinary raw-reward RLHF.
    pub transform: String,
    /// Price of KL at which the transform spends `kl`.
    pub beta: f64,
    /// KL(π‖p) in nats.
    pub kl: f64,
    /// Inference-time win rate `W^T`, in \[0,1\].
    pub win_rate: f64,
    /// Win rate of one plain sample, in \[0,1\].
    pub standard_win_rate: f64,
    /// `(W − ½)/(W* − ½)` at a KL budget; at a fixed β, where KLs differ, the same of `W − β KL`.
    pub share_of_optimum: f64,
    /// The same with Ĉ from K rollouts in place of C (with `--k`; not for `raw`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_k: Option<AtK>,
}

/// What calibrating from K rollouts leaves of a design, when the same KL is spent.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AtK {
    /// Price of KL to train with, so that Φ(Ĉ) spends the budget.
    pub beta: f64,
    /// KL(π‖p) in nats, expected over calibration tables.
    pub kl: f64,
    /// Inference-time win rate, expected over calibration tables.
    pub win_rate: f64,
    /// Standard win rate, expected over calibration tables.
    pub standard_win_rate: f64,
    /// Win rate lost against perfect calibration at the same KL.
    pub loss: f64,
    /// What the β of perfect calibration would spend at this K.
    pub kl_at_ideal_beta: f64,
    /// The smallest K that keeps the loss within 0.01, if one up to 4096 does.
    pub enough: Option<usize>,
}

/// The coupled optimum.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OptimumRow {
    /// Price of KL.
    pub beta: f64,
    /// KL(π‖p) in nats.
    pub kl: f64,
    /// Inference-time win rate.
    pub win_rate: f64,
    /// Standard win rate.
    pub standard_win_rate: f64,
    /// Why it is believed.
    pub certificate: Certificate,
}

/// Evidence of optimality.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Certificate {
    /// `J* − J ≤ gap`, J = W − β KL, where the problem is concave: in the density (best-of-N) or in the quantile function
    /// (worst-of-N); `None` where neither is known.
    pub gap: Option<f64>,
    /// Largest deviation of log f from `Φ_f/β − log Z`, weighted by f: zero at a stationary point.
    pub stationarity: f64,
    /// Starting points tried.
    pub starts: usize,
    /// How many of them reached the best objective within 1e-9.
    pub agreeing: usize,
}

/// The transform that training should use.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Recommended {
    /// The transform, as typed.
    pub transform: String,
    /// Its price of KL.
    pub beta: f64,
    /// Its KL in nats.
    pub kl: f64,
    /// Its inference-time win rate.
    pub win_rate: f64,
    /// Its standard win rate.
    pub standard_win_rate: f64,
    /// One sentence.
    pub reason: String,
}

/// A point of a frontier curve.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Point {
    /// The transform, `raw`, `optimum`, or the procedure for the base's own point.
    pub transform: String,
    /// Price of KL; absent for the base's own point.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beta: Option<f64>,
    /// KL in nats.
    pub kl: f64,
    /// Inference-time win rate.
    pub win_rate: f64,
    /// Standard win rate.
    pub standard_win_rate: f64,
}

/// Φ at one quantile, both scaled to \[0,1\] over the grid.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PhiPoint {
    /// Quantile.
    pub u: f64,
    /// Φ* of the coupled optimum, scaled to \[0,1\].
    pub optimum: f64,
    /// The recommended Φ, scaled to \[0,1\].
    pub recommended: f64,
}
