//! KL(π ‖ p) on fresh samples of the policy, exact over the vocabulary at every position, with its interval over prompts.

use std::ops::Range;

use infalign::estimate::Estimate;
use infalign_lm::{Decoder, Sequence, score};

use super::rollout::{Draws, Prompt, Rollout, draw};
use crate::error::{Error, Result};

/// The KL of a policy on prompts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HeldOutKl {
    /// Over prompts, in nats.
    pub kl: Estimate,
    /// Tokens sampled and scored.
    pub tokens: usize,
}

/// Draws `samples` responses to each prompt and measures the KL from `reference` along them.
///
/// # Errors
/// As [`draw`] and [`score`].
pub fn held_out_kl(
    policy: &mut Decoder,
    reference: &Decoder,
    prompts: &[&Prompt],
    samples: Range<usize>,
    draws: Draws<'_>,
) -> Result<HeldOutKl> {
    let groups = draw(policy, prompts, samples, draws)?;
    let mut sequences = Vec::new();
    for (prompt, group) in prompts.iter().zip(&groups) {
        sequences.extend(group.iter().map(|r| sequence(prompt, r)));
    }
    let temperature = draws.sampling.temperature as f32;
    let scored = score(policy, Some(reference), &sequences, temperature)?;
    let mut rest = scored.iter();
    let mean = |group: &Vec<Rollout>| {
        let n = group.len().max(1) as f64;
        rest.by_ref()
            .take(group.len())
            .map(infalign_lm::Scored::kl)
            .sum::<f64>()
            / n
    };
    let means: Vec<f64> = groups.iter().map(mean).collect();
    Ok(HeldOutKl {
        kl: Estimate::from_values(&means).map_err(Error::maths)?,
        tokens: sequences.iter().map(|s| s.tokens.len()).sum(),
    })
}

/// A response after its prompt.
pub(super) fn sequence(prompt: &Prompt, response: &Rollout) -> Sequence {
    Sequence {
        tokens: [&prompt.tokens[..], &response.tokens].concat(),
        from: prompt.tokens.len(),
    }
}
