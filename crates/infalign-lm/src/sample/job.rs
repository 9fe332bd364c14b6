//! What goes into the scheduler and what comes out: jobs, tokens as they are drawn, finished samples.

use std::{ops::Range, sync::Arc};

use super::{
    log_prob::{Drawn, LogProb, SampledLogProb},
    stop::FinishReason,
};

/// A prompt of which samples are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Its id, which with the run's seed and the sample's index decides every draw: two prompts of one run must not share it.
    pub prompt_id: Arc<str>,
    /// Its tokens, a beginning-of-sequence token included where the model wants one.
    pub prompt: Vec<u32>,
    /// Which samples: `0..n` for n new ones, `m..n` to go on where a run ended.
    pub samples: Range<usize>,
}

/// A token that has just been drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TokenEvent<'a> {
    /// The prompt.
    pub prompt_id: &'a Arc<str>,
    /// The sample.
    pub index: usize,
    /// Which token of the response.
    pub position: usize,
    /// It, and how likely it was.
    pub drawn: Drawn,
    /// Text that is now sure to belong to the response; empty without a tokenizer.
    pub text: &'a str,
    /// Whether, and why, it was the last one.
    pub finish: Option<FinishReason>,
}

/// A finished sample.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// The place of its job among the jobs, from 0.
    pub job: usize,
    /// The prompt.
    pub prompt_id: Arc<str>,
    /// Which sample of the prompt.
    pub index: usize,
    /// All tokens that were drawn, the one that ended it included.
    pub tokens: Vec<u32>,
    /// Of each token, under the distribution that it was drawn from.
    pub log_probs: Vec<SampledLogProb>,
    /// Of each token, under the model's untempered softmax.
    pub untempered_log_probs: Vec<LogProb>,
    /// Its text without what ended it; none without a tokenizer.
    pub text: Option<String>,
    /// Why it ended.
    pub finish: FinishReason,
}

/// Receives what the scheduler makes, as it is made; an error ends the run, and the engine gets all sequences back.
pub trait Sink<E> {
    /// A token was drawn.
    ///
    /// # Errors
    /// To end the run.
    fn token(&mut self, event: &TokenEvent<'_>) -> Result<(), E> {
        let _ = event;
        Ok(())
    }

    /// A sample has ended.
    ///
    /// # Errors
    /// To end the run.
    fn sample(&mut self, sample: Sample) -> Result<(), E>;
}

impl<E, F: FnMut(Sample) -> Result<(), E>> Sink<E> for F {
    fn sample(&mut self, sample: Sample) -> Result<(), E> {
        self(sample)
    }
}
