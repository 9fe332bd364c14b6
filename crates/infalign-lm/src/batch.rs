//! A ragged batch of token sequences: no padding, every row a token.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::spec::Spec;

/// Sequences of tokens, one after the other.
#[derive(Debug, Clone)]
pub struct Batch {
    tokens: Arc<[u32]>,
    offsets: Arc<[usize]>,
}

impl Batch {
    /// A batch that `spec`'s decoder can take.
    ///
    /// # Errors
    /// An empty batch or sequence, a sequence longer than the context, a token beyond the vocabulary; the message has the sequence's number.
    pub fn new<S: AsRef<[u32]>>(sequences: &[S], spec: &Spec) -> Result<Self> {
        let mut tokens = Vec::new();
        let mut offsets = vec![0];
        for (sequence, s) in sequences.iter().enumerate() {
            let s = s.as_ref();
            if s.is_empty() {
                return Err(Error::EmptySequence { sequence });
            }
            if s.len() > spec.max_positions {
                return Err(Error::TooLong {
                    sequence,
                    tokens: s.len(),
                    context: spec.max_positions,
                });
            }
            if let Some(&token) = s.iter().find(|&&t| t as usize >= spec.vocab) {
                return Err(Error::UnknownToken {
                    sequence,
                    token,
                    vocab: spec.vocab,
                });
            }
            tokens.extend_from_slice(s);
            offsets.push(tokens.len());
        }
        if sequences.is_empty() {
            return Err(Error::EmptySequence { sequence: 0 });
        }
        Ok(Self {
            tokens: tokens.into(),
            offsets: offsets.into(),
        })
    }

    /// All tokens, sequence after sequence.
    #[must_use]
    pub fn tokens(&self) -> &Arc<[u32]> {
        &self.tokens
    }

    /// Where each sequence begins, and the end: `sequences + 1` numbers.
    #[must_use]
    pub fn offsets(&self) -> &Arc<[usize]> {
        &self.offsets
    }

    /// How many sequences.
    #[must_use]
    pub fn sequences(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Every token's position in its sequence, from 0.
    #[must_use]
    pub fn positions(&self) -> Arc<[u32]> {
        self.offsets
            .windows(2)
            .flat_map(|w| 0..u32::try_from(w[1] - w[0]).unwrap_or(u32::MAX))
            .collect()
    }
}
