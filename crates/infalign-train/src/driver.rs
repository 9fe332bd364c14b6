//! The one loop that drives every training: a step, what is seen of held-out data, the record, a checkpoint when one is due, a stop when asked.
//!
//! What a step is differs ([`Training`]: `supervised`, `preference`, `rl`). Alike is that a checkpoint holds all there is, and that settings,
//! data and the step decide every draw. A run that was killed and started again therefore ends with the bytes of one that was left in peace,
//! on the same machine and number of threads.

use std::path::Path;

use crate::{
    Checkpoint, Checkpoints, Interrupt, Metrics, Sink, Telemetry,
    error::Result,
    telemetry::{JsonLines, TensorBoard},
};

/// What changes nothing about the result.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Habits {
    /// Steps between two checkpoints, at least 1.
    pub save_every: u64,
    /// The most seconds between two checkpoints.
    pub save_seconds: f64,
    /// How many checkpoints stay.
    pub keep: usize,
    /// Keeps only every layer's input and computes the layer again for its gradient: less memory, more time, the same bits.
    pub recompute: bool,
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

/// How a run ended.
#[derive(Debug)]
pub enum Outcome<T> {
    /// All steps are taken.
    Done(Box<T>),
    /// It was asked to stop, and saved.
    Interrupted {
        /// Steps taken.
        step: u64,
    },
}

impl<T> Outcome<T> {
    pub(crate) fn map<U>(self, of: impl FnOnce(T) -> U) -> Outcome<U> {
        match self {
            Self::Done(training) => Outcome::Done(Box::new(of(*training))),
            Self::Interrupted { step } => Outcome::Interrupted { step },
        }
    }
}

/// A training between two steps.
pub(crate) trait Training {
    /// Steps taken.
    fn step(&self) -> u64;

    /// Takes a step; what is known of it, and the tokens that went in.
    fn advance(&mut self) -> Result<(Metrics, usize)>;

    /// Adds what held-out data say.
    fn observe(&mut self, metrics: Metrics) -> Result<Metrics>;

    /// Makes a checkpoint of everything.
    fn save(&self, checkpoints: &Checkpoints) -> Result<()>;
}

/// How far a training goes, and how often it is observed: also after its last step, or never.
pub(crate) struct Course {
    pub(crate) steps: u64,
    pub(crate) observed_every: Option<u64>,
}

/// Drives what `begin` opens, from the newest checkpoint of the directory where there is one.
pub(crate) fn drive<T: Training>(
    course: &Course,
    habits: &Habits,
    around: Surroundings<'_>,
    begin: impl FnOnce(Option<&Checkpoint>) -> Result<T>,
) -> Result<Outcome<T>> {
    let Surroundings {
        directory,
        watch,
        interrupt,
        clock,
    } = around;
    let checkpoints = Checkpoints::open(directory.join("checkpoints"), habits.keep)?;
    let newest = checkpoints.latest()?;
    let mut training = begin(newest.as_ref())?;
    let resumed = newest.map(|checkpoint| checkpoint.step);
    let mut record = JsonLines::open(directory, resumed)?;
    let board = TensorBoard::open(&directory.join("tensorboard"), resumed, clock())?;
    let mut told = watch(training.step()).with(board);
    let mut saved = clock();
    while training.step() < course.steps {
        let begun = clock();
        let (mut metrics, tokens) = training.advance()?;
        let now = clock();
        metrics.wall = now;
        let step = training.step();
        let last = step == course.steps;
        let observes = |every: u64| last || step.is_multiple_of(every);
        if course.observed_every.is_some_and(observes) {
            metrics = training.observe(metrics)?;
        }
        let metrics = metrics.timing("tokens_per_second", tokens as f64 / (now - begun).max(1e-9));
        record.append(&metrics)?;
        told.append(&metrics)?;
        let stop = interrupt.requested();
        let due = step.is_multiple_of(habits.save_every) || now - saved >= habits.save_seconds;
        if last || stop || due {
            record.finish()?;
            training.save(&checkpoints)?;
            saved = clock();
        }
        if stop && !last {
            told.finish()?;
            return Ok(Outcome::Interrupted { step });
        }
    }
    record.finish()?;
    told.finish()?;
    Ok(Outcome::Done(Box::new(training)))
}
