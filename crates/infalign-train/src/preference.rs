//! Reward models from preferences: Bradley–Terry training of a classification head and its body, and how well rewards agree with preferences.
//!
//! ```text
//! loss(step) = (1/B) Σ over the step's B pairs of ℓ(r(x, y_c), r(x, y_r))          ℓ: see preference/loss.rs
//! ```
//!
//! A batch that is computed in several parts has the gradient of the whole one, to rounding. The order of the pairs, the learning rate and a
//! fresh head are functions of the settings and the step; what a checkpoint holds is all there is. A run that was killed and started again
//! ends with the bytes of one that was left in peace, on the same machine and number of threads.

mod evaluate;
mod loss;
mod output;
mod pairs;
mod session;
mod settings;
mod start;

pub use evaluate::{CalibrationBin, Evaluation, choice, evaluate};
pub use output::write_reward_model;
pub use pairs::{Judged, Pair, judge};
pub use settings::Settings;
pub use start::Start;

use infalign_lm::Decoder;

use crate::{
    Checkpoints, Sink,
    error::{Error, Result},
    supervised::{Habits, Surroundings},
    telemetry::{JsonLines, TensorBoard},
};
use session::Session;

/// How a run ended.
#[derive(Debug)]
pub enum Outcome {
    /// All steps are taken.
    Done(Box<Decoder>),
    /// It was asked to stop, and saved.
    Interrupted {
        /// Steps taken.
        step: u64,
    },
}

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
pub fn train(run: PreferenceRun<'_>) -> Result<Outcome> {
    let PreferenceRun {
        start,
        pairs,
        held_out,
        settings,
        habits,
        around,
    } = run;
    let Surroundings {
        directory,
        watch,
        interrupt,
        clock,
    } = around;
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
    let checkpoints = Checkpoints::open(directory.join("checkpoints"), habits.keep)?;
    let (mut session, resumed) = match checkpoints.latest()? {
        Some(checkpoint) => {
            let session = Session::resume(start, pairs, settings, &checkpoint)?;
            (session, Some(checkpoint.step))
        }
        None => (Session::begin(start, pairs, settings)?, None),
    };
    let mut record = JsonLines::open(directory, resumed)?;
    let board = TensorBoard::open(&directory.join("tensorboard"), resumed, clock())?;
    let mut told = watch(session.step()).with(board);
    let mut saved = clock();
    while session.step() < settings.steps {
        let begun = clock();
        let (mut metrics, tokens) = session.advance(pairs, settings, &rates)?;
        let now = clock();
        metrics.wall = now;
        let step = session.step();
        let last = step == settings.steps;
        if judges && (last || step.is_multiple_of(settings.validation_every)) {
            metrics = session.validate(held_out, metrics)?;
        }
        let metrics = metrics.timing("tokens_per_second", tokens as f64 / (now - begun).max(1e-9));
        record.append(&metrics)?;
        told.append(&metrics)?;
        let stop = interrupt.requested();
        let due = step.is_multiple_of(habits.save_every) || now - saved >= habits.save_seconds;
        if last || stop || due {
            record.finish()?;
            session.save(&checkpoints, settings)?;
            saved = clock();
        }
        if stop && !last {
            told.finish()?;
            return Ok(Outcome::Interrupted { step });
        }
    }
    record.finish()?;
    told.finish()?;
    Ok(Outcome::Done(Box::new(session.model)))
}

#[cfg(test)]
mod tests;
