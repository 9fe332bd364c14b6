//! The training of `pretrain` and `sft`: next-token cross-entropy on packed texts, or on the completions of prompts.
//!
//! ```text
//! loss(step)   = −(1/T) Σ_t log π(target_t | before)        over the T targets of the step's whole batch
//! gradient     = Σ over parts of the batch of ∂/∂θ, divided by T at the end
//! ```
//!
//! So a batch that is computed in several parts (`accumulate`) has the gradient of the whole one, to rounding: the parts are weighted by their
//! targets. The order of the data, the learning rate and every draw are functions of the settings and the step.

mod data;
mod session;
mod settings;

pub use data::{Data, Rows};
pub use session::Session;
pub use settings::Settings;

use crate::{
    Checkpoints, Habits, Metrics, Outcome, Policy, Rates, Surroundings,
    driver::{Course, Training, drive},
    error::Result,
};

/// Trains `policy` on `data`, from the newest checkpoint of the directory where there is one.
///
/// # Errors
/// Settings out of range, a checkpoint of another configuration, numbers that left the range ([`infalign_lm::Error::Diverged`]), or the disk's
/// refusal; the newest checkpoint then stands.
pub fn train(
    policy: &Policy,
    data: &Data,
    settings: &Settings,
    habits: &Habits,
    around: Surroundings<'_>,
) -> Result<Outcome<Session>> {
    let rates = settings.resolve()?;
    let course = Course {
        steps: settings.steps,
        observed_every: data.validation.as_ref().map(|_| settings.validation_every),
    };
    let ended = drive(&course, habits, around, |checkpoint| {
        let session = match checkpoint {
            Some(checkpoint) => Session::resume(policy, data, settings, checkpoint)?,
            None => Session::begin(policy, data, settings)?,
        };
        Ok(Supervised {
            session,
            data,
            settings,
            rates,
            habits,
        })
    })?;
    Ok(ended.map(|run| run.session))
}

/// A session with what it learns from.
struct Supervised<'a> {
    session: Session,
    data: &'a Data,
    settings: &'a Settings,
    rates: Rates,
    habits: &'a Habits,
}

impl Training for Supervised<'_> {
    fn step(&self) -> u64 {
        self.session.step()
    }

    fn advance(&mut self) -> Result<(Metrics, usize)> {
        self.session
            .advance(self.data, self.settings, &self.rates, self.habits)
    }

    fn observe(&mut self, metrics: Metrics) -> Result<Metrics> {
        let Some(rows) = &self.data.validation else {
            return Ok(metrics);
        };
        let loss = self.session.validate(rows, self.settings)?;
        Ok(metrics.value("validation/loss", loss))
    }

    fn save(&self, checkpoints: &Checkpoints) -> Result<()> {
        self.session.save(checkpoints, self.settings)
    }
}
