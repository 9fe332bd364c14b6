//! One typed record to every sink: `metrics.jsonl`, TensorBoard, the terminal.
//!
//! What a clock decides is kept apart from what the data and the seed decide, so that the latter is
//! the same bytes for a run that was interrupted and one that was not.

mod board;
mod crc32c;
mod jsonl;
mod progress;
mod tensorboard;

pub use board::{Board, Line};
pub use jsonl::JsonLines;
pub use progress::{Progress, Style};
pub use tensorboard::TensorBoard;

use crate::error::Result;

/// What is known after a step.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Metrics {
    /// Steps taken.
    pub step: u64,
    /// Names and values that data and seed decide, in the order in which they are shown; names are
    /// `loss`, `learning_rate`, `validation/loss`.
    pub values: Vec<(String, f64)>,
    /// Names and values that a clock decides, such as `tokens_per_second`.
    pub timing: Vec<(String, f64)>,
    /// When, in seconds since 1970 by the caller's clock.
    pub wall: f64,
}

impl Metrics {
    /// Without values.
    #[must_use]
    pub fn new(step: u64, wall: f64) -> Self {
        Self {
            step,
            wall,
            ..Self::default()
        }
    }

    /// Adds a value that data and seed decide.
    #[must_use]
    pub fn value(mut self, name: &str, value: f64) -> Self {
        self.values.push((name.to_owned(), value));
        self
    }

    /// Adds a value that a clock decides.
    #[must_use]
    pub fn timing(mut self, name: &str, value: f64) -> Self {
        self.timing.push((name.to_owned(), value));
        self
    }

    fn get(&self, name: &str) -> Option<f64> {
        let mut all = self.values.iter().chain(&self.timing);
        all.find(|(n, _)| n == name).map(|&(_, value)| value)
    }
}

/// Takes records, one a step or fewer, with rising steps.
pub trait Sink {
    /// Takes a record; it is on its way to the disk or screen when this returns.
    ///
    /// # Errors
    /// The disk's refusal.
    fn append(&mut self, metrics: &Metrics) -> Result<()>;

    /// Ends the record of this session; a later session may go on.
    ///
    /// # Errors
    /// The disk's refusal.
    fn finish(&mut self) -> Result<()> {
        Ok(())
    }
}

/// All sinks of a run.
#[derive(Default)]
pub struct Telemetry {
    sinks: Vec<Box<dyn Sink>>,
}

impl Telemetry {
    /// Without sinks: records go nowhere.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a sink.
    #[must_use]
    pub fn with(mut self, sink: impl Sink + 'static) -> Self {
        self.sinks.push(Box::new(sink));
        self
    }
}

impl Sink for Telemetry {
    fn append(&mut self, metrics: &Metrics) -> Result<()> {
        self.sinks
            .iter_mut()
            .try_for_each(|sink| sink.append(metrics))
    }

    fn finish(&mut self) -> Result<()> {
        self.sinks.iter_mut().try_for_each(|sink| sink.finish())
    }
}
