//! The cache of a device other than the CPU: one table of keys and one of values per layer, a slot of rows for every sequence.
//!
//! A prompt's keys and values are copied into the slots of its samples; a step writes one row into each slot, and attends over the slots' rows up
//! to the longest sequence. Slots are as long as the longest sequence that was announced.

use std::sync::Arc;

use burn::{
    Tensor,
    tensor::{Bool, Int, TensorData},
};

use super::Engine;
use crate::{
    batch::Batch,
    error::{Error, Result},
    model::{Decoder, values},
    ops::{attention::rotate, embedding::indices},
};

/// Keys and values of one layer, `(rows, kv_heads · head_dim)` each; keys are rotated.
type KeysValues = [Tensor<2>; 2];

/// Samples from a decoder on any device.
#[derive(Debug)]
pub struct OnDevice<'a> {
    model: &'a Decoder,
    /// By layer.
    tables: Vec<KeysValues>,
    slot_rows: usize,
    slots: usize,
    free: Vec<usize>,
}

/// A growing sample.
#[derive(Debug)]
pub struct Slot {
    number: usize,
    len: usize,
}

/// A prompt's keys and values.
#[derive(Debug)]
pub struct Prompt {
    layers: Vec<KeysValues>,
    len: usize,
}

impl<'a> OnDevice<'a> {
    /// Room for `slots` sequences of at most `longest` tokens, prompt and response together.
    #[must_use]
    pub fn new(model: &'a Decoder, slots: usize, longest: usize) -> Self {
        let spec = model.spec();
        let longest = longest.min(spec.max_positions);
        let shape = [slots * longest, spec.kv_heads * spec.head_dim];
        let table = || Tensor::zeros(shape, model.device());
        Self {
            model,
            tables: (0..spec.layers).map(|_| [table(), table()]).collect(),
            slot_rows: longest,
            slots,
            free: (0..slots).rev().collect(),
        }
    }

    /// Bytes that a slot of so many rows takes.
    #[must_use]
    pub fn slot_bytes(model: &Decoder, rows: usize) -> usize {
        let spec = model.spec();
        2 * 4 * spec.layers * spec.kv_heads * spec.head_dim * rows
    }
}

impl Engine for OnDevice<'_> {
    type Prefix = Prompt;
    type Sequence = Slot;
    type Error = Error;

    fn vocab(&self) -> usize {
        self.model.spec().vocab
    }

    fn context(&self) -> usize {
        self.slot_rows
    }

    fn capacity(&self) -> Option<usize> {
        Some(self.slots)
    }

    fn prefix_cost(&self, _: usize) -> usize {
        0
    }

    fn sequence_cost(&self, _: usize, _: usize) -> usize {
        1
    }

    fn prefill(&mut self, prompts: &[&[u32]], logits: &mut Vec<f32>) -> Result<Vec<Prompt>> {
        let model = self.model;
        let batch = Batch::new(prompts, model.spec())?;
        let mut found: Vec<Prompt> = prompts
            .iter()
            .map(|p| Prompt {
                layers: Vec::new(),
                len: p.len(),
            })
            .collect();
        let rows = batch.alone();
        let mut x = model.embed(&rows.tokens, &rows.positions);
        for n in 0..model.spec().layers {
            x = model.layer(n, x, |qkv| {
                let attention = model.attention(n);
                for (prompt, w) in found.iter_mut().zip(batch.offsets().windows(2)) {
                    let rows = qkv.clone().narrow(0, w[0], w[1] - w[0]);
                    let [time, cols] = rows.dims();
                    let (_, k, v) = attention.split(&rows.reshape([1, time, cols]), 0);
                    prompt.layers.push([k, v].map(rows_of));
                }
                attention.forward(qkv, &rows.groups)
            });
        }
        let device = x.device();
        let last: Vec<u32> = batch.offsets()[1..]
            .iter()
            .map(|&end| row(end - 1))
            .collect();
        let hidden = model.final_norm(x.select(0, indices(&last, &device)));
        *logits = values(&model.logits(hidden));
        Ok(found)
    }

    fn start(&mut self, prefix: &Prompt, _: usize) -> Result<Slot> {
        let number = self
            .free
            .pop()
            .ok_or_else(|| Error::bug("a sequence was started without a free slot"))?;
        let from = number * self.slot_rows;
        for (tables, prompt) in self.tables.iter_mut().zip(&prefix.layers) {
            for (table, rows) in tables.iter_mut().zip(prompt) {
                let [len, cols] = rows.dims();
                *table = table
                    .clone()
                    .slice_assign([from..from + len, 0..cols], rows.clone());
            }
        }
        Ok(Slot {
            number,
            len: prefix.len,
        })
    }

    fn step(
        &mut self,
        sequences: &mut [&mut Slot],
        tokens: &[u32],
        logits: &mut Vec<f32>,
    ) -> Result<()> {
        let model = self.model;
        let device = model.device();
        let count = sequences.len();
        let positions: Vec<usize> = sequences.iter().map(|s| s.len).collect();
        let longest = positions.iter().max().map_or(0, |p| p + 1);
        let new: Vec<u32> = sequences
            .iter()
            .map(|s| row(s.number * self.slot_rows + s.len))
            .collect();
        let seen: Vec<u32> = sequences
            .iter()
            .flat_map(|s| (0..longest).map(|t| row(s.number * self.slot_rows + t)))
            .collect();
        let (new, seen) = (indices(&new, device), indices(&seen, device));
        let embedded: Arc<[u32]> = positions.iter().map(|&p| row(p)).collect();
        let mut x = model.embed(&tokens.into(), &embedded);
        for (n, tables) in self.tables.iter_mut().enumerate() {
            let attention = model.attention(n);
            let shape = attention.shape;
            let hidden = hidden(&positions, longest, shape.window, device);
            x = model.layer(n, x, |qkv| {
                let angles = attention.table(&positions, device);
                let turn = |t: Tensor<4>| match &angles {
                    Some((cos, sin)) => {
                        let half = cos.dims()[1];
                        let each = |t: &Tensor<2>| t.clone().reshape([count, 1, 1, half]);
                        rotate(&t, &each(cos), &each(sin))
                    }
                    None => t,
                };
                let part = |from: usize, heads: usize| {
                    qkv.clone()
                        .narrow(1, from * shape.head_dim, heads * shape.head_dim)
                        .reshape([count, heads, 1, shape.head_dim])
                };
                let q = turn(part(0, shape.heads));
                let k = turn(part(shape.heads, shape.kv_heads));
                let v = part(shape.heads + shape.kv_heads, shape.kv_heads);
                let [k, v] = [k, v].map(|t| t.reshape([count, shape.kv_heads * shape.head_dim]));
                for (table, rows) in tables.iter_mut().zip([k, v]) {
                    *table = put(table.clone(), &new, rows);
                }
                let read = |table: &Tensor<2>| {
                    table
                        .clone()
                        .select(0, seen.clone())
                        .reshape([count, longest, shape.kv_heads, shape.head_dim])
                        .swap_dims(1, 2)
                };
                attention
                    .attend(q, read(&tables[0]), read(&tables[1]), hidden)
                    .reshape([count, shape.heads * shape.head_dim])
            });
        }
        for s in sequences {
            s.len += 1;
        }
        *logits = values(&model.logits(model.final_norm(x)));
        Ok(())
    }

    fn finish(&mut self, sequence: Slot) {
        self.free.push(sequence.number);
    }
}

/// `(1, heads, time, dim)` as rows `(time, heads · dim)`.
fn rows_of(t: Tensor<4>) -> Tensor<2> {
    let [_, heads, time, dim] = t.dims();
    t.swap_dims(1, 2).reshape([time, heads * dim])
}

/// Replaces rows of a table: a slot's rows may hold what an earlier sequence left.
fn put(table: Tensor<2>, at: &Tensor<1, Int>, rows: Tensor<2>) -> Tensor<2> {
    let old = table.clone().select(0, at.clone());
    table.select_assign(
        0,
        at.clone(),
        rows - old,
        burn::tensor::IndexingUpdateOp::Add,
    )
}

/// What each sequence's new token does not see of the `longest` rows: `(sequences, 1, 1, longest)`.
fn hidden(
    positions: &[usize],
    longest: usize,
    window: Option<usize>,
    device: &burn::tensor::Device,
) -> Tensor<4, Bool> {
    let marks: Vec<bool> = positions
        .iter()
        .flat_map(|&i| (0..longest).map(move |j| j > i || window.is_some_and(|w| i >= j + w)))
        .collect();
    Tensor::from_data(
        TensorData::new(marks, [positions.len(), 1, 1, longest]),
        device,
    )
}

fn row(n: usize) -> u32 {
    u32::try_from(n).expect("a cache holds fewer than 2³² rows")
}
