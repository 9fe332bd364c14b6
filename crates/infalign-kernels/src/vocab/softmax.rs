//! Passes over one row of logits: soft cap and temperature, sums of the softmax, divergence from another row, gradient.
//!
//! Sums go over sixteen lanes within blocks of 1024 elements, in single precision, and over blocks in double precision, in one fixed order:
//! their relative error is about that of 64 additions, whatever the vocabulary's size.

use pulp::{Arch, NullaryFnOnce};

use super::RowGrad;
use crate::exp::exp;
use crate::tanh::tanh;

const LANES: usize = 16;
const BLOCK: usize = 64 * LANES;
/// Stands for an infinite logit, so that 0 · (−∞) never arises: e to it is 0, and differences of two are finite.
const HUGE: f32 = 1e30;

/// What turns raw logits l into z = c tanh(l / c) / T; without a cap, z = l / T.
#[derive(Clone, Copy)]
pub(super) struct Shaping {
    pub(super) soft_cap: Option<f32>,
    pub(super) temperature: f32,
}

/// log p(v) = (z(v) − `max`) − `log_sum`.
#[derive(Clone, Copy, Default)]
pub(super) struct Normaliser {
    pub(super) max: f32,
    pub(super) log_sum: f32,
}

impl Normaliser {
    #[inline(always)]
    pub(super) fn log_prob(self, z: f32) -> f32 {
        (z - self.max) - self.log_sum
    }
}

/// Replaces raw logits by z and gives the largest.
struct Shape<'a>(&'a mut [f32], Shaping);

impl NullaryFnOnce for Shape<'_> {
    type Output = f32;

    #[inline(always)]
    fn call(self) -> f32 {
        let Self(
            logits,
            Shaping {
                soft_cap,
                temperature,
            },
        ) = self;
        let by = 1.0 / temperature;
        if let Some(cap) = soft_cap {
            let inverse = 1.0 / cap;
            let by = cap * by;
            for l in &mut *logits {
                *l = tanh(*l * inverse) * by;
            }
        } else {
            for l in &mut *logits {
                *l = (*l * by).clamp(-HUGE, HUGE);
            }
        }
        let mut max = [-HUGE; LANES];
        let (lanes, tail) = logits.as_chunks::<LANES>();
        for z in lanes {
            for i in 0..LANES {
                max[i] = if z[i] > max[i] { z[i] } else { max[i] };
            }
        }
        max.iter().chain(tail).copied().fold(-HUGE, f32::max)
    }
}

/// Shapes a row; gives its normaliser and its entropy, ln Σ eᵗ − Σ t eᵗ / Σ eᵗ with t = z − max.
pub(super) fn normalise(logits: &mut [f32], shaping: Shaping) -> (Normaliser, f32) {
    let arch = Arch::new();
    let max = arch.dispatch(Shape(logits, shaping));
    let [sum, moment] = arch.dispatch(Sums {
        z: logits,
        max,
        other: None,
    });
    let log_sum = sum.ln();
    let normaliser = Normaliser {
        max,
        log_sum: log_sum as f32,
    };
    (normaliser, (log_sum - moment / sum) as f32)
}

/// KL(p‖q) = Σ eᵗ (t − u) / Σ eᵗ − (ln Σ eᵗ − ln Σ eᵘ), with t and u the two rows relative to their maxima.
///
/// Rounding can leave a divergence of nearly equal rows slightly negative.
pub(super) fn divergence((z, p): (&[f32], Normaliser), (z_q, q): (&[f32], Normaliser)) -> f32 {
    let sums = Sums {
        z,
        max: p.max,
        other: Some((z_q, q.max)),
    };
    let [sum, moment] = Arch::new().dispatch(sums);
    (moment / sum - (f64::from(p.log_sum) - f64::from(q.log_sum))) as f32
}

/// Σ eᵗ and Σ eᵗ t, or Σ eᵗ (t − u) with another row, where t and u are relative to their rows' maxima.
struct Sums<'a> {
    z: &'a [f32],
    max: f32,
    other: Option<(&'a [f32], f32)>,
}

impl NullaryFnOnce for Sums<'_> {
    type Output = [f64; 2];

    #[inline(always)]
    fn call(self) -> [f64; 2] {
        let Self { z, max, other } = self;
        // The terms of a block are written down first: a loop that only computes them becomes vector code, and so does one that only adds.
        let (mut weights, mut values) = ([0.0_f32; BLOCK], [0.0_f32; BLOCK]);
        let mut total = [0.0_f64; 2];
        for (block, z) in z.chunks(BLOCK).enumerate() {
            let (weights, values) = (&mut weights[..z.len()], &mut values[..z.len()]);
            for (weight, z) in weights.iter_mut().zip(z) {
                *weight = exp(z - max);
            }
            if let Some((u, u_max)) = other {
                for ((value, z), u) in values.iter_mut().zip(z).zip(&u[block * BLOCK..]) {
                    *value = (z - max) - (u - u_max);
                }
            } else {
                for (value, z) in values.iter_mut().zip(z) {
                    *value = z - max;
                }
            }
            for (value, weight) in values.iter_mut().zip(&*weights) {
                *value *= weight;
            }
            total[0] += block_sum(weights);
            total[1] += block_sum(values);
        }
        total
    }
}

/// The sum over sixteen lanes.
#[inline(always)]
fn block_sum(values: &[f32]) -> f64 {
    let mut sums = [0.0_f32; LANES];
    let (lanes, end) = values.as_chunks::<LANES>();
    for lane in lanes {
        for i in 0..LANES {
            sums[i] += lane[i];
        }
    }
    for (sum, value) in sums.iter_mut().zip(end) {
        *sum += value;
    }
    sums.iter().map(|sum| f64::from(*sum)).sum()
}

/// The measured quantities that the gradient needs.
#[derive(Clone, Copy)]
pub(super) struct Measured {
    pub(super) target: usize,
    pub(super) kl: f32,
    pub(super) entropy: f32,
}

/// dl / dz = (1 − (z T / c)²) / T; without a cap, 1 / T.
#[derive(Clone, Copy)]
struct Slope {
    flat: f32,
    capped: f32,
    over_cap: f32,
}

impl Slope {
    fn new(
        Shaping {
            soft_cap,
            temperature,
        }: Shaping,
    ) -> Self {
        let flat = 1.0 / temperature;
        match soft_cap {
            Some(cap) => Self {
                flat,
                capped: flat,
                over_cap: temperature / cap,
            },
            None => Self {
                flat,
                capped: 0.0,
                over_cap: 0.0,
            },
        }
    }

    #[inline(always)]
    fn at(self, z: f32) -> f32 {
        let tanh = z * self.over_cap;
        self.flat - self.capped * (tanh * tanh)
    }
}

/// Replaces z by the gradient with respect to the raw logits:
/// dz = f₁ (1\[y\] − p) + f₂ p (log p − log q − KL) − f₃ p (log p + H) + f₄ (p − q), then dl = dz (1 − (z T / c)²) / T.
pub(super) fn gradient(
    (z, p): (&mut [f32], Normaliser),
    reference: Option<(&[f32], Normaliser)>,
    shaping: Shaping,
    Measured {
        target,
        kl,
        entropy,
    }: Measured,
    RowGrad {
        d_log_prob,
        d_kl,
        d_entropy,
        d_ref_cross_entropy,
        ..
    }: RowGrad,
) {
    let slope = Slope::new(shaping);
    let of_target = d_log_prob * slope.at(z[target]);
    let logits = &mut *z;
    // Captures are moved: behind references they might alias the logits, and the loops would stay scalar.
    Arch::new().dispatch(
        #[inline(always)]
        move || match reference {
            Some((z_q, q)) if d_ref_cross_entropy != 0.0 => {
                for (z, z_q) in logits.iter_mut().zip(z_q) {
                    let (log_p, log_q) = (p.log_prob(*z), q.log_prob(*z_q));
                    let weight = d_ref_cross_entropy + d_kl * (log_p - log_q - kl)
                        - d_log_prob
                        - d_entropy * (log_p + entropy);
                    let dz = exp(log_p) * weight - d_ref_cross_entropy * exp(log_q);
                    *z = dz * slope.at(*z);
                }
            }
            Some((z_q, q)) if d_kl != 0.0 => {
                for (z, z_q) in logits.iter_mut().zip(z_q) {
                    let log_p = p.log_prob(*z);
                    let weight = d_kl * (log_p - q.log_prob(*z_q) - kl)
                        - d_log_prob
                        - d_entropy * (log_p + entropy);
                    *z = exp(log_p) * weight * slope.at(*z);
                }
            }
            _ => {
                for z in logits {
                    let log_p = p.log_prob(*z);
                    let weight = -d_log_prob - d_entropy * (log_p + entropy);
                    *z = exp(log_p) * weight * slope.at(*z);
                }
            }
        },
    );
    z[target] += of_target;
}
