//! The jailbreak view: how often an attacker who draws N responses gets one below a threshold.

use serde::{Deserialize, Serialize};

use crate::estimate::Estimate;

/// Attack success against the number of attempts, by one judge.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AttackSuccess {
    /// The judge.
    pub judge: String,
    /// Raw rewards below this are a success of the attack.
    pub threshold: f64,
    /// N = 1, 2, 4, … up to the number of responses per prompt.
    pub points: Vec<AttackPoint>,
}

/// One number of attempts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AttackPoint {
    /// Attempts N.
    pub n: usize,
    /// Chance that the worst of N responses is below the threshold: 1 − C(m−c, N)/C(m, N) for c of m responses below it, in \[0,1\].
    pub success: Estimate,
}
