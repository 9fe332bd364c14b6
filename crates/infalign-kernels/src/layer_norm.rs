//! Layer normalisation (Ba, Kiros and Hinton 2016, arXiv 1607.06450).
//!
//! With n values a row: μ = Σ x / n, σ² = Σ (x − μ)² / n, ρ = 1 / √(σ² + ε), x̂ = (x − μ) ρ, y = x̂ w + b.
//!
//! Backward, with a = dy · w: dx = ρ (a − Σ a / n − x̂ Σ(a x̂) / n), dw = Σ over rows of dy · x̂, db = Σ over rows of dy.
//! dw and db are made of partial sums of 64 rows, added in order, whatever the threads.
//!
//! | case | result |
//! |---|---|
//! | no rows | nothing is written; dw, db are 0, or as they were |
//! | a constant row | y = b |

use crate::lanes::{sum, sum2, sum3};
use crate::parallel::{Write, each, map, rows_a_piece, vectorised};
use crate::rms_norm::add_in_order;

/// Rows of a partial sum of the weight's gradient.
const PARTIAL: usize = 64;

/// Weight and bias of a norm.
#[derive(Clone, Copy, Debug)]
pub struct LayerNorm<'a> {
    /// Row size values.
    pub weight: &'a [f32],
    /// Row size values.
    pub bias: &'a [f32],
    /// Added to the variance; positive.
    pub eps: f32,
}

impl LayerNorm<'_> {
    /// Writes `y` (rows, n) of `x` (rows, n).
    ///
    /// # Panics
    /// If the slices are not of one length, a multiple of the weight's, or the bias is not as long as the weight.
    pub fn forward(&self, x: &[f32], y: &mut [f32]) {
        let n = self.check(x.len(), y.len());
        let piece = rows_a_piece(n) * n;
        let tasks: Vec<_> = x.chunks(piece).zip(y.chunks_mut(piece)).collect();
        each(tasks, |(x, y)| {
            vectorised(
                #[inline(always)]
                || {
                    for (x, y) in x.chunks_exact(n).zip(y.chunks_exact_mut(n)) {
                        self.row(x, y);
                    }
                },
            );
        });
    }

    /// Writes `s` = `x` + `residual` and `y` = the norm of `s`, all (rows, n).
    ///
    /// # Panics
    /// As [`Self::forward`].
    pub fn forward_residual(&self, x: &[f32], residual: &[f32], s: &mut [f32], y: &mut [f32]) {
        let n = self.check(x.len(), y.len());
        assert!(
            residual.len() == x.len() && s.len() == x.len(),
            "values of the residual"
        );
        let piece = rows_a_piece(n) * n;
        let tasks: Vec<_> = (x.chunks(piece).zip(residual.chunks(piece)))
            .zip(s.chunks_mut(piece).zip(y.chunks_mut(piece)))
            .collect();
        each(tasks, |((x, residual), (s, y))| {
            vectorised(
                #[inline(always)]
                || {
                    let inputs = x.chunks_exact(n).zip(residual.chunks_exact(n));
                    let outputs = s.chunks_exact_mut(n).zip(y.chunks_exact_mut(n));
                    for ((x, r), (s, y)) in inputs.zip(outputs) {
                        for ((s, x), r) in s.iter_mut().zip(x).zip(r) {
                            *s = x + r;
                        }
                        self.row(s, y);
                    }
                },
            );
        });
    }

    /// Writes or adds to `dx` (rows, n), given `dy`; writes or adds to (dweight, dbias), n values each, if they are wanted.
    ///
    /// # Panics
    /// As [`Self::forward`].
    pub fn backward(
        &self,
        x: &[f32],
        dy: &[f32],
        (dx, dx_write): (&mut [f32], Write),
        parameters: Option<(&mut [f32], &mut [f32], Write)>,
    ) {
        let n = self.check(x.len(), dx.len());
        assert_eq!(dy.len(), x.len(), "values of dy");
        let wanted = if parameters.is_some() { n } else { 0 };
        let piece = PARTIAL * n;
        let tasks: Vec<_> = (x.chunks(piece).zip(dy.chunks(piece)))
            .zip(dx.chunks_mut(piece))
            .collect();
        let partial = map(tasks, |((x, dy), dx)| {
            let (mut dw, mut db) = (vec![0.0; wanted], vec![0.0; wanted]);
            vectorised(
                #[inline(always)]
                || {
                    let inputs = x.chunks_exact(n).zip(dy.chunks_exact(n));
                    for ((x, dy), dx) in inputs.zip(dx.chunks_exact_mut(n)) {
                        self.row_backward(x, dy, (dx, dx_write), &mut dw, &mut db);
                    }
                },
            );
            (dw, db)
        });
        if let Some((dweight, dbias, write)) = parameters {
            assert!(
                dweight.len() == n && dbias.len() == n,
                "values of dweight and dbias"
            );
            let (dw, db): (Vec<_>, Vec<_>) = partial.into_iter().unzip();
            add_in_order(&dw, dweight, write);
            add_in_order(&db, dbias, write);
        }
    }

    fn check(&self, values: usize, others: usize) -> usize {
        let n = self.weight.len();
        assert!(
            n > 0 && values.is_multiple_of(n),
            "{values} values are not rows of {n}"
        );
        assert_eq!(values, others, "values of input and output");
        assert_eq!(self.bias.len(), n, "values of the bias");
        n
    }

    /// (μ, ρ) of a row.
    #[inline(always)]
    fn moments(&self, x: &[f32]) -> (f32, f32) {
        let n = x.len() as f32;
        let mean = sum(x, |x| x) / n;
        let variance = sum(x, |x| (x - mean) * (x - mean)) / n;
        (mean, 1.0 / (variance + self.eps).sqrt())
    }

    #[inline(always)]
    fn row(&self, x: &[f32], y: &mut [f32]) {
        let (mean, inverse) = self.moments(x);
        for (((y, x), w), b) in y.iter_mut().zip(x).zip(self.weight).zip(self.bias) {
            *y = (x - mean) * inverse * w + b;
        }
    }

    #[inline(always)]
    fn row_backward(
        &self,
        x: &[f32],
        dy: &[f32],
        (dx, write): (&mut [f32], Write),
        dw: &mut [f32],
        db: &mut [f32],
    ) {
        let n = x.len() as f32;
        let (mean, inverse) = self.moments(x);
        let a = sum2(dy, self.weight, |dy, w| dy * w) / n;
        let along = sum3(x, dy, self.weight, |x, dy, w| {
            dy * w * ((x - mean) * inverse)
        }) / n;
        for (((dx, x), dy), w) in dx.iter_mut().zip(x).zip(dy).zip(self.weight) {
            write.put(dx, inverse * (dy * w - a - (x - mean) * inverse * along));
        }
        for (((dw, db), x), dy) in dw.iter_mut().zip(db).zip(x).zip(dy) {
            *dw += dy * ((x - mean) * inverse);
            *db += dy;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::check::{assert_close, assert_same, dot, gradient, random, wide};

    fn reference(x: &[f64], weight: &[f64], bias: &[f64], eps: f32) -> Vec<f64> {
        let n = weight.len();
        x.chunks(n)
            .flat_map(|x| {
                let mean = x.iter().sum::<f64>() / n as f64;
                let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n as f64;
                let inverse = 1.0 / (variance + f64::from(eps)).sqrt();
                (x.iter().zip(weight).zip(bias))
                    .map(move |((x, w), b)| (x - mean) * inverse * w + b)
            })
            .collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(30))]
        #[test]
        fn values_and_gradients_agree_with_the_formula(rows in 0_usize..5, n in 1_usize..40, seed: u64) {
            let (x, dy) = (random(rows * n, seed), random(rows * n, seed ^ 2));
            let (weight, bias) = (random(n, seed ^ 1), random(n, seed ^ 3));
            let norm = LayerNorm { weight: &weight, bias: &bias, eps: 1e-2 };
            let mut y = vec![f32::NAN; x.len()];
            norm.forward(&x, &mut y);
            let (v, w, b) = (wide(&x), wide(&weight), wide(&bias));
            assert_close(&y, &reference(&v, &w, &b, 1e-2), 4e-6);
            let (mut dx, mut dw, mut db) = (vec![f32::NAN; x.len()], vec![1.0; n], vec![1.0; n]);
            norm.backward(&x, &dy, (&mut dx, Write::Set), Some((&mut dw, &mut db, Write::Set)));
            assert_close(&dx, &gradient(&x, |x| dot(&reference(x, &w, &b, 1e-2), &dy)), 2e-5);
            assert_close(&dw, &gradient(&weight, |w| dot(&reference(&v, w, &b, 1e-2), &dy)), 2e-5);
            assert_close(&db, &gradient(&bias, |b| dot(&reference(&v, &w, b, 1e-2), &dy)), 2e-5);
        }
    }

    #[test]
    fn fused_and_separate_sums_agree_bit_for_bit_and_rows_do_not_depend_on_their_number() {
        let (rows, n) = (300, 96);
        let (x, r) = (random(rows * n, 1), random(rows * n, 2));
        let (weight, bias) = (random(n, 3), random(n, 4));
        let norm = LayerNorm {
            weight: &weight,
            bias: &bias,
            eps: 1e-5,
        };
        let (mut s, mut y) = (vec![0.0; rows * n], vec![0.0; rows * n]);
        norm.forward_residual(&x, &r, &mut s, &mut y);
        let sums: Vec<f32> = x.iter().zip(&r).map(|(x, r)| x + r).collect();
        assert_same(&s, &sums);
        let mut alone = vec![0.0; rows * n];
        for (x, y) in sums.chunks(n).zip(alone.chunks_mut(n)) {
            norm.forward(x, y);
        }
        assert_same(&y, &alone);
    }
}
