//! Which weights a decoder has, by name and shape, and where each stands in the list of them.

use crate::spec::{Head, Norm, Placement, Positions, Spec};

/// A weight's place in the list.
pub(crate) type Id = usize;

/// A norm: its weight, and its bias where it has one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NormIds {
    pub(crate) weight: Id,
    pub(crate) bias: Option<Id>,
}

/// A matrix and its bias.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LinearIds {
    pub(crate) weight: Id,
    pub(crate) bias: Option<Id>,
}

/// One layer.
#[derive(Debug, Clone)]
pub(crate) struct LayerIds {
    pub(crate) attention_norm: NormIds,
    pub(crate) qkv: LinearIds,
    pub(crate) q_norm: Option<Id>,
    pub(crate) k_norm: Option<Id>,
    pub(crate) attention_out: LinearIds,
    pub(crate) attention_post_norm: Option<NormIds>,
    pub(crate) mlp_norm: NormIds,
    pub(crate) mlp_in: LinearIds,
    pub(crate) mlp_out: LinearIds,
    pub(crate) mlp_post_norm: Option<NormIds>,
}

/// All weights of a decoder.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    /// Name and shape of each; vectors are `(1, n)`.
    pub(crate) weights: Vec<(String, [usize; 2])>,
    pub(crate) embedding: Id,
    pub(crate) positions: Option<Id>,
    pub(crate) layers: Vec<LayerIds>,
    pub(crate) norm: NormIds,
    /// The head's matrix: the embedding's if they are tied.
    pub(crate) head: LinearIds,
}

impl Layout {
    /// The weights that `spec` asks for.
    pub(crate) fn of(spec: &Spec) -> Self {
        let mut list = List(Vec::new());
        let dim = spec.dim;
        let norm_bias = spec.norm.bias();
        let embedding = list.add("embedding", [spec.vocab, dim]);
        let positions = (spec.positions == Positions::Learned)
            .then(|| list.add("positions", [spec.max_positions, dim]));
        let post = spec.placement == Placement::PreAndPost;
        let layers = (0..spec.layers)
            .map(|n| {
                let name = |part: &str| format!("layers.{n}.{part}");
                let inner = spec.heads * spec.head_dim;
                let width = if spec.mlp.gated { 2 * spec.ffn } else { spec.ffn };
                LayerIds {
                    attention_norm: list.norm(&name("attention_norm"), dim, norm_bias),
                    qkv: list.linear(&name("qkv"), [spec.qkv_rows(), dim], spec.attention.qkv_bias),
                    q_norm: spec.attention.qk_norm.then(|| list.add(&name("q_norm"), [1, spec.head_dim])),
                    k_norm: spec.attention.qk_norm.then(|| list.add(&name("k_norm"), [1, spec.head_dim])),
                    attention_out: list.linear(&name("attention_out"), [dim, inner], spec.attention.out_bias),
                    attention_post_norm: post.then(|| list.norm(&name("attention_post_norm"), dim, norm_bias)),
                    mlp_norm: list.norm(&name("mlp_norm"), dim, norm_bias),
                    mlp_in: list.linear(&name("mlp_in"), [width, dim], spec.mlp.bias),
                    mlp_out: list.linear(&name("mlp_out"), [dim, spec.ffn], spec.mlp.bias),
                    mlp_post_norm: post.then(|| list.norm(&name("mlp_post_norm"), dim, norm_bias)),
                }
            })
            .collect();
        let norm = list.norm("norm", dim, norm_bias);
        let head = match spec.head {
            Head::CausalLm if spec.tied => LinearIds {
                weight: embedding,
                bias: None,
            },
            Head::CausalLm => list.linear("head", [spec.vocab, dim], false),
            Head::Classifier { labels } => list.linear("head", [labels, dim], false),
            Head::Value => list.linear("head", [1, dim], false),
        };
        Self {
            weights: list.0,
            embedding,
            positions,
            layers,
            norm,
            head,
        }
    }

    /// Numbers in all weights together.
    pub(crate) fn parameters(&self) -> usize {
        self.weights.iter().map(|(_, [rows, cols])| rows * cols).sum()
    }
}

struct List(Vec<(String, [usize; 2])>);

impl List {
    fn add(&mut self, name: &str, shape: [usize; 2]) -> Id {
        self.0.push((name.to_owned(), shape));
        self.0.len() - 1
    }

    fn norm(&mut self, name: &str, dim: usize, bias: bool) -> NormIds {
        NormIds {
            weight: self.add(&format!("{name}.weight"), [1, dim]),
            bias: bias.then(|| self.add(&format!("{name}.bias"), [1, dim])),
        }
    }

    fn linear(&mut self, name: &str, shape: [usize; 2], bias: bool) -> LinearIds {
        LinearIds {
            weight: self.add(&format!("{name}.weight"), shape),
            bias: bias.then(|| self.add(&format!("{name}.bias"), [1, shape[0]])),
        }
    }
}
