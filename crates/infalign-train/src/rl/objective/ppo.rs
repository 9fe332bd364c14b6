//! PPO (Schulman et al., arXiv 1707.06347) as RLHF uses it (arXiv 2203.02155): clipped surrogate, value head, GAE, per-token KL in the reward.
//!
//! ```text
//! r_t = −k_{t+1} (exact) or −k1_t, and R at the last token
//! δ_t = r_t + γ V_{t+1} − V_t,        A_t = Σ_l (γλ)^l δ_{t+l}        (GAE, arXiv 1506.02438)
//! loss = −Σ_t min(ρ_t A_t, clip(ρ_t, 1 ± ε) A_t) + Σ_t k_t's own gradient,        value loss = ½ (V_t − (A_t + V_t old))²
//! ```
//!
//! With the exact KL, the KL of a position is charged to the token *before* it, which led there; its dependence on the policy at the position
//! itself is followed exactly (d loss/d `k_t` = 1). Advantages are not whitened: that would rescale Φ from batch to batch.

use infalign_lm::{RowGrad, RowStats};
use serde::{Deserialize, Serialize};

use super::{Objective, Plan, Seen, at_least_one, clipped, positive};
use crate::{
    error::{Error, Result},
    rl::{KlEstimator, kl::log_ratio},
};

/// Its settings.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Ppo {
    /// Passes over a step's samples.
    pub epochs: usize,
    /// Updates in a pass; divides the prompts of a step.
    pub minibatches: usize,
    /// ε of the clipping.
    pub clip: f64,
    /// γ, in (0, 1].
    pub gamma: f64,
    /// λ, in [0, 1].
    pub lambda: f64,
    /// The value head's learning rate, as a multiple of the policy's.
    pub value_rate: f64,
}

impl Default for Ppo {
    fn default() -> Self {
        Self {
            epochs: 2,
            minibatches: 1,
            clip: 0.2,
            gamma: 1.0,
            lambda: 0.95,
            value_rate: 1.0,
        }
    }
}

impl Ppo {
    pub(super) fn validate(&self) -> Result<()> {
        at_least_one("objective.epochs", self.epochs)?;
        at_least_one("objective.minibatches", self.minibatches)?;
        positive("objective.clip", self.clip)?;
        positive("objective.value_rate", self.value_rate)?;
        let share = |field, value: f64, least: bool| {
            if value <= 1.0 && (value > 0.0 || (least && value == 0.0)) {
                return Ok(());
            }
            Err(Error::Setting {
                field,
                value: value.to_string(),
                allowed: "at most 1 (gamma above 0, lambda at least 0)",
            })
        };
        share("objective.gamma", self.gamma, false)?;
        share("objective.lambda", self.lambda, true)
    }
}

impl Objective for Ppo {
    fn plan(&self, seen: &Seen<'_>) -> Vec<Vec<Plan>> {
        let none: &[Vec<f32>] = &[];
        let values = seen.values.unwrap_or(none);
        let sample = |i: usize| {
            let stats = &seen.stats[i];
            let last = stats.len().saturating_sub(1);
            let value = |t: usize| {
                values
                    .get(i)
                    .and_then(|v| v.get(t))
                    .copied()
                    .map_or(0.0, f64::from)
            };
            let mut plans = vec![Plan::default(); stats.len()];
            let mut advantage = 0.0;
            for t in (0..stats.len()).rev() {
                let spent = match seen.kl {
                    KlEstimator::Exact => stats.get(t + 1).map_or(0.0, |s| f64::from(s.kl)),
                    KlEstimator::K1 => log_ratio(&stats[t]),
                    KlEstimator::K3 => 0.0,
                };
                let end = if t == last { seen.reward[i] } else { 0.0 };
                let next = if t == last { 0.0 } else { value(t + 1) };
                let delta = end - spent + self.gamma * next - value(t);
                advantage = delta + self.gamma * self.lambda * advantage;
                plans[t] = Plan {
                    advantage: advantage as f32,
                    old: stats[t].log_prob,
                    value: (advantage + value(t)) as f32,
                };
            }
            plans
        };
        (0..seen.stats.len()).map(sample).collect()
    }

    fn token(&self, plan: Plan, now: RowStats, kl: KlEstimator) -> RowGrad {
        clipped(plan, now, kl, self.clip as f32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With λ = γ = 1 the advantage is the return less the value: Σ of what is still to come − V.
    #[test]
    fn gae_of_one_is_the_return() {
        let stats = |kls: &[f32]| -> Vec<RowStats> {
            kls.iter()
                .map(|&kl| RowStats {
                    kl,
                    log_prob: -1.0,
                    ..RowStats::default()
                })
                .collect()
        };
        let ppo = Ppo {
            lambda: 1.0,
            ..Ppo::default()
        };
        let all = vec![stats(&[0.5, 0.25, 1.0])];
        let values = vec![vec![0.1, 0.2, 0.3]];
        let plan = &ppo.plan(&Seen {
            reward: &[2.0],
            stats: &all,
            values: Some(&values),
            kl: KlEstimator::Exact,
        })[0];
        for (t, (to_go, v)) in [(1.25, 0.1), (1.0, 0.2), (0.0, 0.3)]
            .into_iter()
            .enumerate()
        {
            assert!(
                (plan[t].advantage - (2.0 - to_go - v)).abs() < 1e-6,
                "{plan:?}"
            );
            assert!((plan[t].value - (2.0 - to_go)).abs() < 1e-6);
        }
    }

    /// λ = 0: one step ahead.
    #[test]
    fn gae_of_nothing_is_the_temporal_difference() {
        let ppo = Ppo {
            lambda: 0.0,
            ..Ppo::default()
        };
        let all = vec![vec![
            RowStats {
                kl: 0.5,
                ..RowStats::default()
            };
            2
        ]];
        let values = vec![vec![1.0, 3.0]];
        let plan = &ppo.plan(&Seen {
            reward: &[7.0],
            stats: &all,
            values: Some(&values),
            kl: KlEstimator::Exact,
        })[0];
        assert!((plan[0].advantage - (-0.5 + 3.0 - 1.0)).abs() < 1e-6);
        assert!((plan[1].advantage - (7.0 - 3.0)).abs() < 1e-6);
    }
}
