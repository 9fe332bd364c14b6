//! Low-rank adapters (LoRA, arXiv 2106.09685): y += s · (x Aᵀ) Bᵀ with A `(r, in)`, B `(out, r)`, s = α / r, beside frozen weights.
//!
//! The low-rank product is taken as it stands; W + s B A is made only when adapters are merged. A fused matrix (queries, keys and values; gate
//! and up) has one adapter for each of its parts, as PEFT's files have them.

use burn::{Tensor, tensor::Device};

use super::layout::Id;
use crate::ops::{Weight, linear::linear};

/// The adapter of one part of a matrix.
#[derive(Debug, Clone)]
pub(crate) struct Adapter {
    /// The matrix.
    pub(crate) of: Id,
    /// The rows of it that are adapted: `from..from + B's rows`.
    pub(crate) from: usize,
    /// `(r, in)`.
    pub(crate) a: Weight,
    /// `(out, r)`.
    pub(crate) b: Weight,
}

/// All adapters of a decoder.
#[derive(Debug, Clone)]
pub(crate) struct Adapters {
    /// In order of matrix, then of rows.
    pub(crate) list: Vec<Adapter>,
    /// s = α / r.
    pub(crate) scale: f32,
    /// r.
    pub(crate) rank: usize,
    /// Rows of each matrix, by id.
    pub(crate) rows: Vec<usize>,
}

impl Adapters {
    /// `residual` plus what the adapters of matrix `id` add for `x`; `None` plus nothing stays `None`.
    pub(crate) fn add(&self, id: Id, x: &Tensor<2>, residual: Option<Tensor<2>>) -> Option<Tensor<2>> {
        let mine: Vec<&Adapter> = self.list.iter().filter(|a| a.of == id).collect();
        if mine.is_empty() {
            return residual;
        }
        let tokens = x.dims()[0];
        let device = x.device();
        let mut parts = Vec::new();
        let mut next = 0;
        for adapter in mine {
            gap(&mut parts, next, adapter.from, tokens, &device);
            let low = linear(x.clone(), &adapter.a, None, None);
            parts.push(linear(low, &adapter.b, None, None));
            next = adapter.from + adapter.b.tensor.dims()[0];
        }
        gap(&mut parts, next, self.rows[id], tokens, &device);
        let delta = if parts.len() == 1 {
            parts.remove(0)
        } else {
            Tensor::cat(parts, 1)
        };
        let delta = delta.mul_scalar(self.scale);
        Some(match residual {
            Some(residual) => residual + delta,
            None => delta,
        })
    }
}

/// Zeros for the rows `from..to` of the matrix, which nothing adapts.
fn gap(parts: &mut Vec<Tensor<2>>, from: usize, to: usize, tokens: usize, device: &Device) {
    if from < to {
        parts.push(Tensor::zeros([tokens, to - from], device));
    }
}
