//! Sampling on a CPU: prompts' keys and values shared by their samples, everything else of a sequence in blocks that it gives back when it ends.

use std::sync::Arc;

use burn::{Tensor, tensor::TensorData};
use infalign_kernels::{
    cache::{CachePool, CacheShape, Prefix, Sequence},
    decode::{decode_attention, prefill_attention},
};

use super::Engine;
use crate::{
    batch::Batch,
    error::{Error, Result},
    model::{Decoder, values},
    ops::{embedding::indices, fused},
};

/// Positions of a block of the cache.
const BLOCK: usize = infalign_kernels::cache::POSITIONS;

/// Samples from a decoder on the CPU.
#[derive(Debug)]
pub struct OnCpu<'a> {
    model: &'a Decoder,
    pool: CachePool,
    longest: usize,
}

impl<'a> OnCpu<'a> {
    /// A cache of so many bytes, for prompts and responses of at most `longest` tokens together.
    ///
    /// The model should be frozen ([`Decoder::freeze`]): its matrices are multiplied by at every step.
    #[must_use]
    pub fn new(model: &'a Decoder, cache_bytes: usize, longest: usize) -> Self {
        let spec = model.spec();
        let shape = CacheShape {
            layers: spec.layers,
            kv_heads: spec.kv_heads,
            head_dim: spec.head_dim,
        };
        Self {
            model,
            pool: CachePool::new(shape, cache_bytes),
            longest: longest.min(spec.max_positions),
        }
    }
}

impl Engine for OnCpu<'_> {
    type Prefix = Arc<Prefix>;
    type Sequence = Sequence;
    type Error = Error;

    fn vocab(&self) -> usize {
        self.model.spec().vocab
    }

    fn context(&self) -> usize {
        self.longest
    }

    fn capacity(&self) -> Option<usize> {
        Some(self.pool.capacity())
    }

    fn prefix_cost(&self, prompt: usize) -> usize {
        prompt.next_multiple_of(BLOCK)
    }

    fn sequence_cost(&self, _: usize, new: usize) -> usize {
        new.next_multiple_of(BLOCK)
    }

    fn prefill(&mut self, prompts: &[&[u32]], logits: &mut Vec<f32>) -> Result<Vec<Arc<Prefix>>> {
        let model = self.model;
        let batch = Batch::new(prompts, model.spec())?;
        let longest = prompts.iter().map(|p| p.len()).max().unwrap_or(0);
        let mut prefixes = Vec::with_capacity(prompts.len());
        for prompt in prompts {
            prefixes.push(
                self.pool
                    .prefix(prompt.len())
                    .map_err(|e| Error::bug(e.to_string()))?,
            );
        }
        let rows = batch.alone();
        let mut x = model.embed(&rows.tokens, &rows.positions);
        for n in 0..model.spec().layers {
            let attention = model.attention(n);
            let table = attention.tables(longest);
            x = model.layer(n, x, |qkv| {
                attend(
                    &qkv,
                    attention.shape.heads * attention.shape.head_dim,
                    |qkv, out| {
                        let kernel = attention.kernel(table.as_deref());
                        prefill_attention(&kernel, n, qkv, batch.offsets(), out, &mut prefixes);
                    },
                )
            });
        }
        let last: Vec<u32> = batch.offsets()[1..]
            .iter()
            .map(|&end| u32::try_from(end - 1).unwrap_or(u32::MAX))
            .collect();
        let device = x.device();
        let hidden = model.final_norm(x.select(0, indices(&last, &device)));
        *logits = values(&model.logits(hidden));
        Ok(prefixes.into_iter().map(Arc::new).collect())
    }

    fn start(&mut self, prefix: &Arc<Prefix>, _: usize) -> Result<Sequence> {
        Ok(Sequence::new(prefix.clone()))
    }

    fn step(
        &mut self,
        sequences: &mut [&mut Sequence],
        tokens: &[u32],
        logits: &mut Vec<f32>,
    ) -> Result<()> {
        let model = self.model;
        let mut longest = 0;
        for sequence in sequences.iter_mut() {
            longest = longest.max(sequence.len() + 1);
            self.pool
                .reserve(sequence, 1)
                .map_err(|e| Error::bug(e.to_string()))?;
        }
        let positions: Arc<[u32]> = sequences
            .iter()
            .map(|s| u32::try_from(s.len()).unwrap_or(u32::MAX))
            .collect();
        let mut x = model.embed(&tokens.into(), &positions);
        for n in 0..model.spec().layers {
            let attention = model.attention(n);
            let table = attention.tables(longest);
            x = model.layer(n, x, |qkv| {
                attend(
                    &qkv,
                    attention.shape.heads * attention.shape.head_dim,
                    |qkv, out| {
                        decode_attention(
                            &attention.kernel(table.as_deref()),
                            n,
                            sequences,
                            qkv,
                            out,
                        );
                    },
                )
            });
        }
        for sequence in sequences {
            sequence.advance();
        }
        *logits = values(&model.logits(model.final_norm(x)));
        Ok(())
    }

    fn finish(&mut self, sequence: Sequence) {
        self.pool.release(sequence);
    }
}

/// Attention by a kernel: rows `[q | k | v]` to rows of `width` values.
fn attend(qkv: &Tensor<2>, width: usize, kernel: impl FnOnce(&[f32], &mut [f32])) -> Tensor<2> {
    let rows = qkv.dims()[0];
    let mut out = vec![0.0; rows * width];
    fused::read(qkv, |qkv| kernel(qkv, &mut out));
    Tensor::from_data(TensorData::new(out, [rows, width]), &qkv.device())
}
