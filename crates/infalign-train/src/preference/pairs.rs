//! Preferences as the model reads them: two sequences of tokens, and what was said of them.

use infalign_lm::{Decoder, Spec, classify};

use super::loss::Said;
use crate::error::{Error, Result};

/// Two responses to a prompt, of which the first was preferred, or neither.
#[derive(Debug, Clone, PartialEq)]
pub struct Pair {
    /// Names the prompt: pairs of one prompt are not independent evidence.
    pub prompt: u64,
    /// Prompt and preferred response; at least one token.
    pub chosen: Vec<u32>,
    /// Prompt and the other response; at least one token.
    pub rejected: Vec<u32>,
    /// By how much more the chosen one should be rewarded, at least; 0 where nothing is said.
    pub margin: f32,
    /// Neither is preferred.
    pub tie: bool,
}

impl Pair {
    pub(super) fn said(&self) -> Said {
        Said {
            margin: f64::from(self.margin),
            tie: self.tie,
        }
    }

    /// Whether the model can read it.
    fn check(&self, number: usize, spec: &Spec) -> Result<()> {
        for (side, tokens) in [("chosen", &self.chosen), ("rejected", &self.rejected)] {
            let place = || format!("preference {number}, {side}");
            if let Some(&id) = tokens.iter().find(|&&t| t as usize >= spec.vocab) {
                return Err(Error::TokenId {
                    place: place(),
                    id,
                    vocabulary: u32::try_from(spec.vocab).unwrap_or(u32::MAX),
                });
            }
            if tokens.is_empty() || tokens.len() > spec.max_positions {
                return Err(Error::PairLength {
                    place: place(),
                    tokens: tokens.len(),
                    allowed: spec.max_positions,
                });
            }
        }
        if !self.margin.is_finite() {
            return Err(Error::Setting {
                field: "margin",
                value: format!("{} for preference {number}", self.margin),
                allowed: "a finite number",
            });
        }
        Ok(())
    }
}

/// Refuses the first pair that the model cannot read; its number counts from 0.
pub(super) fn check(pairs: &[Pair], spec: &Spec) -> Result<()> {
    pairs
        .iter()
        .enumerate()
        .try_for_each(|(n, pair)| pair.check(n, spec))
}

/// A pair with the raw rewards that a model gives to its two sides.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Judged {
    /// Names the prompt.
    pub prompt: u64,
    /// Raw reward of the chosen response.
    pub chosen: f32,
    /// Raw reward of the rejected one.
    pub rejected: f32,
    /// Neither was preferred.
    pub tie: bool,
}

/// The rewards of pairs, in their order.
///
/// # Errors
/// A model that is no classifier of one label; pairs that it cannot read.
pub fn judge(model: &Decoder, pairs: &[Pair]) -> Result<Vec<Judged>> {
    check(pairs, model.spec())?;
    let sequences: Vec<Vec<u32>> = pairs
        .iter()
        .flat_map(|pair| [pair.chosen.clone(), pair.rejected.clone()])
        .collect();
    let rewards: Vec<f32> = classify(model, &sequences)?.into_iter().flatten().collect();
    if rewards.len() != sequences.len() {
        return Err(Error::Setting {
            field: "labels",
            value: (rewards.len() / sequences.len().max(1)).to_string(),
            allowed: "1: a reward model has a single label",
        });
    }
    let one = |(pair, rewards): (&Pair, &[f32])| Judged {
        prompt: pair.prompt,
        chosen: rewards[0],
        rejected: rewards[1],
        tie: pair.tie,
    };
    Ok(pairs.iter().zip(rewards.chunks_exact(2)).map(one).collect())
}
