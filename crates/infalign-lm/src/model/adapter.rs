//! Low-rank adapters (LoRA, arXiv 2106.09685): y += s · (x Aᵀ) Bᵀ with A `(r, in)`, B `(out, r)`, s = α / r, beside frozen weights.
//!
//! The low-rank product is taken as it stands; W + s B A is made only when adapters are merged. A fused matrix (queries, keys and values; gate
//! and up) has one adapter for each of its parts, as PEFT's files have them. The base is the same tensors with or without adapters, so a
//! reference policy costs nothing beside the policy.

use burn::{Tensor, tensor::Device};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{
    Decoder,
    files::values,
    fresh::tensor,
    layout::{Id, shape},
};
use crate::{
    error::{Error, Result},
    ops::{Weight, linear::linear},
    spec::Head,
    tensors::AdapterTarget,
    weights::{Adapter as Stored, AdapterMatrix},
};

/// The adapter of one part of a matrix.
#[derive(Debug, Clone)]
pub(crate) struct Adapter {
    /// The hub's module.
    module: String,
    /// The matrix.
    pub(crate) of: Id,
    /// The first row of it that is adapted; B has as many rows as follow.
    pub(crate) from: usize,
    /// `(r, in)`.
    pub(crate) a: Weight,
    /// `(out, r)`.
    pub(crate) b: Weight,
    /// s.
    scale: f32,
}

/// All adapters of a decoder, in order of matrix, then of rows.
#[derive(Debug, Clone)]
pub(crate) struct Adapters {
    pub(crate) list: Vec<Adapter>,
    /// Rows of each matrix, by id.
    rows: Vec<usize>,
    /// Of the stored form: rank, α, whether s = α/√r.
    rank: usize,
    alpha: f64,
    rslora: bool,
}

impl Adapters {
    /// `residual` plus what the adapters of matrix `id` add for `x`; `None` plus nothing stays `None`.
    pub(crate) fn add(
        &self,
        id: Id,
        x: &Tensor<2>,
        residual: Option<Tensor<2>>,
    ) -> Option<Tensor<2>> {
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
            let low = linear(x.clone(), &adapter.a, None, None).mul_scalar(adapter.scale);
            parts.push(linear(low, &adapter.b, None, None));
            next = adapter.from + adapter.b.tensor.dims()[0];
        }
        gap(&mut parts, next, self.rows[id], tokens, &device);
        let delta = if parts.len() == 1 {
            parts.remove(0)
        } else {
            Tensor::cat(parts, 1)
        };
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

impl Decoder {
    /// The decoder with a stored adapter beside its weights, which are frozen from now on.
    ///
    /// # Errors
    /// An adapter beside another is refused.
    pub fn with_adapter(mut self, stored: &Stored) -> Result<Self> {
        let list = stored.matrices.iter().map(|m| {
            let a = [m.rank, m.a.len() / m.rank.max(1)];
            let b = [m.rows.len(), m.rank];
            Ok(Adapter {
                module: m.module.clone(),
                of: self.id(&m.tensor)?,
                from: m.rows.start,
                a: Weight::new(tensor(m.a.clone(), a, &self.device)),
                b: Weight::new(tensor(m.b.clone(), b, &self.device)),
                scale: m.scale,
            })
        });
        let list = list.collect::<Result<Vec<_>>>()?;
        if let Some(head) = &stored.head {
            let id = self.layout.head;
            self.weights[id] = Weight::new(tensor(
                head.clone(),
                shape(&self.layout.rules[id]),
                &self.device,
            ));
        }
        self.adapt(list, stored.rank, stored.alpha, stored.rslora)
    }

    /// The decoder with fresh adapters: A uniform in ±1/√in as PEFT draws it, B zero, so that nothing changes yet.
    ///
    /// `targets` are module names or their ends (`q_proj`, `self_attn.q_proj`), or `all-linear` for every matrix of the layers.
    ///
    /// # Errors
    /// A target that names no module, a rank of zero, an adapter beside another.
    pub fn with_fresh_adapter(
        self,
        rank: usize,
        alpha: f64,
        targets: &[String],
        seed: u64,
    ) -> Result<Self> {
        let bad = |field: &str, found: String, expected: String| Error::Setting {
            field: field.to_owned(),
            found,
            expected,
        };
        if rank == 0 {
            return Err(bad("lora_r", "0".to_owned(), "1 or more".to_owned()));
        }
        let all = self.spec.adapter_targets();
        let names = |module: &str, target: &str| {
            target == "all-linear" || module == target || module.ends_with(&format!(".{target}"))
        };
        for target in targets {
            if !all.iter().any(|t| names(&t.module, target)) {
                let mut known: Vec<&str> = all
                    .iter()
                    .filter_map(|t| t.module.rsplit('.').next())
                    .collect();
                known.sort_unstable();
                known.dedup();
                return Err(bad(
                    "lora_targets",
                    target.clone(),
                    format!("all-linear, or some of {}", known.join(", ")),
                ));
            }
        }
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_precision_loss,
            reason = "a factor of single precision"
        )]
        let scale = (alpha / rank as f64) as f32;
        let chosen: Vec<&AdapterTarget> = all
            .iter()
            .filter(|t| targets.iter().any(|target| names(&t.module, target)))
            .collect();
        let mut list = Vec::with_capacity(chosen.len());
        for t in chosen {
            #[expect(clippy::cast_precision_loss, reason = "a bound of single precision")]
            let bound = 1.0 / (t.inputs as f32).sqrt();
            let a: Vec<f32> = (0..rank * t.inputs)
                .map(|_| rng.random_range(-bound..bound))
                .collect();
            list.push(Adapter {
                module: t.module.clone(),
                of: self.id(&t.tensor)?,
                from: t.rows.start,
                a: Weight::new(tensor(a, [rank, t.inputs], &self.device)),
                b: Weight::new(Tensor::zeros([t.rows.len(), rank], &self.device)),
                scale,
            });
        }
        self.adapt(list, rank, alpha, false)
    }

    /// The adapters in their stored form; `None` if there are none. `base` says where PEFT will look for the model.
    #[must_use]
    pub fn adapter(&self, base: Option<String>) -> Option<Stored> {
        let adapters = self.adapters.as_ref()?;
        let matrices = adapters.list.iter().map(|a| {
            let rows = a.b.tensor.dims()[0];
            AdapterMatrix {
                module: a.module.clone(),
                tensor: self.layout.rules[a.of].name.clone(),
                rows: a.from..a.from + rows,
                rank: a.a.tensor.dims()[0],
                a: values(&a.a.tensor),
                b: values(&a.b.tensor),
                scale: a.scale,
            }
        });
        Some(Stored {
            rank: adapters.rank,
            alpha: adapters.alpha,
            rslora: adapters.rslora,
            base,
            matrices: matrices.collect(),
            head: (self.spec.head != Head::CausalLm)
                .then(|| values(&self.weights[self.layout.head].tensor)),
        })
    }

    /// The decoder without its adapters: the policy that they started from. The tensors are shared.
    #[must_use]
    pub fn base(&self) -> Self {
        let mut base = self.clone();
        base.adapters = None;
        base
    }

    /// The decoder with W + s B A in place of W and adapters.
    #[must_use]
    pub fn merged(&self) -> Self {
        let mut merged = self.base();
        for a in self.adapters.iter().flat_map(|a| &a.list) {
            let delta =
                a.b.tensor
                    .clone()
                    .matmul(a.a.tensor.clone())
                    .mul_scalar(a.scale);
            let [rows, cols] = delta.dims();
            let weight = merged.weights[a.of].change();
            let changed = weight.clone().narrow(0, a.from, rows) + delta;
            *weight = weight
                .clone()
                .slice_assign([a.from..a.from + rows, 0..cols], changed);
        }
        merged
    }

    fn adapt(
        mut self,
        mut list: Vec<Adapter>,
        rank: usize,
        alpha: f64,
        rslora: bool,
    ) -> Result<Self> {
        if self.adapters.is_some() {
            return Err(Error::Setting {
                field: "adapter".to_owned(),
                found: "a second one".to_owned(),
                expected: "one adapter; merge the first".to_owned(),
            });
        }
        list.sort_by_key(|a| (a.of, a.from));
        self.adapters = Some(Adapters {
            list,
            rows: self.layout.rules.iter().map(|r| shape(r)[0]).collect(),
            rank,
            alpha,
            rslora,
        });
        Ok(self)
    }

    /// Where a weight stands.
    pub(super) fn id(&self, name: &str) -> Result<Id> {
        self.layout
            .rules
            .iter()
            .position(|r| r.name == name)
            .ok_or_else(|| Error::bug(format!("no weight {name}")))
    }
}
