//! The tensors of a decoder: our names and shapes, and where their rows stand in the hub's files.
//!
//! | ours | shape | when |
//! |---|---|---|
//! | `embedding.weight` | (vocab, dim) | |
//! | `positions.weight` | (max positions, dim) | learned positions |
//! | `layers.N.attention_norm.weight`, `.bias` | (dim) | bias with layer norms |
//! | `layers.N.attention.qkv.weight`, `.bias` | ((heads + 2 kv heads)·head dim, dim) | rows q; k; v |
//! | `layers.N.attention.q_norm.weight`, `k_norm` | (head dim) | Qwen 3 |
//! | `layers.N.attention.out.weight`, `.bias` | (dim, heads·head dim) | |
//! | `layers.N.attention_post_norm.weight`, `layers.N.mlp_post_norm.weight` | (dim) | Gemma 2 |
//! | `layers.N.mlp_norm.weight`, `.bias` | (dim) | |
//! | `layers.N.mlp.gate_up.weight`, `.bias` | (2·ffn, dim) | gated; rows gate; up |
//! | `layers.N.mlp.up.weight`, `.bias` | (ffn, dim) | plain |
//! | `layers.N.mlp.down.weight`, `.bias` | (dim, ffn) | |
//! | `norm.weight`, `.bias` | (dim) | |
//! | `lm_head.weight` | (vocab, dim) | causal and not tied |
//! | `score.weight` | (labels, dim) | classifier, value |
//!
//! All matrices are (out, in), row-major.

use std::ops::Range;

use crate::{
    families::Qkv,
    spec::{Head, Placement, Positions, Spec},
};

/// One of our tensors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorRule {
    /// Our name.
    pub name: String,
    /// Our shape; one or two axes.
    pub shape: Vec<usize>,
    /// Its pieces in the hub's files, which lie one under the other.
    pub(crate) parts: Vec<Part>,
    /// Of the head, which a file of another head lacks.
    pub(crate) head: bool,
}

/// A tensor of the hub's files, which is some rows of one of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    /// The hub's name; the prefix apart, because files of bare models lack it.
    pub(crate) prefix: &'static str,
    pub(crate) hub: String,
    /// Other names under which it is read.
    pub(crate) other_hub: Option<String>,
    /// The rows of our tensor.
    pub(crate) rows: Range<usize>,
    /// How its elements lie.
    pub(crate) layout: Layout,
}

/// How a hub tensor's elements lie, against ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    /// The same.
    Same,
    /// (in, out).
    Transposed,
    /// Rows [head][q, k, v][channel] for our [q, k, v][head][channel].
    PerHead { heads: usize, head_dim: usize },
}

/// A matrix that a low-rank adapter can stand on, as `peft` names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdapterTarget {
    /// The hub's module with its prefix, `model.layers.0.self_attn.q_proj`.
    pub module: String,
    /// Our tensor.
    pub tensor: String,
    /// The rows of it that the module makes.
    pub rows: Range<usize>,
    /// Inputs of the module.
    pub inputs: usize,
    /// Whether the module stores (in, out): `fan_in_fan_out` of `peft`.
    pub transposed: bool,
    pub(crate) layout: Layout,
}

impl Spec {
    /// All tensors of the model, in the order in which they are used and written.
    #[must_use]
    pub fn tensors(&self) -> Vec<TensorRule> {
        let names = &self.description.names;
        let mut list = List {
            spec: self,
            rules: Vec::new(),
        };
        list.vector_or_table("embedding", names.embedding, &[self.vocab, self.dim]);
        if let (Positions::Learned, Some(hub)) = (&self.positions, names.positions) {
            list.vector_or_table("positions", hub, &[self.max_positions, self.dim]);
        }
        for layer in 0..self.layers {
            self.layer(&mut list, layer);
        }
        list.norm("norm", names.norm);
        let [hub, other @ ..] = names.heads else {
            return list.rules;
        };
        match self.head {
            Head::CausalLm if self.tied => {}
            Head::CausalLm => list.head("lm_head", hub, other.first().copied(), self.vocab),
            Head::Classifier { labels } => list.head("score", "score", None, labels),
            Head::Value => list.head("score", "score", None, 1),
        }
        list.rules
    }

    fn layer(&self, list: &mut List<'_>, n: usize) {
        let names = &self.description.names;
        let ours = |name: &str| format!("layers.{n}.{name}");
        let hub = |name: &str| format!("{}.{n}.{name}", names.layers);
        let a = &self.attention;
        let (q, kv) = (self.heads * self.head_dim, self.kv_heads * self.head_dim);

        list.norm(&ours("attention_norm"), &hub(names.attention_norm));
        let qkv = match names.qkv {
            Qkv::Apart([w_q, w_k, w_v]) => vec![(hub(w_q), q), (hub(w_k), kv), (hub(w_v), kv)],
            Qkv::Fused(name) | Qkv::PerHead(name) => vec![(hub(name), self.qkv_rows())],
        };
        let layout = match names.qkv {
            Qkv::PerHead(_) => Layout::PerHead {
                heads: self.heads,
                head_dim: self.head_dim,
            },
            _ => Layout::Same,
        };
        list.matrix(&ours("attention.qkv"), qkv, self.dim, a.qkv_bias, layout);
        if let (true, Some([q_norm, k_norm])) = (a.qk_norm, names.qk_norm) {
            list.vector_or_table(&ours("attention.q_norm"), &hub(q_norm), &[self.head_dim]);
            list.vector_or_table(&ours("attention.k_norm"), &hub(k_norm), &[self.head_dim]);
        }
        let out = vec![(hub(names.attention_out), self.dim)];
        list.matrix(&ours("attention.out"), out, q, a.out_bias, Layout::Same);
        let post = self.placement == Placement::PreAndPost;
        if let (true, Some(name)) = (post, names.attention_post_norm) {
            list.norm(&ours("attention_post_norm"), &hub(name));
        }

        list.norm(&ours("mlp_norm"), &hub(names.mlp_norm));
        let into = names
            .mlp_in
            .iter()
            .map(|name| (hub(name), self.ffn))
            .collect();
        let name = if self.mlp.gated {
            "mlp.gate_up"
        } else {
            "mlp.up"
        };
        list.matrix(&ours(name), into, self.dim, self.mlp.bias, Layout::Same);
        let down = vec![(hub(names.mlp_out), self.dim)];
        list.matrix(
            &ours("mlp.down"),
            down,
            self.ffn,
            self.mlp.bias,
            Layout::Same,
        );
        if let (true, Some(name)) = (post, names.mlp_post_norm) {
            list.norm(&ours("mlp_post_norm"), &hub(name));
        }
    }

    /// The matrices inside the layers, for adapters; heads, embeddings and norms are not among them.
    #[must_use]
    pub fn adapter_targets(&self) -> Vec<AdapterTarget> {
        let mut targets = Vec::new();
        for rule in self.tensors() {
            let [_, inputs] = rule.shape[..] else {
                continue;
            };
            if !rule.name.starts_with("layers.") {
                continue;
            }
            for part in rule.parts {
                let name = part.hub.strip_suffix(".weight").unwrap_or(&part.hub);
                targets.push(AdapterTarget {
                    module: format!("{}{name}", part.prefix),
                    tensor: rule.name.clone(),
                    rows: part.rows,
                    inputs,
                    transposed: part.layout == Layout::Transposed,
                    layout: part.layout,
                });
            }
        }
        targets
    }
}

struct List<'a> {
    spec: &'a Spec,
    rules: Vec<TensorRule>,
}

impl List<'_> {
    /// A tensor of one piece that lies as ours does.
    fn vector_or_table(&mut self, ours: &str, hub: &str, shape: &[usize]) {
        self.push(format!("{ours}.weight"), format!("{hub}.weight"), shape);
    }

    fn push(&mut self, name: String, hub: String, shape: &[usize]) {
        self.rules.push(TensorRule {
            name,
            shape: shape.to_vec(),
            parts: vec![Part {
                prefix: self.spec.description.names.prefix,
                hub,
                other_hub: None,
                rows: 0..shape[0],
                layout: Layout::Same,
            }],
            head: false,
        });
    }

    fn norm(&mut self, ours: &str, hub: &str) {
        let shape = [self.spec.dim];
        self.push(format!("{ours}.weight"), format!("{hub}.weight"), &shape);
        if self.spec.norm.bias() {
            self.push(format!("{ours}.bias"), format!("{hub}.bias"), &shape);
        }
    }

    /// A matrix of one or several modules, each (rows, inputs), and their biases.
    fn matrix(
        &mut self,
        ours: &str,
        modules: Vec<(String, usize)>,
        inputs: usize,
        bias: bool,
        layout: Layout,
    ) {
        let names = &self.spec.description.names;
        let matrix_layout = if names.transposed {
            Layout::Transposed
        } else {
            layout
        };
        let mut parts = Vec::new();
        let mut start = 0;
        for (hub, rows) in modules {
            parts.push(Part {
                prefix: names.prefix,
                hub,
                other_hub: None,
                rows: start..start + rows,
                layout,
            });
            start += rows;
        }
        let kind = |suffix: &str, layout: Layout| -> Vec<Part> {
            parts
                .iter()
                .map(|p| Part {
                    hub: format!("{}.{suffix}", p.hub),
                    layout,
                    ..p.clone()
                })
                .collect()
        };
        self.rules.push(TensorRule {
            name: format!("{ours}.weight"),
            shape: vec![start, inputs],
            parts: kind("weight", matrix_layout),
            head: false,
        });
        if bias {
            self.rules.push(TensorRule {
                name: format!("{ours}.bias"),
                shape: vec![start],
                parts: kind("bias", layout),
                head: false,
            });
        }
    }

    fn head(&mut self, ours: &str, hub: &str, other: Option<&str>, rows: usize) {
        self.rules.push(TensorRule {
            name: format!("{ours}.weight"),
            shape: vec![rows, self.spec.dim],
            parts: vec![Part {
                prefix: "",
                hub: format!("{hub}.weight"),
                other_hub: other.map(|name| format!("{name}.weight")),
                rows: 0..rows,
                layout: Layout::Same,
            }],
            head: true,
        });
    }
}

impl TensorRule {
    /// The shape of a part as the hub's file has it.
    pub(crate) fn hub_shape(&self, part: &Part) -> Vec<usize> {
        let rows = part.rows.len();
        match (&self.shape[..], part.layout) {
            ([_, inputs], Layout::Transposed) => vec![*inputs, rows],
            ([_, inputs], _) => vec![rows, *inputs],
            _ => vec![rows],
        }
    }

    /// Elements of a row: inputs of a matrix, 1 of a vector.
    pub(crate) fn row_len(&self) -> usize {
        self.shape.get(1).copied().unwrap_or(1)
    }

    /// Elements.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Never: sizes are at least one.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Layout {
    /// `hub` → ours; `row_len` elements a row of ours.
    pub(crate) fn to_ours(self, hub: Vec<f32>, row_len: usize) -> Vec<f32> {
        match self {
            Self::Same => hub,
            Self::Transposed => transpose(&hub, row_len),
            Self::PerHead { heads, head_dim } => regroup(&hub, [heads, 3], head_dim * row_len),
        }
    }

    /// Ours → `hub`.
    pub(crate) fn to_hub(self, ours: &[f32], row_len: usize) -> Vec<f32> {
        match self {
            Self::Same => ours.to_vec(),
            Self::Transposed => transpose(ours, ours.len() / row_len.max(1)),
            Self::PerHead { heads, head_dim } => regroup(ours, [3, heads], head_dim * row_len),
        }
    }
}

/// (rows, columns) → (columns, rows), in tiles so that both sides stay in the cache.
fn transpose(from: &[f32], rows: usize) -> Vec<f32> {
    const TILE: usize = 32;
    let columns = from.len() / rows.max(1);
    let mut to = vec![0.0; from.len()];
    for r0 in (0..rows).step_by(TILE) {
        for c0 in (0..columns).step_by(TILE) {
            for r in r0..(r0 + TILE).min(rows) {
                for c in c0..(c0 + TILE).min(columns) {
                    to[c * rows + r] = from[r * columns + c];
                }
            }
        }
    }
    to
}

/// Blocks [a][b] → [b][a].
fn regroup(from: &[f32], [a, b]: [usize; 2], block: usize) -> Vec<f32> {
    let mut to = Vec::with_capacity(from.len());
    for j in 0..b {
        for i in 0..a {
            let start = (i * b + j) * block;
            to.extend_from_slice(&from[start..start + block]);
        }
    }
    to
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layouts_return_what_they_took() {
        // Two heads of one channel, rows of two: [q0 k0 v0 q1 k1 v1] → [q0 q1 k0 k1 v0 v1].
        let hub: Vec<f32> = (0..12).map(|x| x as f32).collect();
        let layout = Layout::PerHead {
            heads: 2,
            head_dim: 1,
        };
        let ours = layout.to_ours(hub.clone(), 2);
        assert_eq!(ours, [0., 1., 6., 7., 2., 3., 8., 9., 4., 5., 10., 11.]);
        assert_eq!(layout.to_hub(&ours, 2), hub);
        // (in 2, out 3) → (out 3, in 2)
        let ours = Layout::Transposed.to_ours(vec![0., 1., 2., 3., 4., 5.], 2);
        assert_eq!(ours, [0., 3., 1., 4., 2., 5.]);
        assert_eq!(
            Layout::Transposed.to_hub(&ours, 2),
            [0., 1., 2., 3., 4., 5.]
        );
        let big: Vec<f32> = (0..70 * 45).map(|x| x as f32).collect();
        let ours = Layout::Transposed.to_ours(big.clone(), 70);
        assert_eq!(ours[1], 45.0);
        assert_eq!(Layout::Transposed.to_hub(&ours, 70), big);
    }
}
