//! Collects samples, which end in any order, in the order of their prompts and indices.

use super::job::{Sample, Sink};

/// Takes samples in any order.
#[derive(Debug, Clone, Default)]
pub struct Collector {
    samples: Vec<Sample>,
}

impl Collector {
    /// Without samples.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one.
    pub fn insert(&mut self, sample: Sample) {
        self.samples.push(sample);
    }

    /// All, by the order of jobs, then by index.
    #[must_use]
    pub fn finish(mut self) -> Vec<Sample> {
        self.samples.sort_by_key(|s| (s.job, s.index));
        self.samples
    }
}

impl<E> Sink<E> for Collector {
    fn sample(&mut self, sample: Sample) -> Result<(), E> {
        self.insert(sample);
        Ok(())
    }
}
