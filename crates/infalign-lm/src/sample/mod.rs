//! Sampling without tensors: settings, the distribution of a row of logits, seeds, stopping, and the scheduler that feeds an engine.

mod collect;
mod cut;
mod engine;
mod error;
mod filter;
mod generate;
mod growing;
mod job;
mod log_prob;
mod on_cpu;
mod on_device;
mod prompt;
mod rows;
mod sampler;
mod scheduler;
mod seed;
mod settings;
mod softmax;
mod stop;
mod text;

pub use collect::Collector;
pub use engine::Engine;
pub use error::{Error, Result};
pub use filter::{Filter, Scratch};
pub use generate::{Resources, generate};
pub use job::{Job, Sample, Sink, TokenEvent};
pub use log_prob::{Drawn, LogProb, SampledLogProb, Unusable};
pub use on_cpu::OnCpu;
pub use on_device::OnDevice;
pub use sampler::{Batching, LongPrompt, Report, Sampler, Warning};
pub use seed::Stream;
pub use settings::Sampling;
pub use stop::{FinishReason, StopStrings};
pub use text::TextStream;
