//! Causal self-attention on a ragged batch, rotation of queries and keys included.
//!
//! Rows of the input are `[queries | keys | values]`, heads side by side, sequence after sequence, or group after group where sequences share their
//! beginning (on a CPU only); positions are counted from 0 in each sequence. Query i sees key j if j ≤ i and, under a sliding window w,
//! i − w < j. Scores are `scale · q·k`, then
//! c · tanh(score / c) under a soft-cap c (Gemma 2, arXiv 2408.00118).

use std::sync::{Arc, Mutex, PoisonError};

use burn::{
    Tensor,
    tensor::{Bool, Device, TensorData, activation},
};
use infalign_kernels::{
    attention::{self, Group},
    rotary::Rotary,
};

use super::{
    embedding::indices,
    fused::{self, Forward, Fused, Matrix, Tape},
};

/// Heads, scale, window, soft-cap.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    /// Query heads.
    pub(crate) heads: usize,
    /// Key and value heads.
    pub(crate) kv_heads: usize,
    /// Values of a head.
    pub(crate) head_dim: usize,
    /// What q·k is multiplied by.
    pub(crate) scale: f32,
    /// How many last positions are seen, the query's own among them.
    pub(crate) window: Option<usize>,
    /// c of c · tanh(score / c).
    pub(crate) softcap: Option<f32>,
}

/// Tables of the rotation, as long as they were needed so far: a context of 131,072 positions would take 64 MB.
#[derive(Debug)]
pub(crate) struct Rotation {
    rotary: crate::rope::Rotary,
    max_positions: usize,
    table: Mutex<Arc<Rotary>>,
}

impl Rotation {
    /// Frequencies, and the positions that will never be exceeded.
    pub(crate) fn new(rotary: crate::rope::Rotary, max_positions: usize) -> Self {
        let table = Mutex::new(Arc::new(make(&rotary, max_positions.min(1024))));
        Self {
            rotary,
            max_positions,
            table,
        }
    }

    /// A table of at least so many positions.
    pub(crate) fn table(&self, positions: usize) -> Arc<Rotary> {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        if table.positions() < positions {
            let longer = positions
                .next_power_of_two()
                .min(self.max_positions.max(positions));
            *table = Arc::new(make(&self.rotary, longer));
        }
        table.clone()
    }
}

fn make(rotary: &crate::rope::Rotary, positions: usize) -> Rotary {
    Rotary::new(
        &rotary.inverse_frequencies,
        positions,
        f64::from(rotary.attention_factor),
    )
}

/// What a layer's attention needs to know beside its input.
#[derive(Debug, Clone)]
pub(crate) struct Attention {
    /// Heads, scale, window, soft-cap.
    pub(crate) shape: Shape,
    /// The rotation by position, if positions are told that way.
    pub(crate) rotary: Option<Arc<Rotation>>,
}

impl Attention {
    /// Attention within every sequence: `(tokens, (heads + 2 kv_heads) · head_dim)` to `(tokens, heads · head_dim)`.
    pub(crate) fn forward(&self, qkv: Tensor<2>, groups: &Arc<[Group]>) -> Tensor<2> {
        if fused::is_cpu(&qkv.device()) {
            let op = Full {
                attention: self.clone(),
                groups: groups.clone(),
            };
            return fused::apply(op, [qkv]);
        }
        debug_assert!(groups.iter().all(|group| group.shared == 0));
        let lengths: Vec<usize> = groups.iter().flat_map(|group| group.own.clone()).collect();
        let device = qkv.device();
        let longest = lengths.iter().max().copied().unwrap_or(0);
        let cols = qkv.dims()[1];
        let (padded, real) = padding(&lengths, longest);
        let x = qkv
            .select(0, indices(&padded, &device))
            .reshape([lengths.len(), longest, cols]);
        let (q, k, v) = self.split(&x, 0);
        let hidden = self.hidden(longest, &device);
        let out = self.attend(q, k, v, hidden);
        let [sequences, heads, time, dim] = out.dims();
        out.swap_dims(1, 2)
            .reshape([sequences * time, heads * dim])
            .select(0, indices(&real, &device))
    }

    /// Rows `(batch, time, cols)` as rotated queries `(batch, heads, time, dim)`, rotated keys and values `(batch, kv_heads, time, dim)`;
    /// the first row stands at position `from`.
    pub(crate) fn split(&self, x: &Tensor<3>, from: usize) -> (Tensor<4>, Tensor<4>, Tensor<4>) {
        let [batch, time, _] = x.dims();
        let Shape {
            heads,
            kv_heads,
            head_dim,
            ..
        } = self.shape;
        let part = |from: usize, heads: usize| {
            x.clone()
                .slice([
                    0..batch,
                    0..time,
                    from * head_dim..(from + heads) * head_dim,
                ])
                .reshape([batch, time, heads, head_dim])
                .swap_dims(1, 2)
        };
        let positions: Vec<usize> = (from..from + time).collect();
        let table = self.table(&positions, &x.device());
        let turn = |t: Tensor<4>| match &table {
            Some((cos, sin)) => {
                let shape = [1, 1, time, cos.dims()[1]];
                rotate(&t, &cos.clone().reshape(shape), &sin.clone().reshape(shape))
            }
            None => t,
        };
        (
            turn(part(0, heads)),
            turn(part(heads, kv_heads)),
            part(heads + kv_heads, kv_heads),
        )
    }

    /// Cosines and sines of these positions, `(positions, rotated / 2)` each.
    pub(crate) fn table(
        &self,
        positions: &[usize],
        device: &Device,
    ) -> Option<(Tensor<2>, Tensor<2>)> {
        let longest = positions.iter().max().map_or(0, |p| p + 1);
        let rotary = self.rotary.as_ref()?.table(longest);
        let half = rotary.rotated() / 2;
        let device = device.clone().without_autodiff();
        let rows = |values: &dyn Fn(usize) -> Vec<f32>| {
            let all: Vec<f32> = positions.iter().flat_map(|&p| values(p)).collect();
            Tensor::<2>::from_data(TensorData::new(all, [positions.len(), half]), &device)
        };
        Some((
            rows(&|p| rotary.row(p).0.to_vec()),
            rows(&|p| rotary.row(p).1.to_vec()),
        ))
    }

    /// Attention of queries `(batch, heads, time, dim)` over keys and values `(batch, kv_heads, keys, dim)`; what `hidden` marks is not seen.
    pub(crate) fn attend(
        &self,
        q: Tensor<4>,
        k: Tensor<4>,
        v: Tensor<4>,
        hidden: Tensor<4, Bool>,
    ) -> Tensor<4> {
        let group = self.shape.heads / self.shape.kv_heads;
        let (k, v) = (repeat(k, group), repeat(v, group));
        let mut scores = q.matmul(k.swap_dims(2, 3)).mul_scalar(self.shape.scale);
        if let Some(cap) = self.shape.softcap {
            scores = scores.div_scalar(cap).tanh().mul_scalar(cap);
        }
        let [batch, heads, time, keys] = scores.dims();
        let scores = scores.mask_fill(hidden.expand([batch, heads, time, keys]), -1e30);
        activation::softmax(scores, 3).matmul(v)
    }

    /// The rotation's tables for so many positions.
    pub(crate) fn tables(&self, positions: usize) -> Option<Arc<Rotary>> {
        self.rotary.as_ref().map(|r| r.table(positions))
    }

    /// The kernel's description of this attention.
    pub(crate) fn kernel<'a>(&self, rotary: Option<&'a Rotary>) -> attention::Attention<'a> {
        let Shape {
            heads,
            kv_heads,
            head_dim,
            scale,
            window,
            softcap,
        } = self.shape;
        attention::Attention {
            heads,
            kv_heads,
            head_dim,
            scale,
            window,
            softcap,
            rotary,
        }
    }

    /// What is not seen among `time` positions by themselves: `(1, 1, time, time)`.
    fn hidden(&self, time: usize, device: &Device) -> Tensor<4, Bool> {
        let seen = |i: usize, j: usize| j <= i && self.shape.window.is_none_or(|w| i < j + w);
        let marks: Vec<bool> = (0..time * time)
            .map(|n| !seen(n / time, n % time))
            .collect();
        let device = device.clone().without_autodiff();
        Tensor::<4, Bool>::from_data(TensorData::new(marks, [1, 1, time, time]), &device)
    }
}

/// Row numbers that make a rectangle of the sequences (row 0 where there is none: later positions are never seen by earlier ones), and those
/// that take the real rows back out of it.
pub(crate) fn padding(lengths: &[usize], longest: usize) -> (Vec<u32>, Vec<u32>) {
    let row = |n: usize| u32::try_from(n).expect("batches hold fewer than 2³² rows");
    let mut padded = Vec::with_capacity(lengths.len() * longest);
    let mut real = Vec::new();
    let mut first = 0;
    for (s, length) in lengths.iter().enumerate() {
        for t in 0..longest {
            let inside = t < *length;
            padded.push(if inside { row(first + t) } else { 0 });
            if inside {
                real.push(row(s * longest + t));
            }
        }
        first += length;
    }
    (padded, real)
}

/// Rotates the first 2 · half values of every head, half-split as transformers does: (a, b) to (a cos − b sin, b cos + a sin).
pub(crate) fn rotate(x: &Tensor<4>, cos: &Tensor<4>, sin: &Tensor<4>) -> Tensor<4> {
    let [batch, heads, time, dim] = x.dims();
    let half = cos.dims()[3];
    let part = |from: usize, to: usize| x.clone().slice([0..batch, 0..heads, 0..time, from..to]);
    let (a, b) = (part(0, half), part(half, 2 * half));
    let mut parts = vec![
        a.clone() * cos.clone() - b.clone() * sin.clone(),
        b * cos.clone() + a * sin.clone(),
    ];
    if 2 * half < dim {
        parts.push(part(2 * half, dim));
    }
    Tensor::cat(parts, 3)
}

/// Each key/value head `group` times, side by side: the queries that share it.
fn repeat(x: Tensor<4>, group: usize) -> Tensor<4> {
    if group == 1 {
        return x;
    }
    let [batch, heads, time, dim] = x.dims();
    x.reshape([batch, heads, 1, time, dim])
        .expand([batch, heads, group, time, dim])
        .reshape([batch, heads * group, time, dim])
}

/// The fused kernel on a ragged batch.
#[derive(Debug)]
struct Full {
    attention: Attention,
    groups: Arc<[Group]>,
}

impl Full {
    fn longest(&self) -> usize {
        self.groups.iter().map(Group::longest).max().unwrap_or(0)
    }
}

impl Fused<1> for Full {
    fn forward(&self, [qkv]: [Matrix<'_>; 1], _: bool) -> Forward {
        let table = self.attention.tables(self.longest());
        let kernel = self.attention.kernel(table.as_deref());
        let mut out = vec![0.0; qkv.rows * kernel.out_width()];
        let mut lse = vec![0.0; qkv.rows * kernel.heads];
        kernel.forward(qkv.values, &self.groups, &mut out, &mut lse);
        Forward {
            values: out,
            rows: qkv.rows,
            cols: kernel.out_width(),
            saved: Box::new(lse),
        }
    }

    fn backward(&self, tape: &Tape<'_, 1>) -> [Option<Vec<f32>>; 1] {
        let [qkv] = tape.inputs;
        let lse: &Vec<f32> = tape
            .saved
            .downcast_ref()
            .expect("the log-sum-exps of the forward pass");
        let table = self.attention.tables(self.longest());
        let kernel = self.attention.kernel(table.as_deref());
        let mut d = vec![0.0; qkv.values.len()];
        kernel.backward(
            qkv.values,
            &self.groups,
            tape.output.values,
            lse,
            tape.gradient.values,
            &mut d,
        );
        [Some(d)]
    }

    fn reads_output(&self) -> bool {
        true
    }
}
