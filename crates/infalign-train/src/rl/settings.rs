//! What a reinforcement-learning run is told: everything on which its result depends besides model, prompts and rewards.

use infalign_lm::{AdamWConfig, sample::Sampling};
use serde::{Deserialize, Serialize};

use super::{KlEstimator, ObjectiveSpec, Price, objective::Projection};
use crate::{
    Rates, Schedule,
    error::{Error, Result},
};

/// The settings of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Updates from fresh samples.
    pub steps: u64,
    /// Prompts of a step.
    pub prompts: usize,
    /// Responses to each of them, at least 2.
    pub samples: usize,
    /// Parts in which a step's prompts are computed, one after the other; divides `prompts`.
    pub accumulate: usize,
    /// How samples become losses.
    pub objective: ObjectiveSpec,
    /// So many first steps project the known optimum from the base's rollouts, whatever the objective is.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub warm_start: u64,
    /// How the KL enters the loss.
    pub kl: KlEstimator,
    /// β, fixed or moved towards a budget.
    pub price: Price,
    /// The name of the reward's form, as in a configuration: `raw`, `identity`, `exp:10`.
    pub reward: String,
    /// How responses are drawn; neither truncated nor greedy.
    pub sampling: Sampling,
    /// How the KL is measured on held-out prompts.
    pub held_out: HeldOut,
    /// Decides the order of the prompts.
    pub seed: u64,
    /// Learning rate.
    pub schedule: Schedule,
    /// The optimiser.
    pub adamw: AdamWConfig,
    /// Bytes for keys and values while sampling; changes nothing about the samples.
    #[serde(skip, default = "cache_bytes")]
    pub cache_bytes: usize,
}

/// How the KL is measured on held-out prompts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeldOut {
    /// Steps between two measurements.
    pub every: u64,
    /// Prompts looked at, the first ones.
    pub prompts: usize,
    /// Fresh samples of each.
    pub samples: usize,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands over a reference"
)]
const fn is_zero(steps: &u64) -> bool {
    *steps == 0
}

const fn cache_bytes() -> usize {
    256 << 20
}

impl Settings {
    /// What is trained on in the step after `step` steps.
    #[must_use]
    pub const fn objective_after(&self, step: u64) -> ObjectiveSpec {
        if step < self.warm_start {
            ObjectiveSpec::Projection(Projection {})
        } else {
            self.objective
        }
    }

    /// Checks everything; the learning rates.
    ///
    /// # Errors
    /// [`Error::Setting`] names the field, its value and what is allowed; [`Error::Schedule`]; the optimiser's or the sampler's complaint.
    pub fn resolve(&self) -> Result<Rates> {
        let at_least = |field: &'static str, value: u64, least: u64, allowed: &'static str| {
            let bad = Error::Setting {
                field,
                value: value.to_string(),
                allowed,
            };
            if value < least { Err(bad) } else { Ok(()) }
        };
        at_least("prompts", self.prompts as u64, 1, "at least 1")?;
        at_least(
            "samples",
            self.samples as u64,
            2,
            "at least 2: the baseline of a sample is the mean of the others",
        )?;
        at_least("accumulate", self.accumulate as u64, 1, "at least 1")?;
        at_least("held_out.every", self.held_out.every, 1, "at least 1")?;
        if self.warm_start > self.steps {
            return Err(Error::Setting {
                field: "warm_start",
                value: format!("{} of {} steps", self.warm_start, self.steps),
                allowed: "at most the number of steps",
            });
        }
        let held_out = self.held_out;
        at_least("held_out.prompts", held_out.prompts as u64, 1, "at least 1")?;
        at_least("held_out.samples", held_out.samples as u64, 1, "at least 1")?;
        let parts = self.accumulate * self.objective.reuse().1.max(1);
        if !self.prompts.is_multiple_of(parts) {
            return Err(Error::Setting {
                field: "accumulate",
                value: format!("{} for {} prompts", self.accumulate, self.prompts),
                allowed: "a number that, times the objective's minibatches, divides the prompts of a step",
            });
        }
        self.sampling.validate().map_err(infalign_lm::Error::from)?;
        let s = &self.sampling;
        if s.is_greedy() || s.top_k != 0 || s.top_p < 1.0 || s.min_p > 0.0 {
            return Err(Error::Setting {
                field: "sampling",
                value: format!(
                    "temperature {}, top_k {}, top_p {}, min_p {}",
                    s.temperature, s.top_k, s.top_p, s.min_p
                ),
                allowed: "a temperature above 0 and no truncation while training: the KL and the gradient are of the distribution that is sampled from",
            });
        }
        self.objective.validate()?;
        self.price.validate()?;
        self.adamw.validate()?;
        self.schedule.resolve(self.steps)
    }
}
