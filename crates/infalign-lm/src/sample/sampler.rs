//! Samples for a stream of prompts: the one entry point, its options, and what it reports.

use serde::{Deserialize, Serialize};

use super::{
    engine::Engine,
    error::{Error, Result},
    filter::Filter,
    job::{Job, Sink},
    scheduler::Run,
    settings::Sampling,
    stop::StopTokens,
    text::TextStream,
};

/// What happens to a prompt that leaves too little of the context.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LongPrompt {
    /// A prompt as long as the context is an error; a shorter one's response ends where the context does.
    #[default]
    Error,
    /// Keeps so much of the prompt's end that `max_tokens` new tokens fit, and at least one token. A beginning-of-sequence token is cut
    /// off too.
    TruncateLeft,
}

/// How work is put together. None of it changes a sample.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Batching {
    /// The most sequences that grow at once.
    pub max_batch: usize,
    /// Prompts are run together up to so many tokens; a longer one alone.
    pub prefill_tokens: usize,
    /// What happens to a prompt that leaves too little of the context. (This one does change samples.)
    pub long_prompt: LongPrompt,
}

impl Default for Batching {
    /// 64 sequences, 2048 tokens of prompts, an error for long prompts.
    fn default() -> Self {
        Self {
            max_batch: 64,
            prefill_tokens: 2048,
            long_prompt: LongPrompt::Error,
        }
    }
}

impl Batching {
    /// Checks every option.
    ///
    /// # Errors
    /// [`Error::Setting`] for the first one that is outside its range.
    pub fn validate(&self) -> Result<()> {
        for (field, value) in [
            ("max_batch", self.max_batch),
            ("prefill_tokens", self.prefill_tokens),
        ] {
            if value == 0 {
                return Err(Error::Setting {
                    field,
                    found: "0".to_owned(),
                    allowed: "at least 1",
                });
            }
        }
        Ok(())
    }
}

/// A caveat that did not stop the run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Warning {
    /// Memory did not hold as many sequences as were allowed.
    #[error(
        "memory held only {reached} sequences at once where {wanted} were allowed: samples are the same, but slower; give more memory, or lower `max_tokens`"
    )]
    SmallerBatches {
        /// `max_batch`.
        wanted: usize,
        /// The fewest that ran together because there was no room for another.
        reached: usize,
    },
    /// Prompts lost their beginning.
    #[error(
        "{prompts} prompts were cut on the left to leave room for `max_tokens` new tokens, `{first}` the first of them"
    )]
    Truncated {
        /// How many.
        prompts: usize,
        /// The first one's id.
        first: String,
    },
}

/// What a run did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// Prompts that were run.
    pub prompts: usize,
    /// Samples that ended.
    pub samples: usize,
    /// Tokens that were drawn.
    pub tokens: usize,
    /// Steps of the engine.
    pub steps: usize,
    /// The most sequences of a step.
    pub largest_batch: usize,
    /// Caveats.
    pub warnings: Vec<Warning>,
}

type TextFactory<'a, X> = Box<dyn Fn() -> Box<dyn TextStream<X> + 'a> + 'a>;

/// Samples by given settings; `X` is the engine's error.
///
/// A sample is a function of the engine, the prompt, the settings and (seed, prompt id, index): batch size, order of jobs, memory and
/// threads do not change it.
pub struct Sampler<'a, X> {
    pub(super) settings: Sampling,
    pub(super) batching: Batching,
    pub(super) filter: Filter,
    pub(super) stop_tokens: StopTokens,
    text: Option<TextFactory<'a, X>>,
}

impl<'a, X: From<Error>> Sampler<'a, X> {
    /// Of settings, with `eos` the model's end-of-sequence tokens.
    ///
    /// # Errors
    /// When a setting is outside its range.
    pub fn new(settings: Sampling, batching: Batching, eos: &[u32]) -> Result<Self> {
        settings.validate()?;
        batching.validate()?;
        Ok(Self {
            filter: Filter::new(&settings),
            stop_tokens: StopTokens::new(&settings, eos),
            settings,
            batching,
            text: None,
        })
    }

    /// Makes text of tokens too, with a new stream for each sample.
    #[must_use]
    pub fn with_text(mut self, make: impl Fn() -> Box<dyn TextStream<X> + 'a> + 'a) -> Self {
        self.text = Some(Box::new(make));
        self
    }

    /// Runs all jobs, taken from the iterator as there is room for them, and hands each sample to the sink as soon as it ends.
    ///
    /// # Errors
    /// The first of: an error of the jobs, the engine or the sink; stop strings without text; a prompt that is empty, too long or of
    /// unknown tokens, or that the cache cannot hold; logits that are no distribution. Samples handed out before stand.
    pub fn run<E: Engine<Error = X>>(
        &self,
        engine: &mut E,
        jobs: impl IntoIterator<Item = Result<Job, X>>,
        sink: &mut impl Sink<X>,
    ) -> Result<Report, X> {
        if !self.settings.stop.is_empty() && self.text.is_none() {
            return Err(Error::StopWithoutText.into());
        }
        Run::new(self, engine, jobs.into_iter(), sink).finish()
    }

    pub(super) fn new_stream(&self) -> Option<Box<dyn TextStream<X> + 'a>> {
        self.text.as_ref().map(|make| make())
    }
}
