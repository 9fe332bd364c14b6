//! CTRL without reinforcement learning: the optimum, whose density against the base is known at every rollout, projected onto the policy class.
//!
//! ```text
//! minimise KL(π* ‖ π) = const − E_p[w log π],   π* = w p     (forward KL; derived, see MATH.md, section 8)
//! in the low-variance form   E_p [ (w_i − 1/(n−1) Σ_{j≠i} w_j)(−log π(y_i)) + Σ_t CE(p_t, π_t) ]
//! ```
//!
//! Since E w = 1, `E_p`[w(−log π)] = `E_p`[(w − 1)(−log π)] + `E_p`[−log π], and the last term is `Σ_t` of the cross-entropy of the base's whole
//! distribution at every position of its rollouts, exact over the vocabulary. At w = 1 its gradient is 0 at π = p without any noise. No reward is asked after calibration, no policy is sampled, and β needs no
//! controller; what it costs is weight degeneracy: few effective samples 1/E w² at a large KL.

use infalign_lm::{RowGrad, RowStats};
use serde::{Deserialize, Serialize};

use super::{Objective, Plan, Seen};
use crate::rl::{KlEstimator, kl::leave_one_out};

/// Its settings: none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Projection {}

impl Objective for Projection {
    fn plan(&self, seen: &Seen<'_>) -> Vec<Vec<Plan>> {
        let advantages = leave_one_out(seen.reward);
        let token = |i: usize, s: &RowStats| Plan {
            advantage: advantages[i] as f32,
            old: s.log_prob,
            value: 0.0,
        };
        seen.stats
            .iter()
            .enumerate()
            .map(|(i, stats)| stats.iter().map(|s| token(i, s)).collect())
            .collect()
    }

    fn token(&self, plan: Plan, now: RowStats, _: KlEstimator) -> RowGrad {
        RowGrad {
            loss: -plan.advantage * now.log_prob,
            d_log_prob: -plan.advantage,
            d_ref_cross_entropy: 1.0,
            ..RowGrad::default()
        }
    }
}
