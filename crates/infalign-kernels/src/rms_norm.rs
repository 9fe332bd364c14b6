//! Root-mean-square normalisation (Zhang and Sennrich 2019, arXiv 1910.07467), with the residual sum before it.
//!
//! With s = x, or s = x + r where a residual r is given, n values a row, g = weight + offset (offset 1 in Gemma, else 0):
//!
//! ρ = 1 / √(Σ s² / n + ε), y = s ρ g.
//!
//! Backward, with x̂ = s ρ and a = dy · g: ds = ρ (a − x̂ Σ(a x̂) / n), dweight = Σ over rows of dy · x̂.
//! ρ is made again from s: the row is read anyway. dweight is made of partial sums of 64 rows, added in order, whatever the threads.
//!
//! | case | result |
//! |---|---|
//! | no rows | nothing is written; dweight is 0, or as it was |
//! | a row of zeros | y = 0 |

use crate::lanes::{sum, sum3};
use crate::parallel::{Write, each, map, rows_a_piece, vectorised};

/// Rows of a partial sum of the weight's gradient.
const PARTIAL: usize = 64;

/// The weight of a norm.
#[derive(Clone, Copy, Debug)]
pub struct RmsNorm<'a> {
    /// Row size values.
    pub weight: &'a [f32],
    /// Added to every weight: 1 in Gemma, else 0.
    pub offset: f32,
    /// Added to the mean square; positive.
    pub eps: f32,
}

impl RmsNorm<'_> {
    /// Writes `y` (rows, n) of `x` (rows, n).
    ///
    /// # Panics
    /// If the slices are not of one length, a multiple of the weight's.
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

    /// Writes or adds to `dx` (rows, n) the gradient with respect to what was normalised, `x` (x + residual in the fused form), given `dy`;
    /// writes or adds to `dweight` (n), if it is wanted.
    ///
    /// In the fused form the gradient of x and of the residual is `dx` plus what flows into `s` from elsewhere: put that in `dx` and add.
    ///
    /// # Panics
    /// As [`Self::forward`].
    pub fn backward(
        &self,
        x: &[f32],
        dy: &[f32],
        (dx, dx_write): (&mut [f32], Write),
        dweight: Option<(&mut [f32], Write)>,
    ) {
        let n = self.check(x.len(), dx.len());
        assert_eq!(dy.len(), x.len(), "values of dy");
        let wanted = dweight.is_some();
        let piece = PARTIAL * n;
        let tasks: Vec<_> = (x.chunks(piece).zip(dy.chunks(piece)))
            .zip(dx.chunks_mut(piece))
            .collect();
        let partial = map(tasks, |((x, dy), dx)| {
            let mut partial = vec![0.0; if wanted { n } else { 0 }];
            vectorised(
                #[inline(always)]
                || {
                    let inputs = x.chunks_exact(n).zip(dy.chunks_exact(n));
                    for ((x, dy), dx) in inputs.zip(dx.chunks_exact_mut(n)) {
                        self.row_backward(x, dy, dx, dx_write, &mut partial);
                    }
                },
            );
            partial
        });
        if let Some((dweight, write)) = dweight {
            assert_eq!(dweight.len(), n, "values of dweight");
            add_in_order(&partial, dweight, write);
        }
    }

    fn check(&self, values: usize, others: usize) -> usize {
        let n = self.weight.len();
        assert!(
            n > 0 && values.is_multiple_of(n),
            "{values} values are not rows of {n}"
        );
        assert_eq!(values, others, "values of input and output");
        n
    }

    #[inline(always)]
    fn inverse(&self, x: &[f32]) -> f32 {
        1.0 / (sum(x, |x| x * x) / x.len() as f32 + self.eps).sqrt()
    }

    #[inline(always)]
    fn row(&self, x: &[f32], y: &mut [f32]) {
        let inverse = self.inverse(x);
        for ((y, x), w) in y.iter_mut().zip(x).zip(self.weight) {
            *y = x * inverse * (w + self.offset);
        }
    }

    #[inline(always)]
    fn row_backward(
        &self,
        x: &[f32],
        dy: &[f32],
        dx: &mut [f32],
        write: Write,
        partial: &mut [f32],
    ) {
        let (inverse, offset) = (self.inverse(x), self.offset);
        let along = sum3(x, dy, self.weight, |x, dy, w| {
            dy * (w + offset) * (x * inverse)
        });
        let mean = along / x.len() as f32;
        for (((dx, x), dy), w) in dx.iter_mut().zip(x).zip(dy).zip(self.weight) {
            write.put(dx, inverse * (dy * (w + offset) - x * inverse * mean));
        }
        for ((p, x), dy) in partial.iter_mut().zip(x).zip(dy) {
            *p += dy * (x * inverse);
        }
    }
}

/// `to` = or += the sum of equally long rows, in order.
pub(crate) fn add_in_order(rows: &[Vec<f32>], to: &mut [f32], write: Write) {
    if write == Write::Set {
        to.fill(0.0);
    }
    for row in rows {
        for (to, x) in to.iter_mut().zip(row) {
            *to += x;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::check::{assert_close, assert_same, dot, gradient, random, wide};

    fn reference(x: &[f64], weight: &[f64], offset: f32, eps: f32) -> Vec<f64> {
        let n = weight.len();
        x.chunks(n)
            .flat_map(|x| {
                let mean = x.iter().map(|x| x * x).sum::<f64>() / n as f64;
                let inverse = 1.0 / (mean + f64::from(eps)).sqrt();
                x.iter()
                    .zip(weight)
                    .map(move |(x, w)| x * inverse * (w + f64::from(offset)))
            })
            .collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(30))]
        #[test]
        fn values_and_gradients_agree_with_the_formula(
            rows in 0_usize..5, n in 1_usize..40, gemma: bool, seed: u64,
        ) {
            let (x, weight, dy) = (random(rows * n, seed), random(n, seed ^ 1), random(rows * n, seed ^ 2));
            let offset = if gemma { 1.0 } else { 0.0 };
            let norm = RmsNorm { weight: &weight, offset, eps: 1e-2 };
            let mut y = vec![f32::NAN; x.len()];
            norm.forward(&x, &mut y);
            assert_close(&y, &reference(&wide(&x), &wide(&weight), offset, 1e-2), 2e-6);
            let (mut dx, mut dw) = (vec![f32::NAN; x.len()], vec![f32::NAN; n]);
            norm.backward(&x, &dy, (&mut dx, Write::Set), Some((&mut dw, Write::Set)));
            let w = wide(&weight);
            assert_close(&dx, &gradient(&x, |x| dot(&reference(x, &w, offset, 1e-2), &dy)), 2e-5);
            let v = wide(&x);
            assert_close(&dw, &gradient(&weight, |w| dot(&reference(&v, w, offset, 1e-2), &dy)), 2e-5);
            let (once_x, once_w) = (dx.clone(), dw.clone());
            norm.backward(&x, &dy, (&mut dx, Write::Add), Some((&mut dw, Write::Add)));
            for (twice, once) in dx.iter().zip(&once_x) {
                assert_eq!(*twice, 2.0 * once);
            }
            // At most 64 rows are one partial sum, so that adding it again doubles exactly.
            for (twice, once) in dw.iter().zip(&once_w) {
                assert_eq!(*twice, 2.0 * once);
            }
        }
    }

    #[test]
    fn fused_and_separate_sums_agree_bit_for_bit_and_rows_do_not_depend_on_their_number() {
        let (rows, n) = (300, 96);
        let (x, r, weight) = (random(rows * n, 1), random(rows * n, 2), random(n, 3));
        let norm = RmsNorm {
            weight: &weight,
            offset: 0.0,
            eps: 1e-6,
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

    #[test]
    fn the_weights_gradient_does_not_depend_on_the_number_of_threads() {
        let (rows, n) = (1000, 33);
        let (x, dy, weight) = (random(rows * n, 1), random(rows * n, 2), random(n, 3));
        let norm = RmsNorm {
            weight: &weight,
            offset: 0.0,
            eps: 1e-6,
        };
        let results: Vec<_> = [1, 3]
            .into_iter()
            .filter_map(|threads| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
                let (mut dx, mut dw) = (vec![0.0; rows * n], vec![0.0; n]);
                pool.build().ok()?.install(|| {
                    norm.backward(&x, &dy, (&mut dx, Write::Set), Some((&mut dw, Write::Set)));
                });
                Some(dw)
            })
            .collect();
        assert_eq!(results.len(), 2);
        assert_same(&results[0], &results[1]);
    }
}
