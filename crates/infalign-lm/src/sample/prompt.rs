//! A job made ready: checked, cut to fit the context, its needs counted.

use std::{ops::Range, sync::Arc};

use super::{
    engine::Engine,
    error::{Error, Result},
    job::Job,
    sampler::LongPrompt,
};

/// A prompt that can be run.
#[derive(Debug)]
pub(super) struct Prompt {
    /// Its place among the jobs.
    pub(super) job: usize,
    pub(super) id: Arc<str>,
    pub(super) tokens: Vec<u32>,
    pub(super) samples: Range<usize>,
    /// The most tokens of a response.
    pub(super) new: usize,
    /// Whether it is the context that bounds it, not `max_tokens`.
    pub(super) by_context: bool,
    pub(super) truncated: bool,
    pub(super) prefix_cost: usize,
    pub(super) sequence_cost: usize,
}

impl Prompt {
    pub(super) fn new<E: Engine>(
        engine: &E,
        job: usize,
        from: Job,
        max_tokens: usize,
        long: LongPrompt,
    ) -> Result<Self> {
        let Job {
            prompt_id: id,
            prompt: mut tokens,
            samples,
        } = from;
        let (vocab, context) = (engine.vocab(), engine.context());
        if tokens.is_empty() {
            return Err(Error::EmptyPrompt { prompt_id: id });
        }
        if let Some(position) = tokens.iter().position(|&t| t as usize >= vocab) {
            return Err(Error::UnknownToken {
                token: tokens[position],
                prompt_id: id,
                position,
                vocab,
            });
        }
        let fits = context.saturating_sub(max_tokens).max(1);
        let truncated = long == LongPrompt::TruncateLeft && tokens.len() > fits;
        if truncated {
            tokens.drain(..tokens.len() - fits);
        }
        if tokens.len() >= context {
            return Err(Error::LongPrompt {
                prompt_id: id,
                tokens: tokens.len(),
                context,
            });
        }
        let left = context - tokens.len();
        let new = max_tokens.min(left);
        let prefix_cost = engine.prefix_cost(tokens.len());
        // The last token is drawn, but never run.
        let sequence_cost = engine.sequence_cost(tokens.len(), new - 1);
        if let Some(capacity) = engine.capacity() {
            let needed = prefix_cost.saturating_add(sequence_cost);
            if needed > capacity {
                return Err(Error::NoRoom {
                    prompt_id: id,
                    prompt: tokens.len(),
                    new,
                    needed,
                    capacity,
                });
            }
        }
        Ok(Self {
            job,
            id,
            tokens,
            samples,
            new,
            by_context: left < max_tokens,
            truncated,
            prefix_cost,
            sequence_cost,
        })
    }
}
