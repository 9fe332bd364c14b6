//! One step of `AdamW` (Loshchilov and Hutter 2019, arXiv 1711.05101, algorithm 2), all of it in one pass.
//!
//! At step t = 1, 2, …, with g the gradient times `gradient_scale` (clipping):
//!
//! θ ← θ (1 − η λ); m ← m + (1 − β₁)(g − m); v ← β₂ v + (1 − β₂) g²;
//! θ ← θ − η / (1 − β₁ᵗ) · m / (√v / √(1 − β₂ᵗ) + ε).
//!
//! Order of operations and roundings are those of `torch.optim.AdamW`: factors are made in `f64` and rounded once.

use crate::parallel::{PIECE, each, vectorised};

/// What a step is made with.
#[derive(Clone, Copy, Debug)]
pub struct AdamW {
    /// η, the learning rate of this step.
    pub learning_rate: f64,
    /// β₁, in [0, 1).
    pub beta1: f64,
    /// β₂, in [0, 1).
    pub beta2: f64,
    /// ε, positive.
    pub eps: f64,
    /// λ, decoupled.
    pub weight_decay: f64,
    /// t, from 1.
    pub step: u64,
    /// What every gradient is multiplied by first.
    pub gradient_scale: f32,
}

impl AdamW {
    /// Moves `parameters` and the moments `m`, `v` by one step.
    ///
    /// # Panics
    /// If the slices are not of one length.
    pub fn update(&self, parameters: &mut [f32], gradient: &[f32], m: &mut [f32], v: &mut [f32]) {
        let n = parameters.len();
        assert!(
            gradient.len() == n && m.len() == n && v.len() == n,
            "values of parameters, gradient and moments"
        );
        let t = self.step as f64;
        let decay = (1.0 - self.learning_rate * self.weight_decay) as f32;
        let weight1 = (1.0 - self.beta1) as f32;
        let (beta2, weight2) = (self.beta2 as f32, (1.0 - self.beta2) as f32);
        let size = -((self.learning_rate / (1.0 - self.beta1.powf(t))) as f32);
        let root = ((1.0 - self.beta2.powf(t)).sqrt()) as f32;
        let (eps, scale) = (self.eps as f32, self.gradient_scale);
        let tasks: Vec<_> = (parameters.chunks_mut(PIECE).zip(gradient.chunks(PIECE)))
            .zip(m.chunks_mut(PIECE).zip(v.chunks_mut(PIECE)))
            .collect();
        each(tasks, |((parameters, gradient), (m, v))| {
            vectorised(
                #[inline(always)]
                || {
                    let moments = m.iter_mut().zip(v.iter_mut());
                    for ((p, g), (m, v)) in parameters.iter_mut().zip(gradient).zip(moments) {
                        let g = g * scale;
                        *p *= decay;
                        *m += weight1 * (g - *m);
                        *v = *v * beta2 + weight2 * (g * g);
                        *p += size * (*m / (v.sqrt() / root + eps));
                    }
                },
            );
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{assert_close, random, wide};

    /// The formula in `f64` over twenty steps.
    #[test]
    fn twenty_steps_agree_with_the_formula() {
        for n in [1, 17, 40_000] {
            let mut p = random(n, 1);
            let (mut m, mut v) = (vec![0.0; n], vec![0.0; n]);
            let mut p64 = wide(&p);
            let (mut m64, mut v64) = (vec![0.0; n], vec![0.0; n]);
            for step in 1..=20_u64 {
                let gradient = random(n, 100 + step);
                let adamw = AdamW {
                    learning_rate: 1e-2,
                    beta1: 0.9,
                    beta2: 0.95,
                    eps: 1e-8,
                    weight_decay: 0.1,
                    step,
                    gradient_scale: 0.5,
                };
                adamw.update(&mut p, &gradient, &mut m, &mut v);
                let t = step as i32;
                for i in 0..n {
                    let g = 0.5 * f64::from(gradient[i]);
                    p64[i] -= 1e-2 * 0.1 * p64[i];
                    m64[i] = 0.9 * m64[i] + 0.1 * g;
                    v64[i] = 0.95 * v64[i] + 0.05 * g * g;
                    let m_hat = m64[i] / (1.0 - 0.9_f64.powi(t));
                    let v_hat: f64 = v64[i] / (1.0 - 0.95_f64.powi(t));
                    p64[i] -= 1e-2 * m_hat / (v_hat.sqrt() + 1e-8);
                }
            }
            assert_close(&p, &p64, 1e-6);
            assert_close(&m, &m64, 1e-6);
            assert_close(&v, &v64, 1e-6);
        }
    }

    /// `torch.optim.AdamW([1.0, −2.0, 0.5], lr 0.1, betas (0.9, 0.999), eps 1e−8, weight decay 0.01)` by hand: the first step moves every
    /// parameter by η against the sign of its gradient, after decay.
    #[test]
    fn the_first_step_is_the_learning_rate() {
        let mut p = [1.0, -2.0, 0.5];
        let adamw = AdamW {
            learning_rate: 0.1,
            beta1: 0.9,
            beta2: 0.999,
            eps: 1e-8,
            weight_decay: 0.01,
            step: 1,
            gradient_scale: 1.0,
        };
        adamw.update(&mut p, &[0.3, -4.0, 0.0], &mut [0.0; 3], &mut [0.0; 3]);
        assert_close(&p, &[0.999 - 0.1, -1.998 + 0.1, 0.4995], 1e-6);
    }
}
