//! GRPO (Shao et al., arXiv 2402.03300): a clipped surrogate with the advantage relative to the group's mean.
//!
//! ```text
//! A_i = (R_i − mean R) [/ std R],        loss = −Σ_t min(ρ_t A, clip(ρ_t, 1 ± ε) A) + KL
//! ```
//!
//! The mean holds the sample's own reward, so that the expected advantage is (n−1)/n of the reward's: in groups of n, GRPO is RLOO at the price
//! β n/(n−1) (derived; tested with exact expectations). At a KL budget the controller finds the β that is needed.
//!
//! **Division by the group's standard deviation is off.** It rescales Φ prompt by prompt, so β no longer means one price of KL: of two
//! prompts the one whose rewards differ less is pushed as hard as the other, and the trained policy is no tilt of Φ for any β
//! (arXiv 2503.20783 shows the same bias for question difficulty). Division by a response's length is not offered for the same reason: a sum
//! over tokens is the sequence's log-probability.

use infalign_lm::{RowGrad, RowStats};
use serde::{Deserialize, Serialize};

use super::{Objective, Plan, Seen, at_least_one, clipped, plans, positive};
use crate::{
    error::Result,
    rl::{KlEstimator, kl::k1},
};

/// Its settings.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Grpo {
    /// Passes over a step's samples.
    pub epochs: usize,
    /// ε of the clipping.
    pub clip: f64,
    /// Divides the advantage by the group's standard deviation; see the head of this file for why not.
    pub divide_by_std: bool,
}

impl Default for Grpo {
    fn default() -> Self {
        Self {
            epochs: 1,
            clip: 0.2,
            divide_by_std: false,
        }
    }
}

/// Added to the standard deviation, as TRL does.
const STD_FLOOR: f64 = 1e-4;

impl Grpo {
    pub(super) fn validate(&self) -> Result<()> {
        at_least_one("objective.epochs", self.epochs)?;
        positive("objective.clip", self.clip)
    }
}

impl Objective for Grpo {
    fn plan(&self, seen: &Seen<'_>) -> Vec<Vec<Plan>> {
        let rewards: Vec<f64> = match seen.kl {
            KlEstimator::K1 => {
                let spent = seen.stats.iter().map(|s| k1(s));
                seen.reward.iter().zip(spent).map(|(r, k)| r - k).collect()
            }
            KlEstimator::Exact | KlEstimator::K3 => seen.reward.to_vec(),
        };
        let n = rewards.len().max(1) as f64;
        let mean = rewards.iter().sum::<f64>() / n;
        let scale = if self.divide_by_std {
            let squares: f64 = rewards.iter().map(|r| (r - mean).powi(2)).sum();
            (squares / (n - 1.0).max(1.0)).sqrt() + STD_FLOOR
        } else {
            1.0
        };
        let advantages: Vec<f64> = rewards.iter().map(|r| (r - mean) / scale).collect();
        plans(seen, &advantages)
    }

    fn token(&self, plan: Plan, now: RowStats, kl: KlEstimator) -> RowGrad {
        clipped(plan, now, kl, self.clip as f32)
    }
}
