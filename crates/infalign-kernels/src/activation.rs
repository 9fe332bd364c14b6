//! Activations of feed-forward layers, plain and gated.
//!
//! | name | f(x) | f′(x) |
//! |---|---|---|
//! | relu | max(x, 0) | 1 for x > 0, else 0 |
//! | silu | x σ(x), σ(x) = 1 / (1 + e⁻ˣ) | σ (1 + x (1 − σ)) |
//! | gelu | x Φ(x), Φ the normal distribution function (arXiv 1606.08415) | Φ + x φ(x), φ the density |
//! | gelu, tanh | x (1 + tanh z) / 2 = x σ(2z), z = √(2/π) (x + 0.044715 x³) | σ + 2 x σ (1 − σ) √(2/π) (1 + 0.134145 x²) |
//!
//! Gated (Shazeer 2020, arXiv 2002.05202), on rows packed [gate g | up u]: y = f(g) u; dg = dy u f′(g), du = dy f(g).
//! `transformers` calls the tanh form `gelu_new`, `gelu_fast` and `gelu_pytorch_tanh`. NaN stays NaN; −∞ gives NaN where
//! f is a product, as in `torch`.

use crate::exp::exp;
use crate::parallel::{PIECE, each, rows_a_piece, vectorised};

/// A function of one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// max(x, 0).
    Relu,
    /// x σ(x), also called swish.
    Silu,
    /// With the error function.
    Gelu,
    /// With the hyperbolic tangent.
    GeluTanh,
}

/// √(2/π).
const ROOT: f32 = 0.797_884_6;
/// Hendrycks and Gimpel 2016, section 2.
const CUBE: f32 = 0.044_715;
/// 1/√(2π).
const DENSITY: f32 = 0.398_942_3;

#[inline(always)]
fn relu(x: f32) -> (f32, f32) {
    // Written so that NaN stays NaN.
    if x <= 0.0 { (0.0, 0.0) } else { (x, 1.0) }
}

#[inline(always)]
fn silu(x: f32) -> (f32, f32) {
    let sigma = 1.0 / (1.0 + exp(-x));
    (x * sigma, sigma * (1.0 + x * (1.0 - sigma)))
}

/// Φ(x) = erfc(−x/√2) / 2, with the Chebyshev fit of erfc of Press et al., Numerical Recipes, §6.2 (`erfcc`): fractional error 1.2e−7,
/// so that the lower tail keeps its digits.
#[inline(always)]
fn normal_cdf(x: f32) -> f32 {
    let z = x.abs() * core::f32::consts::FRAC_1_SQRT_2;
    let t = 1.0 / (1.0 + 0.5 * z);
    let p = 0.170_872_77;
    let p = p * t - 0.822_152_2;
    let p = p * t + 1.488_515_9;
    let p = p * t - 1.135_204;
    let p = p * t + 0.278_868_08;
    let p = p * t - 0.186_288_06;
    let p = p * t + 0.096_784_18;
    let p = p * t + 0.374_091_96;
    let p = p * t + 1.000_023_7;
    let p = p * t - 1.265_512_2;
    let tail = 0.5 * t * exp(p - z * z);
    if x > 0.0 { 1.0 - tail } else { tail }
}

#[inline(always)]
fn gelu(x: f32) -> (f32, f32) {
    let cdf = normal_cdf(x);
    (x * cdf, cdf + x * DENSITY * exp(-0.5 * x * x))
}

#[inline(always)]
fn gelu_tanh(x: f32) -> (f32, f32) {
    let sigma = 1.0 / (1.0 + exp(-2.0 * ROOT * (x + CUBE * x * x * x)));
    let slope = 2.0 * ROOT * (1.0 + 3.0 * CUBE * x * x);
    (x * sigma, sigma + x * sigma * (1.0 - sigma) * slope)
}

/// Calls a generic inner function with (value, derivative) as a closure that a loop can inline.
macro_rules! with_function {
    ($activation:expr, $f:ident => $body:expr) => {
        match $activation {
            Activation::Relu => {
                let $f = relu;
                $body
            }
            Activation::Silu => {
                let $f = silu;
                $body
            }
            Activation::Gelu => {
                let $f = gelu;
                $body
            }
            Activation::GeluTanh => {
                let $f = gelu_tanh;
                $body
            }
        }
    };
}

impl Activation {
    /// Writes y = f(x), element by element.
    ///
    /// # Panics
    /// If the slices are not of one length.
    pub fn forward(self, x: &[f32], y: &mut [f32]) {
        assert_eq!(x.len(), y.len(), "values of input and output");
        each(
            x.chunks(PIECE).zip(y.chunks_mut(PIECE)).collect(),
            |(x, y)| {
                with_function!(self, f => vectorised(
                    #[inline(always)]
                    || {
                        for (y, x) in y.iter_mut().zip(x) {
                            *y = f(*x).0;
                        }
                    },
                ));
            },
        );
    }

    /// Replaces `dy` by dx = dy f′(x), element by element.
    ///
    /// # Panics
    /// If the slices are not of one length.
    pub fn backward(self, x: &[f32], dy: &mut [f32]) {
        assert_eq!(x.len(), dy.len(), "values of input and gradient");
        each(
            x.chunks(PIECE).zip(dy.chunks_mut(PIECE)).collect(),
            |(x, dy)| {
                with_function!(self, f => vectorised(
                    #[inline(always)]
                    || {
                        for (dy, x) in dy.iter_mut().zip(x) {
                            *dy *= f(*x).1;
                        }
                    },
                ));
            },
        );
    }

    /// Writes y (rows, n) = f(gate) · up of `packed` rows [gate | up] (rows, 2n).
    ///
    /// # Panics
    /// If the shapes contradict each other.
    pub fn gated(self, packed: &[f32], n: usize, y: &mut [f32]) {
        assert!(
            n > 0 && y.len().is_multiple_of(n),
            "{} values are not rows of {n}",
            y.len()
        );
        assert_eq!(packed.len(), 2 * y.len(), "values of gate and up");
        let rows = rows_a_piece(n);
        let tasks = (packed.chunks(2 * n * rows).zip(y.chunks_mut(n * rows))).collect();
        each(tasks, |(packed, y)| {
            with_function!(self, f => vectorised(
                #[inline(always)]
                || {
                    for (row, y) in packed.chunks_exact(2 * n).zip(y.chunks_exact_mut(n)) {
                        let (gate, up) = row.split_at(n);
                        for ((y, g), u) in y.iter_mut().zip(gate).zip(up) {
                            *y = f(*g).0 * u;
                        }
                    }
                },
            ));
        });
    }

    /// Writes `dpacked` (rows, 2n), the gradient with respect to [gate | up], given `dy` (rows, n).
    ///
    /// # Panics
    /// If the shapes contradict each other.
    pub fn gated_backward(self, packed: &[f32], n: usize, dy: &[f32], dpacked: &mut [f32]) {
        assert!(
            n > 0 && dy.len().is_multiple_of(n),
            "{} values are not rows of {n}",
            dy.len()
        );
        assert!(
            packed.len() == 2 * dy.len() && dpacked.len() == packed.len(),
            "values of gate and up"
        );
        let rows = rows_a_piece(n);
        let tasks = (packed.chunks(2 * n * rows).zip(dy.chunks(n * rows)))
            .zip(dpacked.chunks_mut(2 * n * rows))
            .collect();
        each(tasks, |((packed, dy), dpacked)| {
            with_function!(self, f => vectorised(
                #[inline(always)]
                || {
                    let inputs = packed.chunks_exact(2 * n).zip(dy.chunks_exact(n));
                    for ((row, dy), to) in inputs.zip(dpacked.chunks_exact_mut(2 * n)) {
                        let (gate, up) = row.split_at(n);
                        let (dgate, dup) = to.split_at_mut(n);
                        let outputs = dgate.iter_mut().zip(dup);
                        for (((dg, du), (g, u)), dy) in outputs.zip(gate.iter().zip(up)).zip(dy) {
                            let (value, slope) = f(*g);
                            *dg = dy * u * slope;
                            *du = dy * value;
                        }
                    }
                },
            ));
        });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::check::{assert_close, dot, gradient, random, wide};

    const ALL: [Activation; 4] = [
        Activation::Relu,
        Activation::Silu,
        Activation::Gelu,
        Activation::GeluTanh,
    ];

    fn reference(activation: Activation, x: f64) -> f64 {
        match activation {
            Activation::Relu => x.max(0.0),
            Activation::Silu => x / (1.0 + (-x).exp()),
            Activation::Gelu => x * (1.0 + libm::erf(x / 2.0_f64.sqrt())) / 2.0,
            Activation::GeluTanh => {
                let root = (2.0 / core::f64::consts::PI).sqrt();
                x * (1.0 + (root * (x + 0.044715 * x.powi(3))).tanh()) / 2.0
            }
        }
    }

    fn gated(activation: Activation, packed: &[f64], n: usize) -> Vec<f64> {
        (packed.chunks(2 * n))
            .flat_map(|row| (0..n).map(move |i| reference(activation, row[i]) * row[n + i]))
            .collect()
    }

    #[test]
    fn values_and_slopes_over_the_line() {
        let x: Vec<f32> = (-4000..4000).map(|i| (i as f32 + 0.5) * 3e-3).collect();
        for activation in ALL {
            let mut y = vec![f32::NAN; x.len()];
            activation.forward(&x, &mut y);
            let expected: Vec<f64> = wide(&x).iter().map(|x| reference(activation, *x)).collect();
            assert_close(&y, &expected, 2e-6);
            let mut dx = vec![2.0; x.len()];
            activation.backward(&x, &mut dx);
            let h = 1e-5;
            let slope = |x: &f64| (reference(activation, x + h) - reference(activation, x - h)) / h;
            assert_close(&dx, &wide(&x).iter().map(slope).collect::<Vec<_>>(), 2e-6);
        }
    }

    #[test]
    fn ends() {
        for activation in ALL {
            let mut y = [0.0; 3];
            activation.forward(&[f32::NAN, 100.0, -100.0], &mut y);
            assert!(y[0].is_nan(), "{activation:?}");
            assert_eq!(y[1], 100.0);
            assert!(y[2].abs() < 1e-4, "{activation:?} {}", y[2]);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(30))]
        #[test]
        fn gated_values_and_gradients(rows in 0_usize..4, n in 1_usize..40, seed: u64) {
            let packed: Vec<f32> = random(rows * 2 * n, seed).iter().map(|x| 4.0 * x).collect();
            let dy = random(rows * n, seed ^ 1);
            for activation in ALL {
                let mut y = vec![f32::NAN; rows * n];
                activation.gated(&packed, n, &mut y);
                assert_close(&y, &gated(activation, &wide(&packed), n), 2e-6);
                let mut dpacked = vec![f32::NAN; packed.len()];
                activation.gated_backward(&packed, n, &dy, &mut dpacked);
                // Half a step off the kink of relu in the worst case.
                if activation != Activation::Relu || packed.iter().all(|x| x.abs() > 1e-4) {
                    let f = |x: &[f64]| dot(&gated(activation, x, n), &dy);
                    assert_close(&dpacked, &gradient(&packed, f), 4e-6);
                }
            }
        }
    }
}
