//! Rotary positions (Su et al. 2021, arXiv 2104.09864), in the half-split layout of `transformers`.
//!
//! With θₜₖ = t · fₖ, k < rot / 2, and x₁ = `x[k]`, x₂ = `x[k + rot / 2]` of a head at position t:
//!
//! `y[k]` = a (x₁ cos θ − x₂ sin θ), `y[k + rot / 2]` = a (x₂ cos θ + x₁ sin θ), `y[rot..] = x[rot..]`.
//!
//! a is the attention factor (1 but for `YaRN` and its kin). The backward pass is the rotation by −θ, times a.
//! The product t · fₖ is rounded to `f32` as `transformers` rounds it (the difference reaches 1e−4 after some thousand positions); cosine and
//! sine of it are taken in `f64`.
//!
//! | case | result |
//! |---|---|
//! | rot < head size | the rest of a head is left as it is |
//! | no frequencies | nothing is rotated |

/// Tables of cosines and sines.
#[derive(Clone, Debug)]
pub struct Rotary {
    cos: Vec<f32>, // (positions, rot / 2)
    sin: Vec<f32>,
    half: usize,
    positions: usize,
}

impl Rotary {
    /// Tables for positions 0 to `positions − 1`; `inverse_frequencies` are the rot / 2 values fₖ in radians a position, `factor` is a.
    #[must_use]
    pub fn new(inverse_frequencies: &[f32], positions: usize, factor: f64) -> Self {
        let half = inverse_frequencies.len();
        let mut cos = Vec::with_capacity(positions * half);
        let mut sin = Vec::with_capacity(positions * half);
        for t in 0..positions {
            for f in inverse_frequencies {
                let angle = f64::from(t as f32 * f);
                cos.push((angle.cos() * factor) as f32);
                sin.push((angle.sin() * factor) as f32);
            }
        }
        Self {
            cos,
            sin,
            half,
            positions,
        }
    }

    /// Values of a head that are rotated.
    #[must_use]
    pub fn rotated(&self) -> usize {
        2 * self.half
    }

    /// Positions in the tables.
    #[must_use]
    pub fn positions(&self) -> usize {
        self.positions
    }

    /// Writes one head's values, rotated by the angles of `position`, to `to`.
    ///
    /// # Panics
    /// If the position is not in the tables, the head is smaller than what is rotated, or the two have different lengths.
    #[inline(always)]
    pub fn apply(&self, head: &[f32], position: usize, to: &mut [f32]) {
        assert_eq!(head.len(), to.len(), "lengths of a head");
        let (cos, sin) = self.row(position);
        let (head, rest) = head.split_at(2 * self.half);
        let (to, rest_to) = to.split_at_mut(2 * self.half);
        if !rest.is_empty() {
            rest_to.copy_from_slice(rest);
        }
        let (x1, x2) = head.split_at(self.half);
        let (low, high) = to.split_at_mut(self.half);
        for k in 0..self.half {
            low[k] = x1[k] * cos[k] - x2[k] * sin[k];
            high[k] = x2[k] * cos[k] + x1[k] * sin[k];
        }
    }

    /// The gradient with respect to a head before [`Self::apply`] from that after it, in place.
    ///
    /// # Panics
    /// As [`Self::apply`].
    #[inline(always)]
    pub fn apply_backward(&self, head: &mut [f32], position: usize) {
        let (cos, sin) = self.row(position);
        let (low, high) = head[..2 * self.half].split_at_mut(self.half);
        for k in 0..self.half {
            let (y1, y2) = (low[k], high[k]);
            low[k] = y1 * cos[k] + y2 * sin[k];
            high[k] = y2 * cos[k] - y1 * sin[k];
        }
    }

    /// Cosines and sines of a position, rot / 2 each.
    ///
    /// # Panics
    /// If the position is not in the tables.
    #[inline(always)]
    #[must_use]
    pub fn row(&self, position: usize) -> (&[f32], &[f32]) {
        assert!(
            position < self.positions,
            "position {position} is not in a rotary table of {}",
            self.positions
        );
        let from = position * self.half;
        (
            &self.cos[from..from + self.half],
            &self.sin[from..from + self.half],
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{assert_close, dot, gradient, random, wide};

    fn reference(x: &[f64], frequencies: &[f32], t: usize, factor: f64) -> Vec<f64> {
        let half = frequencies.len();
        let mut y = x.to_vec();
        for k in 0..half {
            let angle = f64::from(t as f32 * frequencies[k]);
            y[k] = factor * (x[k] * angle.cos() - x[k + half] * angle.sin());
            y[k + half] = factor * (x[k + half] * angle.cos() + x[k] * angle.sin());
        }
        y
    }

    #[test]
    fn value_and_gradient_agree_with_the_formula() {
        for (size, half) in [(8, 4), (8, 2), (5, 1), (6, 0)] {
            let frequencies: Vec<f32> = (0..half).map(|k| 0.7_f32.powi(k)).collect();
            let rotary = Rotary::new(&frequencies, 40, 1.25);
            for t in [0, 1, 39] {
                let x = random(size, t as u64 + 1);
                let dy = random(size, 99);
                let mut y = vec![f32::NAN; size];
                rotary.apply(&x, t, &mut y);
                assert_close(&y, &reference(&wide(&x), &frequencies, t, 1.25), 1e-6);
                let mut dx = dy.clone();
                rotary.apply_backward(&mut dx, t);
                let expected = gradient(&x, |x| dot(&reference(x, &frequencies, t, 1.25), &dy));
                assert_close(&dx, &expected, 1e-6);
            }
        }
    }
}
