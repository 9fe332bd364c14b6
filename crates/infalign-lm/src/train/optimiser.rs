//! AdamW (Loshchilov and Hutter, arXiv 1711.05101) over a model's leaves, with clipping by the global norm.
//!
//! ```text
//! m ← β₁ m + (1 − β₁) g,  v ← β₂ v + (1 − β₂) g²,  w ← w (1 − η λ) − η / (1 − β₁ᵗ) · m / (√(v / (1 − β₂ᵗ)) + ε)
//! ```
//!
//! Two groups: matrices decay by λ, vectors (norms, biases) do not.

use burn::Tensor;
use infalign_kernels::{adamw, norm2::sum_squares};
use serde::{Deserialize, Serialize};

use super::Gradients;
use crate::{
    error::{Error, Result},
    model::Decoder,
    ops::fused,
};

/// The constants of AdamW.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdamWConfig {
    /// β₁, in [0, 1).
    pub beta1: f64,
    /// β₂, in [0, 1).
    pub beta2: f64,
    /// ε, positive.
    pub eps: f64,
    /// λ, for matrices.
    pub weight_decay: f64,
    /// The gradient is scaled down to this global norm if it is longer; `None` leaves it.
    pub clip: Option<f64>,
}

impl Default for AdamWConfig {
    fn default() -> Self {
        Self {
            beta1: 0.9,
            beta2: 0.95,
            eps: 1e-8,
            weight_decay: 0.1,
            clip: Some(1.0),
        }
    }
}

impl AdamWConfig {
    /// Checks the ranges.
    ///
    /// # Errors
    /// Names the field, its value, and what it may be.
    pub fn validate(&self) -> Result<()> {
        let share = |v: f64| (0.0..1.0).contains(&v);
        let rules = [
            ("beta1", self.beta1, share(self.beta1), "in [0, 1)"),
            ("beta2", self.beta2, share(self.beta2), "in [0, 1)"),
            (
                "eps",
                self.eps,
                self.eps > 0.0 && self.eps.is_finite(),
                "positive",
            ),
            (
                "weight_decay",
                self.weight_decay,
                self.weight_decay >= 0.0 && self.weight_decay.is_finite(),
                "0 or more",
            ),
            (
                "clip",
                self.clip.unwrap_or(1.0),
                self.clip.is_none_or(|c| c > 0.0),
                "positive, or left out",
            ),
        ];
        for (field, value, good, expected) in rules {
            if !good {
                return Err(Error::Setting {
                    field: field.to_owned(),
                    found: value.to_string(),
                    expected: expected.to_owned(),
                });
            }
        }
        Ok(())
    }
}

/// AdamW with its running moments, one pair for each leaf.
#[derive(Debug, Clone)]
pub struct AdamW {
    config: AdamWConfig,
    /// Updates made so far.
    pub(crate) steps: u64,
    /// (m, v) of each leaf; none before its first gradient.
    pub(crate) moments: Vec<Option<[Tensor<2>; 2]>>,
}

/// What an update found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Update {
    /// The gradient's global norm, before clipping.
    pub norm: f64,
    /// Whether it was scaled down.
    pub clipped: bool,
}

impl AdamW {
    /// No updates made.
    ///
    /// # Errors
    /// As [`AdamWConfig::validate`].
    pub fn new(config: AdamWConfig, model: &Decoder) -> Result<Self> {
        config.validate()?;
        Ok(Self {
            config,
            steps: 0,
            moments: model.leaves().map(|_| None).collect(),
        })
    }

    /// Moves the model's leaves against their gradients, which are first multiplied by `scale` (one over the rows of a mean, say).
    ///
    /// # Errors
    /// A gradient that is not a number: nothing has been moved then.
    pub fn update(
        &mut self,
        model: &mut Decoder,
        gradients: Gradients,
        scale: f64,
        rate: f64,
    ) -> Result<Update> {
        let gradients = gradients.leaves;
        let norm = scale.abs()
            * gradients
                .iter()
                .flatten()
                .map(sum_of_squares)
                .sum::<f64>()
                .sqrt();
        if !norm.is_finite() {
            return Err(Error::Diverged {
                step: self.steps + 1,
                what: format!("the gradient's norm is {norm}"),
            });
        }
        let clip = match self.config.clip {
            // torch.nn.utils.clip_grad_norm_ adds 1e−6 to the norm.
            Some(limit) => (limit / (norm + 1e-6)).min(1.0),
            None => 1.0,
        };
        self.steps += 1;
        let constants = adamw::AdamW {
            learning_rate: rate,
            beta1: self.config.beta1,
            beta2: self.config.beta2,
            eps: self.config.eps,
            weight_decay: self.config.weight_decay,
            step: self.steps,
            gradient_scale: (scale * clip) as f32,
        };
        let decays = model.leaf_is_matrix();
        let leaves = model
            .leaves_mut()
            .zip(&mut self.moments)
            .zip(gradients)
            .zip(decays);
        for (((weight, moments), gradient), decays) in leaves {
            let Some(gradient) = gradient else { continue };
            let zeros = || Tensor::zeros_like(weight);
            let [m, v] = moments.take().unwrap_or_else(|| [zeros(), zeros()]);
            let constants = adamw::AdamW {
                weight_decay: if decays { constants.weight_decay } else { 0.0 },
                ..constants
            };
            *moments = Some(move_one(weight, gradient, m, v, constants));
        }
        Ok(Update {
            norm,
            clipped: clip < 1.0,
        })
    }
}

fn sum_of_squares(t: &Tensor<2>) -> f64 {
    if fused::is_cpu(&t.device()) {
        return fused::read(t, sum_squares);
    }
    t.clone().powi_scalar(2).sum().into_scalar::<f32>().into()
}

fn move_one(
    weight: &mut Tensor<2>,
    gradient: Tensor<2>,
    mut m: Tensor<2>,
    mut v: Tensor<2>,
    c: adamw::AdamW,
) -> [Tensor<2>; 2] {
    if fused::is_cpu(&weight.device()) {
        fused::read(&gradient, |g| {
            fused::write([weight, &mut m, &mut v], |[w, m, v]| c.update(w, g, m, v));
        });
        return [m, v];
    }
    let g = gradient.mul_scalar(c.gradient_scale);
    let m = m.mul_scalar(c.beta1) + g.clone().mul_scalar(1.0 - c.beta1);
    let v = v.mul_scalar(c.beta2) + g.powi_scalar(2).mul_scalar(1.0 - c.beta2);
    let t = i32::try_from(c.step).unwrap_or(i32::MAX);
    let (c1, c2) = (1.0 - c.beta1.powi(t), 1.0 - c.beta2.powi(t));
    let step = m.clone().mul_scalar(c.learning_rate / c1)
        / v.clone().div_scalar(c2).sqrt().add_scalar(c.eps);
    *weight = weight
        .clone()
        .mul_scalar(1.0 - c.learning_rate * c.weight_decay)
        - step;
    [m, v]
}
