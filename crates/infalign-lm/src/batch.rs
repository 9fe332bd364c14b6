//! A ragged batch of token sequences: no padding, every row a token.

use std::sync::Arc;

use burn::tensor::Device;

use crate::computed::Computed;
use crate::error::{Error, Result};
use crate::ops::fused::is_cpu;
use crate::spec::Spec;

/// Sequences of tokens, one after the other.
///
/// Where sequences that follow each other begin alike, as the responses to a prompt do, a CPU computes the beginning once (whole 32 tokens of it).
/// Rows are those of all sequences all the same, and what is found at them has the same bits as without company.
#[derive(Debug, Clone)]
pub struct Batch {
    offsets: Arc<[usize]>,
    alone: Computed,
    shared: Option<Computed>,
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
        let tokens: Arc<[u32]> = tokens.into();
        let offsets: Arc<[usize]> = offsets.into();
        Ok(Self {
            alone: Computed::alone(&tokens, &offsets),
            shared: Computed::shared(&tokens, &offsets),
            offsets,
        })
    }

    /// A row for every token.
    pub(crate) fn alone(&self) -> &Computed {
        &self.alone
    }

    /// The rows that a device computes.
    pub(crate) fn computed(&self, device: &Device) -> &Computed {
        let shared = self.shared.as_ref().filter(|_| is_cpu(device));
        shared.unwrap_or(&self.alone)
    }

    /// All tokens, sequence after sequence.
    #[must_use]
    pub fn tokens(&self) -> &Arc<[u32]> {
        &self.alone.tokens
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
}
