//! Samples from a decoder wherever it runs: the engine for its device, with a cache of the memory that is given.

use super::{Error as SampleError, Job, OnCpu, OnDevice, Report, Sampler, Sink};
use crate::{error::Result, model::Decoder, ops::fused};

/// What a run may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resources {
    /// Bytes of the cache of keys and values.
    pub cache_bytes: usize,
    /// The most sequences that grow at once; as in [`super::Batching`].
    pub max_batch: usize,
    /// The longest prompt and response together, in tokens; the context if larger.
    pub longest: usize,
}

/// Runs all jobs and hands each sample to the sink as soon as it ends.
///
/// # Errors
/// As [`Sampler::run`].
pub fn generate<S: Sink<crate::Error>>(
    model: &mut Decoder,
    sampler: &Sampler<'_, crate::Error>,
    resources: Resources,
    jobs: impl IntoIterator<Item = Result<Job>>,
    sink: &mut S,
) -> Result<Report> {
    let longest = resources.longest.min(model.spec().max_positions);
    if fused::is_cpu(model.device()) {
        model.freeze();
        let mut engine = OnCpu::new(model, resources.cache_bytes, longest);
        return sampler.run(&mut engine, jobs, sink);
    }
    let slot = OnDevice::slot_bytes(model, longest).max(1);
    let slots = (resources.cache_bytes / slot).min(resources.max_batch);
    if slots == 0 {
        return Err(SampleError::Setting {
            field: "memory",
            found: format!("{} bytes", resources.cache_bytes),
            allowed: "enough for the keys and values of one sequence of the longest length",
        }
        .into());
    }
    let mut engine = OnDevice::new(model, slots, longest);
    sampler.run(&mut engine, jobs, sink)
}
