//! RLOO (Ahmadian et al., arXiv 2402.14740): REINFORCE whose baseline is the mean reward of the group's other samples.
//!
//! ```text
//! A_i = R_i − 1/(n−1) Σ_{j≠i} R_j,        loss = −Σ_t ρ_t A_{i,t} + KL,        ρ_t = min(π(y_t)/π_old(y_t), cap)
//! ```
//!
//! With one pass over the samples ρ = 1 and the gradient is unbiased; further passes reuse them with importance weights, cut at `cap`
//! (arXiv 1802.01561). The faithful solver of KL-regularised RL: no clipping, no normalisation, one β for all prompts.

use infalign_lm::{RowGrad, RowStats};
use serde::{Deserialize, Serialize};

use super::{Objective, Plan, Seen, at_least_one, plans, positive, with_kl};
use crate::{
    error::Result,
    rl::{
        KlEstimator,
        kl::{k1, leave_one_out},
    },
};

/// Its settings.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rloo {
    /// Passes over a step's samples.
    pub epochs: usize,
    /// The largest importance ratio.
    pub cap: f64,
}

impl Default for Rloo {
    fn default() -> Self {
        Self {
            epochs: 1,
            cap: 2.0,
        }
    }
}

impl Rloo {
    pub(super) fn validate(&self) -> Result<()> {
        at_least_one("objective.epochs", self.epochs)?;
        positive("objective.cap", self.cap)
    }
}

impl Objective for Rloo {
    fn plan(&self, seen: &Seen<'_>) -> Vec<Vec<Plan>> {
        let rewards: Vec<f64> = match seen.kl {
            KlEstimator::K1 => {
                let spent = seen.stats.iter().map(|s| k1(s));
                seen.reward.iter().zip(spent).map(|(r, k)| r - k).collect()
            }
            KlEstimator::Exact | KlEstimator::K3 => seen.reward.to_vec(),
        };
        plans(seen, &leave_one_out(&rewards))
    }

    fn token(&self, plan: Plan, now: RowStats, kl: KlEstimator) -> RowGrad {
        let ratio = (now.log_prob - plan.old).exp();
        let cut = ratio.min(self.cap as f32);
        let token = RowGrad {
            loss: -plan.advantage * cut,
            d_log_prob: -plan.advantage * cut,
            ..RowGrad::default()
        };
        with_kl(token, now, kl)
    }
}
