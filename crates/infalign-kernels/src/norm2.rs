//! The sum of squares of many values, and their scaling: what clipping by the global norm needs.
//!
//! Σ x² is summed in `f64` by pieces of 2¹⁴ values in eight lanes, pieces in order: the same bits whatever the threads. NaN and ∞ in the values
//! come out as NaN or ∞, so that a caller can see a broken gradient. The sum of nothing is 0.

use crate::parallel::{PIECE, each, map, vectorised};

/// Σ x².
#[must_use]
pub fn sum_squares(values: &[f32]) -> f64 {
    map(values.chunks(PIECE).collect(), |piece| {
        vectorised(
            #[inline(always)]
            || {
                let (chunks, tail) = piece.as_chunks::<8>();
                let mut lanes = [0.0_f64; 8];
                for chunk in chunks {
                    for l in 0..8 {
                        let x = f64::from(chunk[l]);
                        lanes[l] += x * x;
                    }
                }
                let tail: f64 = tail.iter().map(|x| f64::from(*x) * f64::from(*x)).sum();
                lanes.iter().sum::<f64>() + tail
            },
        )
    })
    .into_iter()
    .sum()
}

/// Multiplies every value by `factor`.
pub fn scale(values: &mut [f32], factor: f32) {
    each(values.chunks_mut(PIECE).collect(), |piece| {
        vectorised(
            #[inline(always)]
            || {
                for x in piece.iter_mut() {
                    *x *= factor;
                }
            },
        );
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::random;

    #[test]
    fn sums_and_scales() {
        for n in [0, 1, 7, 8, 9, PIECE, 3 * PIECE + 5] {
            let mut x = random(n, n as u64);
            let expected: f64 = x.iter().map(|x| f64::from(*x).powi(2)).sum();
            assert!((sum_squares(&x) - expected).abs() <= 1e-12 * expected);
            let before = x.clone();
            scale(&mut x, 0.25);
            assert!(x.iter().zip(&before).all(|(x, b)| *x == 0.25 * b));
        }
    }

    #[test]
    fn broken_values_show() {
        assert!(sum_squares(&[1.0, f32::NAN]).is_nan());
        assert_eq!(sum_squares(&[1.0, f32::INFINITY]), f64::INFINITY);
    }
}
