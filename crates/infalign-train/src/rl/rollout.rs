//! Responses of a policy to prompts, in the order of prompts and samples whatever order they end in.

use std::{ops::Range, sync::Arc};

use infalign_lm::{
    Decoder, Tokenizer,
    sample::{Batching, Collector, FinishReason, Job, Resources, Sampler, Sampling, generate},
};

use crate::error::Result;

/// A prompt as the policy sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt {
    /// Its id, which with the seed and the sample's number decides every draw.
    pub id: Arc<str>,
    /// Its tokens.
    pub tokens: Vec<u32>,
}

/// A response.
#[derive(Debug, Clone, PartialEq)]
pub struct Rollout {
    /// Its tokens, the one that ended it included.
    pub tokens: Vec<u32>,
    /// Its text, without what ended it.
    pub text: String,
    /// log of its probability under the distribution that it was drawn from, in nats.
    pub log_prob: f64,
    /// Whether the limit of tokens cut it off.
    pub truncated: bool,
}

/// How responses are drawn.
#[derive(Debug, Clone, Copy)]
pub struct Draws<'a> {
    /// Settings, the seed among them.
    pub sampling: &'a Sampling,
    /// Tokens that end a response.
    pub eos: &'a [u32],
    /// Makes texts of tokens.
    pub tokenizer: &'a Tokenizer,
    /// Bytes for keys and values.
    pub cache_bytes: usize,
}

/// Responses `samples` to each prompt: `(prompts, samples)`.
///
/// # Errors
/// As [`generate`].
pub fn draw(
    model: &mut Decoder,
    prompts: &[&Prompt],
    samples: Range<usize>,
    draws: Draws<'_>,
) -> Result<Vec<Vec<Rollout>>> {
    let batching = Batching {
        max_batch: 256,
        ..Batching::default()
    };
    let max_batch = batching.max_batch;
    let sampler = Sampler::<infalign_lm::Error>::new(draws.sampling.clone(), batching, draws.eos)
        .map_err(infalign_lm::Error::from)?
        .with_text(|| Box::new(draws.tokenizer.stream(true)));
    let longest = prompts.iter().map(|p| p.tokens.len()).max().unwrap_or(0);
    let resources = Resources {
        cache_bytes: draws.cache_bytes,
        max_batch,
        longest: longest.saturating_add(draws.sampling.max_tokens),
    };
    let jobs = prompts.iter().map(|p| {
        Ok(Job {
            prompt_id: Arc::clone(&p.id),
            prompt: p.tokens.clone(),
            samples: samples.clone(),
        })
    });
    let mut collector = Collector::new();
    generate(model, &sampler, resources, jobs, &mut collector)?;
    let mut groups: Vec<Vec<Rollout>> = prompts.iter().map(|_| Vec::new()).collect();
    for sample in collector.finish() {
        groups[sample.job].push(Rollout {
            log_prob: sample.log_probs.iter().map(|l| f64::from(l.nats())).sum(),
            tokens: sample.tokens,
            text: sample.text.unwrap_or_default(),
            truncated: sample.finish == FinishReason::Length,
        });
    }
    Ok(groups)
}
