//! Objectives: what every token's loss is, one file each.
//!
//! An objective makes a *plan* from what is known of a group of responses to one prompt (rewards in nats, R/β; figures of every token), and then
//! answers for every token with its loss and the derivatives with respect to log `π(y_t)`, the exact KL and the cross-entropy of the base. The
//! chain rule down to the weights is the same for all ([`infalign_lm::gradients`]).
//!
//! | objective | samples of | advantage of token t | surrogate |
//! |---|---|---|---|
//! | `rloo` | the policy | R_i − mean of the others' | importance ratio, cut above |
//! | `ppo` | the policy | GAE of a value head | clipped ratio |
//! | `grpo` | the policy | R_i − group mean | clipped ratio |
//! | `projection` | the base | w_i − mean of the others' | none: the forward KL |

mod grpo;
mod ppo;
mod projection;
mod rloo;

use infalign_lm::{RowGrad, RowStats};
use serde::{Deserialize, Serialize};

pub use grpo::Grpo;
pub use ppo::Ppo;
pub use projection::Projection;
pub use rloo::Rloo;

use super::{KlEstimator, kl::Stats};
use crate::error::{Error, Result};

/// An objective with its settings.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ObjectiveSpec {
    /// REINFORCE with a leave-one-out baseline.
    Rloo(Rloo),
    /// Proximal policy optimisation with a value head.
    Ppo(Ppo),
    /// Group-relative policy optimisation.
    Grpo(Grpo),
    /// The forward-KL projection of the known optimum.
    Projection(Projection),
}

/// Every objective's name with one sentence.
pub const OBJECTIVES: [(&str, &str); 4] = [
    (
        "rloo",
        "REINFORCE with the mean of the group's other samples as baseline (arXiv 2402.14740)",
    ),
    (
        "ppo",
        "clipped surrogate, value head, GAE (arXiv 1707.06347)",
    ),
    (
        "grpo",
        "clipped surrogate, advantage relative to the group's mean (arXiv 2402.03300)",
    ),
    (
        "projection",
        "no RL: the optimum is known at every base rollout and is projected onto the policy class",
    ),
];

/// What is known of a group before an update.
pub(super) struct Seen<'a> {
    /// R/β of each sample; of the base's rollouts, their weights w.
    pub(super) reward: &'a [f64],
    /// Figures of every token under the policy that drew it.
    pub(super) stats: &'a Stats,
    /// Values of every token of the response: of what stands before it.
    pub(super) values: Option<&'a [Vec<f32>]>,
    /// How the KL enters.
    pub(super) kl: KlEstimator,
}

/// What an objective has decided about a token.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Plan {
    /// `A_t`, in nats; of the projection, w less the mean of the others'.
    pub(super) advantage: f32,
    /// log `π(y_t)` when it was drawn.
    pub(super) old: f32,
    /// What the value head should have said before it.
    pub(super) value: f32,
}

pub(super) trait Objective {
    /// The plan of every token: (samples, tokens).
    fn plan(&self, seen: &Seen<'_>) -> Vec<Vec<Plan>>;

    /// A token's loss under the policy as it is now.
    fn token(&self, plan: Plan, now: RowStats, kl: KlEstimator) -> RowGrad;
}

impl ObjectiveSpec {
    /// As typed: `rloo`, `ppo`, `grpo`, `projection`, with the objective's own defaults.
    ///
    /// # Errors
    /// Lists the objectives.
    pub fn named(name: &str) -> Result<Self> {
        Ok(match name {
            "rloo" => Self::Rloo(Rloo::default()),
            "ppo" => Self::Ppo(Ppo::default()),
            "grpo" => Self::Grpo(Grpo::default()),
            "projection" => Self::Projection(Projection {}),
            _ => {
                return Err(Error::Setting {
                    field: "objective",
                    value: format!("`{name}`"),
                    allowed: "rloo, ppo, grpo or projection",
                });
            }
        })
    }

    /// With another number of passes over a step's samples; the projection has none.
    #[must_use]
    pub const fn with_epochs(mut self, passes: usize) -> Self {
        match &mut self {
            Self::Rloo(rloo) => rloo.epochs = passes,
            Self::Ppo(ppo) => ppo.epochs = passes,
            Self::Grpo(grpo) => grpo.epochs = passes,
            Self::Projection(_) => {}
        }
        self
    }

    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Rloo(_) => "rloo",
            Self::Ppo(_) => "ppo",
            Self::Grpo(_) => "grpo",
            Self::Projection(_) => "projection",
        }
    }

    pub(super) fn validate(&self) -> Result<()> {
        match self {
            Self::Rloo(rloo) => rloo.validate(),
            Self::Ppo(ppo) => ppo.validate(),
            Self::Grpo(grpo) => grpo.validate(),
            Self::Projection(_) => Ok(()),
        }
    }

    pub(super) fn objective(&self) -> &dyn Objective {
        match self {
            Self::Rloo(rloo) => rloo,
            Self::Ppo(ppo) => ppo,
            Self::Grpo(grpo) => grpo,
            Self::Projection(projection) => projection,
        }
    }

    /// Passes over a step's samples, and updates in each pass.
    pub(super) const fn reuse(&self) -> (usize, usize) {
        match self {
            Self::Rloo(rloo) => (rloo.epochs, 1),
            Self::Ppo(ppo) => (ppo.epochs, ppo.minibatches),
            Self::Grpo(grpo) => (grpo.epochs, 1),
            Self::Projection(_) => (1, 1),
        }
    }

    /// Whether its samples are the base's rollouts.
    #[must_use]
    pub const fn is_offline(&self) -> bool {
        matches!(self, Self::Projection(_))
    }

    /// The value head's settings, if it has one.
    pub(super) const fn critic(&self) -> Option<&Ppo> {
        match self {
            Self::Ppo(ppo) => Some(ppo),
            _ => None,
        }
    }
}

/// A count that must be at least 1.
fn at_least_one(field: &'static str, value: usize) -> Result<()> {
    if value == 0 {
        return Err(Error::Setting {
            field,
            value: "0".to_owned(),
            allowed: "at least 1",
        });
    }
    Ok(())
}

/// A number in (0, ∞).
fn positive(field: &'static str, value: f64) -> Result<()> {
    if value > 0.0 && value.is_finite() {
        return Ok(());
    }
    Err(Error::Setting {
        field,
        value: value.to_string(),
        allowed: "a positive number",
    })
}

/// Plans of sequence-level advantages, with the KL's share of every token.
fn plans(seen: &Seen<'_>, advantages: &[f64]) -> Vec<Vec<Plan>> {
    let credits = match seen.kl {
        KlEstimator::Exact => Some(super::kl::credits(seen.stats)),
        KlEstimator::K1 | KlEstimator::K3 => None,
    };
    let token = |sample: usize, t: usize, s: &RowStats| Plan {
        advantage: (advantages[sample] + credits.as_ref().map_or(0.0, |c| c[sample][t])) as f32,
        old: s.log_prob,
        value: 0.0,
    };
    seen.stats
        .iter()
        .enumerate()
        .map(|(i, stats)| {
            stats
                .iter()
                .enumerate()
                .map(|(t, s)| token(i, t, s))
                .collect()
        })
        .collect()
}

/// −A·(clipped ratio), and the KL beside it.
fn clipped(plan: Plan, now: RowStats, kl: KlEstimator, epsilon: f32) -> RowGrad {
    let ratio = (now.log_prob - plan.old).exp();
    let a = plan.advantage;
    let bound = ratio.clamp(1.0 - epsilon, 1.0 + epsilon);
    // The pessimistic one of the two: where it is the bound, the token pulls no longer.
    let free = ratio * a <= bound * a;
    with_kl(
        RowGrad {
            loss: -(ratio * a).min(bound * a),
            d_log_prob: if free { -ratio * a } else { 0.0 },
            ..RowGrad::default()
        },
        now,
        kl,
    )
}

/// Adds the KL's own gradient to a token's.
fn with_kl(mut token: RowGrad, now: RowStats, kl: KlEstimator) -> RowGrad {
    match kl {
        KlEstimator::Exact => {
            token.d_kl += 1.0;
            token.loss += now.kl;
        }
        KlEstimator::K1 => {}
        KlEstimator::K3 => {
            let k1 = now.log_prob - now.ref_log_prob;
            token.loss += (-k1).exp_m1() + k1;
            token.d_log_prob -= (-k1).exp_m1(); // d k3 / d log π = 1 − e^{−k1}
        }
    }
    token
}
