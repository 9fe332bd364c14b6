//! Reward models from preferences: Bradley–Terry training of a classification head and its body, and how well rewards agree with preferences.
//!
//! ```text
//! loss(step) = (1/B) Σ over the step's B pairs of ℓ(r(x, y_c), r(x, y_r))          ℓ: see preference/loss.rs
//! ```
//!
//! A batch that is computed in several parts has the gradient of the whole one, to rounding. The order of the pairs, the learning rate and a
//! fresh head are functions of the settings and the step.

mod evaluate;
mod loss;
mod pairs;
mod session;
mod settings;
mod start;

pub use evaluate::{CalibrationBin, Evaluation, choice, evaluate};
pub use pairs::{Judged, Pair, judge};
pub use settings::Settings;
pub use start::Start;

use infalign_lm::Decoder;

use crate::{
    Checkpoints, Habits, Metrics, Outcome, Rates, Surroundings,
    driver::{Course, Training, drive},
    error::{Error, Result},
};
use session::Session;

/// A training of a reward model.
pub struct PreferenceRun<'a> {
    /// What it begins as.
    pub start: &'a Start,
    /// What is learned; at least one pair.
    pub pairs: &'a [Pair],
    /// What it is judged by; may be empty.
    pub held_out: &'a [Pair],
    /// What the result depends on.
    pub settings: &'a Settings,
    /// What changes nothing about it.
    pub habits: &'a Habits,
    /// Where it lives, and whom it tells.
    pub around: Surroundings<'a>,
}

/// Trains a reward model, from the newest checkpoint of the directory where there is one.
///
/// # Errors
/// Settings out of range, pairs that the model cannot read, a checkpoint of another configuration, numbers that left the range
/// ([`infalign_lm::Error::Diverged`]), or the disk's refusal; the newest checkpoint then stands.
pub fn train(run: PreferenceRun<'_>) -> Result<Outcome<Decoder>> {
    let PreferenceRun {
        start,
        pairs,
        held_out,
        settings,
        habits,
        around,
    } = run;
    let rates = settings.resolve()?;
    if habits.recompute {
        return Err(Error::Setting {
            field: "recompute",
            value: "true".to_owned(),
            allowed: "false: reward heads keep their activations; use more parts (accumulate) for less memory",
        });
    }
    let spec = start.spec()?;
    pairs::check(pairs, &spec)?;
    pairs::check(held_out, &spec)?;
    if pairs.is_empty() {
        return Err(Error::NothingLeft {
            examples: 0,
            remedy: "give preferences",
        });
    }
    let judges = held_out.iter().any(|pair| !pair.tie);
    let course = Course {
        steps: settings.steps,
        observed_every: judges.then_some(settings.validation_every),
    };
    let ended = drive(&course, habits, around, |checkpoint| {
        let session = match checkpoint {
            Some(checkpoint) => Session::resume(start, pairs, settings, checkpoint)?,
            None => Session::begin(start, pairs, settings)?,
        };
        Ok(BradleyTerry {
            session,
            pairs,
            held_out,
            settings,
            rates,
        })
    })?;
    Ok(ended.map(|run| run.session.model))
}

/// A session with what it learns from and what it is judged by.
struct BradleyTerry<'a> {
    session: Session,
    pairs: &'a [Pair],
    held_out: &'a [Pair],
    settings: &'a Settings,
    rates: Rates,
}

impl Training for BradleyTerry<'_> {
    fn step(&self) -> u64 {
        self.session.step()
    }

    fn advance(&mut self) -> Result<(Metrics, usize)> {
        self.session.advance(self.pairs, self.settings, &self.rates)
    }

    fn observe(&mut self, metrics: Metrics) -> Result<Metrics> {
        self.session.validate(self.held_out, metrics)
    }

    fn save(&self, checkpoints: &Checkpoints) -> Result<()> {
        self.session.save(checkpoints, self.settings)
    }
}

#[cfg(test)]
mod tests;
