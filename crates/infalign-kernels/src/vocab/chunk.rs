//! One chunk of rows on its way through a head: hidden states gathered, logits, their normalisers.

use rayon::prelude::*;

use super::softmax::{Normaliser, normalise};
use super::{Head, RowStats};
use crate::aligned::Aligned;
use crate::linear::{Dims, linear_forward};

/// Logits that exist at a time, as far as the bounds on rows allow: 4 MiB.
const LOGITS: usize = 1 << 20;
/// The most rows of a chunk.
pub(super) const ROWS: usize = 512;

/// Rows whose logits exist at a time: enough for each word's weights to be used often while they are near.
pub(super) fn rows_at_a_time(vocab: usize) -> usize {
    (LOGITS / vocab.max(1)).clamp(64, ROWS)
}

/// Logits below which threads cost more than they bring.
const PARALLEL_FROM: usize = 1 << 15;

/// The buffers of one head, for one chunk of rows.
#[derive(Default)]
pub(super) struct Chunk {
    hidden: Aligned,
    logits: Aligned,
    pub(super) normalisers: Vec<(Normaliser, f32)>,
    rows: usize,
    width: usize,
    dim: usize,
}

impl Chunk {
    /// Gathers `rows` of the head's hidden states and computes their shaped logits and normalisers.
    pub(super) fn fill(&mut self, head: &Head<'_>, rows: &[usize]) {
        let Head { dim, vocab, .. } = *head;
        (self.rows, self.width, self.dim) = (rows.len(), vocab, dim);
        let hidden = self.hidden.at_least(rows.len() * dim);
        for (at, row) in rows.iter().enumerate() {
            hidden[at * dim..][..dim].copy_from_slice(&head.hidden[row * dim..][..dim]);
        }
        let logits = self.logits.at_least(rows.len() * vocab);
        if let Some(packed) = head.packed {
            packed.forward(hidden, rows.len(), head.bias, false, logits);
        } else {
            let dims = Dims {
                rows: rows.len(),
                outputs: vocab,
                inputs: dim,
            };
            linear_forward(dims, hidden, head.weight, head.bias, false, logits);
        }
        let shaping = head.shaping();
        self.normalisers.clear();
        self.normalisers
            .resize(rows.len(), (Normaliser::default(), 0.0));
        let each = |(z, slot): (&mut [f32], &mut (Normaliser, f32))| *slot = normalise(z, shaping);
        let pairs = self.normalisers.as_mut_slice();
        if in_parallel(logits.len()) {
            logits.par_chunks_exact_mut(vocab).zip(pairs).for_each(each);
        } else {
            logits.chunks_exact_mut(vocab).zip(pairs).for_each(each);
        }
    }

    pub(super) fn hidden(&self) -> &[f32] {
        &self.hidden.as_slice()[..self.rows * self.dim]
    }

    pub(super) fn logits(&self) -> &[f32] {
        &self.logits.as_slice()[..self.rows * self.width]
    }

    pub(super) fn logits_mut(&mut self) -> &mut [f32] {
        self.logits.at_least(self.rows * self.width)
    }

    /// Shaped logits and normaliser of one of the chunk's rows.
    pub(super) fn row(&self, at: usize) -> (&[f32], Normaliser) {
        (
            &self.logits()[at * self.width..][..self.width],
            self.normalisers[at].0,
        )
    }

    /// What is known of a row without a reference.
    pub(super) fn stats(&self, at: usize, target: usize) -> RowStats {
        let (z, normaliser) = self.row(at);
        let log_prob = normaliser.log_prob(z[target]);
        RowStats {
            log_prob,
            log_sum_exp: normaliser.max + normaliser.log_sum,
            entropy: self.normalisers[at].1,
            ref_log_prob: log_prob,
            kl: 0.0,
        }
    }
}

/// Whether passes over so many logits are worth several threads.
pub(super) fn in_parallel(logits: usize) -> bool {
    logits > PARALLEL_FROM && rayon::current_num_threads() > 1
}
