//! The one training loop of `pretrain` and `sft`: next-token cross-entropy on packed texts, or on the completions of prompts.
//!
//! ```text
//! loss(step)   = −(1/T) Σ_t log π(target_t | before)        over the T targets of the step's whole batch
//! gradient     = Σ over parts of the batch of ∂/∂θ, divided by T at the end
//! ```
//!
//! So a batch that is computed in several parts (`accumulate`) has the gradient of the whole one, to rounding: the parts are weighted by their
//! targets. The order of the data, the learning rate and every draw are functions of the settings and the step; what a checkpoint holds is
//! all there is. A run that was killed and started again therefore ends with the bytes of one that was left in peace, on the same machine and
//! number of threads.

mod data;
mod output;
mod session;
mod settings;

use std::path::Path;

pub use data::{Data, Rows};
pub use output::{ADAPTER_FILES, MODEL_FILES, write_adapter, write_model};
pub(crate) use output::{begin, into_place};
pub use session::Session;
pub use settings::{Habits, Settings};

pub use crate::policy::{Base, Lora, Policy};
use crate::{
    Checkpoints, Interrupt, Sink, Telemetry,
    error::Result,
    telemetry::{JsonLines, TensorBoard},
};

/// How a run ended.
#[derive(Debug)]
pub enum Outcome {
    /// All steps are taken.
    Done(Box<Session>),
    /// It was asked to stop, and saved.
    Interrupted {
        /// Steps taken.
        step: u64,
    },
}

/// Where a run lives, and whom it tells.
pub struct Surroundings<'a> {
    /// The output folder: `metrics.jsonl`, `timing.jsonl`, `tensorboard/`, `checkpoints/`.
    pub directory: &'a Path,
    /// Told of every step, from the step on at which it begins.
    pub watch: &'a mut dyn FnMut(u64) -> Telemetry,
    /// Whether to stop.
    pub interrupt: &'a Interrupt,
    /// Seconds since 1970.
    pub clock: fn() -> f64,
}

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
) -> Result<Outcome> {
    let Surroundings {
        directory,
        watch,
        interrupt,
        clock,
    } = around;
    let rates = settings.resolve()?;
    let checkpoints = Checkpoints::open(directory.join("checkpoints"), habits.keep)?;
    let (mut session, resumed) = match checkpoints.latest()? {
        Some(checkpoint) => {
            let session = Session::resume(policy, data, settings, &checkpoint)?;
            (session, Some(checkpoint.step))
        }
        None => (Session::begin(policy, data, settings)?, None),
    };
    let mut record = JsonLines::open(directory, resumed)?;
    let board = TensorBoard::open(&directory.join("tensorboard"), resumed, clock())?;
    let mut told = watch(session.step()).with(board);
    let mut saved = clock();
    while session.step() < settings.steps {
        let begun = clock();
        let (mut metrics, tokens) = session.advance(data, settings, &rates, habits)?;
        let now = clock();
        metrics.wall = now;
        let step = session.step();
        let last = step == settings.steps;
        if let Some(rows) = &data.validation
            && (last || step.is_multiple_of(settings.validation_every))
        {
            let loss = session.validate(rows, settings)?;
            metrics = metrics.value("validation/loss", loss);
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
    Ok(Outcome::Done(Box::new(session)))
}
