//! The one decoder of all families: embedding, layers of attention and feed-forward, final norm, head.
//!
//! Rows are tokens of a ragged batch. What differs between training, prefilling and sampling is only how a layer attends, so that is handed in.

use std::sync::Arc;

use burn::{Tensor, tensor::Device};
use infalign_kernels::activation::Activation as Kernel;

use super::{
    adapter::Adapters,
    layout::{Id, Ids, LayerIds, Layout},
};
use crate::{
    batch::Batch,
    ops::{
        Weight,
        activation::{gated, plain},
        attention::{Attention, Rotation, Shape},
        embedding::embedding,
        linear::linear,
        norm,
    },
    spec::{Activation, Norm, Placement, Positions, Spec},
    tensors::TensorRule,
};

/// A decoder with its weights. Clones share the weights until they change.
#[derive(Debug, Clone)]
pub struct Decoder {
    pub(crate) spec: Arc<Spec>,
    pub(crate) layout: Arc<Layout>,
    pub(crate) weights: Vec<Weight>,
    pub(crate) adapters: Option<Adapters>,
    attention: Arc<[Attention]>,
    pub(super) device: Device,
}

impl Decoder {
    /// A decoder of these weights, in the layout's order.
    pub(crate) fn new(spec: Spec, layout: Layout, weights: Vec<Tensor<2>>, device: Device) -> Self {
        debug_assert_eq!(weights.len(), layout.rules.len());
        let rotary = match &spec.positions {
            Positions::Learned => None,
            Positions::Rotary(r) => Some(Arc::new(Rotation::new(r.clone(), spec.max_positions))),
        };
        let attention = spec
            .attention
            .layers
            .iter()
            .map(|layer| Attention {
                shape: Shape {
                    heads: spec.heads,
                    kv_heads: spec.kv_heads,
                    head_dim: spec.head_dim,
                    scale: layer.scale,
                    window: layer.window,
                    softcap: spec.attention.softcap,
                },
                rotary: rotary.clone(),
            })
            .collect();
        Self {
            spec: Arc::new(spec),
            layout: Arc::new(layout),
            weights: weights.into_iter().map(Weight::new).collect(),
            adapters: None,
            attention,
            device,
        }
    }

    /// What the decoder is.
    #[must_use]
    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    /// Where it runs.
    #[must_use]
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Numbers in all weights, adapters not counted.
    #[must_use]
    pub fn parameters(&self) -> usize {
        self.layout.rules.iter().map(TensorRule::len).sum()
    }

    /// How layer `n` attends.
    pub(crate) fn attention(&self, n: usize) -> &Attention {
        &self.attention[n]
    }

    /// Hidden states after the final norm, one row a token: `(tokens, dim)`.
    pub(crate) fn hidden(&self, batch: &Batch) -> Tensor<2> {
        let rows = batch.computed(&self.device);
        let mut x = self.embed(&rows.tokens, &rows.positions);
        for n in 0..self.spec.layers {
            x = self.layer(n, x, |qkv| self.attention[n].forward(qkv, &rows.groups));
        }
        rows.of_batch(self.final_norm(x))
    }

    /// Embeds tokens; `positions` are counted from 0 in each sequence.
    ///
    /// # Panics
    /// On a token beyond the vocabulary or a position beyond the table: batches are checked where they are made.
    pub(crate) fn embed(&self, tokens: &Arc<[u32]>, positions: &Arc<[u32]>) -> Tensor<2> {
        let scale = self.spec.embedding_scale.unwrap_or(1.0);
        let x = embedding(self.tensor(self.layout.embedding), tokens, scale);
        match self.layout.positions {
            Some(id) => x + embedding(self.tensor(id), positions, 1.0),
            None => x,
        }
    }

    /// One layer; `attend` turns rows `[q | k | v]` into attention's output.
    pub(crate) fn layer(
        &self,
        n: usize,
        x: Tensor<2>,
        attend: impl FnOnce(Tensor<2>) -> Tensor<2>,
    ) -> Tensor<2> {
        let ids = &self.layout.layers[n];
        let normed = self.norm(x.clone(), ids.attention_norm);
        let qkv = self.qkv(ids, normed);
        let attended = attend(qkv);
        match self.spec.placement {
            Placement::Pre => {
                let x = self.linear(attended, ids.attention_out, Some(x));
                let normed = self.norm(x.clone(), ids.mlp_norm);
                self.mlp(ids, normed, Some(x))
            }
            Placement::PreAndPost => {
                let y = self.linear(attended, ids.attention_out, None);
                let x = x + self.post_norm(y, ids.attention_post_norm);
                let normed = self.norm(x.clone(), ids.mlp_norm);
                let y = self.mlp(ids, normed, None);
                x + self.post_norm(y, ids.mlp_post_norm)
            }
            Placement::Parallel => {
                let normed = self.norm(x.clone(), ids.mlp_norm);
                let x = self.linear(attended, ids.attention_out, Some(x));
                self.mlp(ids, normed, Some(x))
            }
        }
    }

    pub(crate) fn final_norm(&self, x: Tensor<2>) -> Tensor<2> {
        self.norm(x, self.layout.norm)
    }

    /// The head's matrix, `(vocabulary or labels, dim)`.
    pub(crate) fn head(&self) -> &Weight {
        &self.weights[self.layout.head]
    }

    /// Logits of hidden states, capped if the model caps them: `(rows, vocabulary)`.
    pub(crate) fn logits(&self, hidden: Tensor<2>) -> Tensor<2> {
        let logits = linear(hidden, self.head(), None, None);
        match self.spec.logit_softcap {
            Some(cap) => logits.div_scalar(cap).tanh().mul_scalar(cap),
            None => logits,
        }
    }

    /// Lays the matrices out for many small products; for as long as the weights stay as they are.
    pub fn freeze(&mut self) {
        let layout = self.layout.clone();
        let layers = layout
            .layers
            .iter()
            .flat_map(|l| [l.qkv, l.attention_out, l.mlp_in, l.mlp_out]);
        for id in layers.map(|ids| ids.weight).chain([layout.head]) {
            self.weights[id].freeze();
        }
    }

    fn qkv(&self, ids: &LayerIds, x: Tensor<2>) -> Tensor<2> {
        let mut qkv = self.linear(x, ids.qkv, None);
        let Norm::Rms { eps, .. } = self.spec.norm else {
            return qkv;
        };
        if let Some([q, k]) = ids.qk_norm {
            let (queries, keys) = (
                self.spec.heads * self.spec.head_dim,
                self.spec.kv_heads * self.spec.head_dim,
            );
            qkv = norm::heads(qkv, self.tensor(q), 0, queries, eps);
            qkv = norm::heads(qkv, self.tensor(k), queries, queries + keys, eps);
        }
        qkv
    }

    fn mlp(&self, ids: &LayerIds, x: Tensor<2>, residual: Option<Tensor<2>>) -> Tensor<2> {
        let inner = self.linear(x, ids.mlp_in, None);
        let activation = match self.spec.mlp.activation {
            Activation::Silu => Kernel::Silu,
            Activation::Gelu => Kernel::Gelu,
            Activation::GeluTanh => Kernel::GeluTanh,
            Activation::Relu => Kernel::Relu,
        };
        let inner = if self.spec.mlp.gated {
            gated(inner, activation)
        } else {
            plain(inner, activation)
        };
        self.linear(inner, ids.mlp_out, residual)
    }

    fn linear(&self, x: Tensor<2>, ids: Ids, residual: Option<Tensor<2>>) -> Tensor<2> {
        let residual = match &self.adapters {
            Some(adapters) => adapters.add(ids.weight, &x, residual),
            None => residual,
        };
        let bias = ids.bias.map(|id| self.tensor(id));
        linear(x, &self.weights[ids.weight], bias, residual)
    }

    fn norm(&self, x: Tensor<2>, ids: Ids) -> Tensor<2> {
        let weight = self.tensor(ids.weight);
        match (self.spec.norm, ids.bias) {
            (Norm::Rms { eps, offset }, _) => norm::rms(x, weight, eps, offset),
            (Norm::Layer { eps }, Some(bias)) => norm::layer(x, weight, self.tensor(bias), eps),
            (Norm::Layer { .. }, None) => {
                unreachable!("the layout gives every layer norm its bias")
            }
        }
    }

    fn post_norm(&self, x: Tensor<2>, ids: Option<Ids>) -> Tensor<2> {
        match ids {
            Some(ids) => self.norm(x, ids),
            None => x,
        }
    }

    fn tensor(&self, id: Id) -> &Tensor<2> {
        &self.weights[id].tensor
    }
}
