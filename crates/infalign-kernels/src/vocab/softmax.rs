//! Passes over one row of logits: soft cap and temperature, sums of the softmax, divergence from another row, gradient.
//!
//! Sums go over sixteen lanes within blocks of 1024 elements, in single precision, and over blocks in double precision, in one fixed order:
//! their relative error is about that of 64 additions, whatever the vocabulary's size.

use pulp::Arch;

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
fn shape(logits: &mut [f32], shaping: Shaping) -> f32 {
    Arch::new().dispatch(
        #[inline(always)]
        || {
            let by = 1.0 / shaping.temperature;
            if let Some(cap) = shaping.soft_cap {
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
        },
    )
}

/// Shapes a row; gives its normaliser and its entropy, ln Σ eᵗ − Σ t eᵗ / Σ eᵗ with t = z − max.
pub(super) fn normalise(logits: &mut [f32], shaping: Shaping) -> (Normaliser, f32) {
    let max = shape(logits, shaping);
    let [sum, moment] = Arch::new().dispatch(
        #[inline(always)]
        || {
            sums(logits, logits, |z, _| {
                let t = z - max;
                let weight = exp(t);
                [weight, weight * t]
            })
        },
    );
    let log_sum = sum.ln();
    (
        Normaliser {
            max,
            log_sum: log_sum as f32,
        },
        (log_sum - moment / sum) as f32,
    )
}

/// KL(p‖q) = Σ eᵗ (t − u) / Σ eᵗ − (ln Σ eᵗ − ln Σ eᵘ), with t and u the two rows relative to their maxima.
///
/// Rounding can leave a divergence of nearly equal rows slightly negative.
pub(super) fn divergence((z, p): (&[f32], Normaliser), (z_q, q): (&[f32], Normaliser)) -> f32 {
    let [sum, moment] = Arch::new().dispatch(
        #[inline(always)]
        || {
            sums(z, z_q, |z, z_q| {
                let t = z - p.max;
                let weight = exp(t);
                [weight, weight * (t - (z_q - q.max))]
            })
        },
    );
    (moment / sum - (f64::from(p.log_sum) - f64::from(q.log_sum))) as f32
}

/// Σ over the elements of two values made of each pair.
#[inline(always)]
fn sums(z: &[f32], z_q: &[f32], term: impl Fn(f32, f32) -> [f32; 2]) -> [f64; 2] {
    let mut total = [0.0_f64; 2];
    for (z, z_q) in z.chunks(BLOCK).zip(z_q.chunks(BLOCK)) {
        let (mut first, mut second) = ([0.0_f32; LANES], [0.0_f32; LANES]);
        let ((z, z_end), (z_q, z_q_end)) = (z.as_chunks::<LANES>(), z_q.as_chunks::<LANES>());
        for (z, z_q) in z.iter().zip(z_q) {
            for i in 0..LANES {
                let [a, b] = term(z[i], z_q[i]);
                first[i] += a;
                second[i] += b;
            }
        }
        for (i, (z, z_q)) in z_end.iter().zip(z_q_end).enumerate() {
            let [a, b] = term(*z, *z_q);
            first[i] += a;
            second[i] += b;
        }
        for i in 0..LANES {
            total[0] += f64::from(first[i]);
            total[1] += f64::from(second[i]);
        }
    }
    total
}

/// The measured quantities that the gradient needs.
#[derive(Clone, Copy)]
pub(super) struct Measured {
    pub(super) target: usize,
    pub(super) kl: f32,
    pub(super) entropy: f32,
}

/// Replaces z by the gradient with respect to the raw logits:
/// dz = f₁ (1\[y\] − p) + f₂ p (log p − log q − KL) − f₃ p (log p + H), then dl = dz (1 − (z T / c)²) / T.
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
        ..
    }: RowGrad,
) {
    let by = 1.0 / shaping.temperature;
    let (over_cap, capped) = match shaping.soft_cap {
        Some(cap) => (shaping.temperature / cap, by),
        None => (0.0, 0.0),
    };
    // dl / dz; without a cap the second term is not to be −0 · ∞.
    let slope = |z: f32| by - capped * (z * over_cap) * (z * over_cap);
    let of_target = d_log_prob * slope(z[target]);
    Arch::new().dispatch(
        #[inline(always)]
        || {
            let plain = |z: f32| {
                let log_p = p.log_prob(z);
                let weight = -d_log_prob - d_entropy * (log_p + entropy);
                (exp(log_p), log_p, weight)
            };
            match reference {
                Some((z_q, q)) if d_kl != 0.0 => {
                    for (z, z_q) in z.iter_mut().zip(z_q) {
                        let (prob, log_p, weight) = plain(*z);
                        let weight = weight + d_kl * (log_p - q.log_prob(*z_q) - kl);
                        *z = prob * weight * slope(*z);
                    }
                }
                _ => {
                    for z in &mut *z {
                        let (prob, _, weight) = plain(*z);
                        *z = prob * weight * slope(*z);
                    }
                }
            }
        },
    );
    z[target] += of_target;
}
