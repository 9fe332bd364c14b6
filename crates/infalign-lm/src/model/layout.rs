//! Where each weight of a decoder stands in the list of them: [`Spec::tensors`], in that order, vectors as matrices of one row.

use crate::{spec::Spec, tensors::TensorRule};

/// A weight's place in the list.
pub(crate) type Id = usize;

/// A matrix or norm and its bias.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ids {
    pub(crate) weight: Id,
    pub(crate) bias: Option<Id>,
}

/// One layer.
#[derive(Debug, Clone)]
pub(crate) struct LayerIds {
    pub(crate) attention_norm: Ids,
    pub(crate) qkv: Ids,
    pub(crate) qk_norm: Option<[Id; 2]>,
    pub(crate) attention_out: Ids,
    pub(crate) attention_post_norm: Option<Ids>,
    pub(crate) mlp_norm: Ids,
    pub(crate) mlp_in: Ids,
    pub(crate) mlp_out: Ids,
    pub(crate) mlp_post_norm: Option<Ids>,
}

/// All weights of a decoder.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    pub(crate) rules: Vec<TensorRule>,
    pub(crate) embedding: Id,
    pub(crate) positions: Option<Id>,
    pub(crate) layers: Vec<LayerIds>,
    pub(crate) norm: Ids,
    /// The head's matrix: the embedding's if they are tied.
    pub(crate) head: Id,
}

impl Layout {
    /// The weights that `spec` asks for.
    pub(crate) fn of(spec: &Spec) -> Self {
        let names = Names(spec.tensors());
        let embedding = names.need("embedding").weight;
        let layers = (0..spec.layers)
            .map(|n| {
                let need = |part: &str| names.need(&format!("layers.{n}.{part}"));
                let find = |part: &str| names.find(&format!("layers.{n}.{part}"));
                LayerIds {
                    attention_norm: need("attention_norm"),
                    qkv: need("attention.qkv"),
                    qk_norm: find("attention.q_norm")
                        .zip(find("attention.k_norm"))
                        .map(|(q, k)| [q.weight, k.weight]),
                    attention_out: need("attention.out"),
                    attention_post_norm: find("attention_post_norm"),
                    mlp_norm: need("mlp_norm"),
                    mlp_in: need(if spec.mlp.gated {
                        "mlp.gate_up"
                    } else {
                        "mlp.up"
                    }),
                    mlp_out: need("mlp.down"),
                    mlp_post_norm: find("mlp_post_norm"),
                }
            })
            .collect();
        Self {
            embedding,
            positions: names.find("positions").map(|p| p.weight),
            layers,
            norm: names.need("norm"),
            head: names
                .find("lm_head")
                .or_else(|| names.find("score"))
                .map_or(embedding, |h| h.weight),
            rules: names.0,
        }
    }

    /// Name and shape of each weight.
    pub(crate) fn shapes(&self) -> impl Iterator<Item = (&str, [usize; 2])> {
        self.rules.iter().map(|r| (r.name.as_str(), shape(r)))
    }
}

/// The shape of a weight as a matrix.
pub(crate) fn shape(rule: &TensorRule) -> [usize; 2] {
    match rule.shape[..] {
        [rows, cols] => [rows, cols],
        _ => [1, rule.len()],
    }
}

struct Names(Vec<TensorRule>);

impl Names {
    fn id(&self, name: &str) -> Option<Id> {
        self.0.iter().position(|r| r.name == name)
    }

    fn find(&self, module: &str) -> Option<Ids> {
        Some(Ids {
            weight: self.id(&format!("{module}.weight"))?,
            bias: self.id(&format!("{module}.bias")),
        })
    }

    fn need(&self, module: &str) -> Ids {
        self.find(module)
            .unwrap_or_else(|| unreachable!("every decoder has {module}"))
    }
}
