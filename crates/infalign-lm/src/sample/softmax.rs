//! One row's softmax without storing it: the largest logit, and sums of weights by blocks, from which one block is computed again to draw.
//!
//! ```text
//! m = max l_i,  z_i = (l_i − m) / T,  w_i = e^{z_i} · 1[token i is kept],  Z = Σ w_i,  Z₁ = Σ e^{l_i − m}
//! ```
//!
//! Inverse CDF: the token is the first i with `w_0 + … + w_i > u Z`. Weights are `f32`; within a block of 128 they are summed in 16 lanes in
//! a fixed order, blocks are added in `f64`: the relative error of Z is at most about 10 · 2⁻²⁴. A row's result is a function of the row.
//!
//! | row | result |
//! |---|---|
//! | l_i = −∞ | w_i = 0: never drawn |
//! | NaN, +∞, all −∞, empty | the sums are not finite and positive, which the caller checks |
//! | rounding carries u Z past the last weight | the last token with a weight |

use infalign_kernels::exp::exp;
use pulp::{Arch, NullaryFnOnce};

use super::cut::Cut;

const LANES: usize = 16;
const BLOCK: usize = 128;

/// Largest logit; NaN is passed over, and −∞ stands for an empty row.
pub(super) fn max(row: &[f32]) -> f32 {
    Arch::new().dispatch(Max(row))
}

// Types, not closures: a closure that could be called twice reaches the vectorised caller through a shim that is not inlined.
struct Max<'a>(&'a [f32]);

impl NullaryFnOnce for Max<'_> {
    type Output = f32;

    #[inline(always)]
    fn call(self) -> f32 {
        let mut lanes = [f32::NEG_INFINITY; 4 * LANES];
        let chunks = self.0.chunks_exact(4 * LANES);
        let tail = chunks.remainder();
        for chunk in chunks {
            for (lane, &x) in lanes.iter_mut().zip(chunk) {
                *lane = larger(*lane, x);
            }
        }
        let whole = lanes.iter().fold(f32::NEG_INFINITY, |a, &b| larger(a, b));
        tail.iter().fold(whole, |a, &b| larger(a, b))
    }
}

#[inline(always)]
fn larger(a: f32, b: f32) -> f32 {
    if b > a { b } else { a }
}

/// `e^{(l_i − max) / T}` of a whole row.
pub(super) fn weights(row: &[f32], max: f32, temperature: f32, into: &mut Vec<f32>) {
    into.clear();
    into.extend_from_slice(row);
    let inverse = 1.0 / temperature;
    Arch::new().dispatch(InPlace { into, max, inverse });
}

struct InPlace<'a> {
    into: &'a mut [f32],
    max: f32,
    inverse: f32,
}

impl NullaryFnOnce for InPlace<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        for w in self.into {
            *w = exp((*w - self.max) * self.inverse);
        }
    }
}

/// How a row's logits become weights.
#[derive(Debug, Clone, Copy)]
pub(super) struct Weights {
    /// The largest logit.
    pub(super) max: f32,
    pub(super) temperature: f32,
    /// Which tokens are kept; none: all.
    pub(super) cut: Option<Cut>,
}

/// Z and Z₁.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Sums {
    pub(super) sampled: f64,
    pub(super) untempered: f64,
}

impl Weights {
    /// `ln w_i` as sampled from, not normalised.
    pub(super) fn log_weight(&self, logit: f32) -> f64 {
        (f64::from(logit) - f64::from(self.max)) / f64::from(self.temperature)
    }

    /// Whether token `id` can be drawn, but for underflow.
    pub(super) fn keeps(&self, logit: f32, id: u32) -> bool {
        self.cut.is_none_or(|cut| {
            let z = (logit - self.max) * (1.0 / self.temperature);
            cut.keeps(logit / self.temperature, id, z)
        })
    }

    /// Z and Z₁; `blocks` becomes the sums of the blocks of Z.
    pub(super) fn sums(&self, row: &[f32], blocks: &mut Vec<f32>) -> Sums {
        blocks.clear();
        blocks.resize(row.len().div_ceil(BLOCK), 0.0);
        // Each case its own loop: the compiler then drops what the case does not need.
        match (self.cut, self.temperature == 1.0) {
            (None, true) => self.pass::<false, false>(row, blocks),
            (None, false) => self.pass::<true, false>(row, blocks),
            (Some(_), _) => self.pass::<true, true>(row, blocks),
        }
    }

    /// Z₁ alone.
    pub(super) fn untempered_sum(max: f32, row: &[f32], blocks: &mut Vec<f32>) -> f64 {
        let plain = Self {
            max,
            temperature: 1.0,
            cut: None,
        };
        plain.sums(row, blocks).untempered
    }

    fn pass<const APART: bool, const CUT: bool>(&self, row: &[f32], blocks: &mut [f32]) -> Sums {
        let weights = *self;
        Arch::new().dispatch(Pass::<APART, CUT> {
            weights,
            row,
            blocks,
        })
    }

    /// w of one block, of which the first token is `first`.
    #[inline(always)]
    fn block<const CUT: bool>(&self, logits: &[f32; BLOCK], first: usize, into: &mut [f32; BLOCK]) {
        let inverse = 1.0 / self.temperature;
        for (w, &l) in into.iter_mut().zip(logits) {
            *w = exp((l - self.max) * inverse);
        }
        if CUT && let Some(cut) = self.cut {
            for (i, (w, &l)) in into.iter_mut().zip(logits).enumerate() {
                let z = (l - self.max) * inverse;
                // Indices of tokens fit `u32`: the caller checks the vocabulary.
                if !cut.keeps(l / self.temperature, (first + i) as u32, z) {
                    *w = 0.0;
                }
            }
        }
    }

    /// The token at `uniform` of the inverse CDF, given the sums that [`Self::sums`] made.
    pub(super) fn invert(&self, row: &[f32], blocks: &[f32], total: f64, uniform: f64) -> usize {
        let target = uniform * total;
        let mut before = 0.0;
        let mut last = 0;
        let mut found = None;
        for (b, &sum) in blocks.iter().enumerate() {
            if sum > 0.0 {
                last = b;
                let after = before + f64::from(sum);
                if after > target {
                    found = Some(b);
                    break;
                }
                before = after;
            }
        }
        let b = found.unwrap_or(last);
        let first = b * BLOCK;
        let weights = Arch::new().dispatch(Again {
            weights: *self,
            logits: padded(&row[first..row.len().min(first + BLOCK)]),
            first,
        });
        // Added one by one the block's sum may round to less than in lanes: then its last token with a weight.
        let mut token = first;
        for (i, &w) in weights.iter().enumerate() {
            if w > 0.0 {
                token = first + i;
                before += f64::from(w);
                if before > target && found.is_some() {
                    break;
                }
            }
        }
        token
    }
}

/// The sums over a row; `APART`: Z₁ is not Z, `CUT`: there is a cut.
struct Pass<'a, const APART: bool, const CUT: bool> {
    weights: Weights,
    row: &'a [f32],
    blocks: &'a mut [f32],
}

impl<const APART: bool, const CUT: bool> NullaryFnOnce for Pass<'_, APART, CUT> {
    type Output = Sums;

    #[inline(always)]
    fn call(self) -> Sums {
        let mut sums = Sums {
            sampled: 0.0,
            untempered: 0.0,
        };
        let mut weights = [0.0; BLOCK];
        let blocks = self.blocks.iter_mut().zip(self.row.chunks(BLOCK));
        for (b, (into, block)) in blocks.enumerate() {
            let logits = padded(block);
            self.weights.block::<CUT>(&logits, b * BLOCK, &mut weights);
            *into = sum(&weights);
            sums.sampled += f64::from(*into);
            if APART {
                for (w, &l) in weights.iter_mut().zip(&logits) {
                    *w = exp(l - self.weights.max);
                }
                sums.untempered += f64::from(sum(&weights));
            }
        }
        if !APART {
            sums.untempered = sums.sampled;
        }
        sums
    }
}

/// The weights of one block once more.
struct Again {
    weights: Weights,
    logits: [f32; BLOCK],
    first: usize,
}

impl NullaryFnOnce for Again {
    type Output = [f32; BLOCK];

    #[inline(always)]
    fn call(self) -> [f32; BLOCK] {
        let mut weights = [0.0; BLOCK];
        if self.weights.cut.is_some() {
            self.weights
                .block::<true>(&self.logits, self.first, &mut weights);
        } else {
            self.weights
                .block::<false>(&self.logits, self.first, &mut weights);
        }
        weights
    }
}

/// A block, filled up with logits that have no weight.
#[inline(always)]
fn padded(block: &[f32]) -> [f32; BLOCK] {
    let mut logits = [f32::NEG_INFINITY; BLOCK];
    logits[..block.len()].copy_from_slice(block);
    logits
}

/// Sum in lanes, then the lanes by halves: one order on every machine.
#[inline(always)]
fn sum(weights: &[f32; BLOCK]) -> f32 {
    let mut lanes = [0.0; LANES];
    for chunk in weights.chunks_exact(LANES) {
        for (lane, &w) in lanes.iter_mut().zip(chunk) {
            *lane += w;
        }
    }
    let mut half = LANES / 2;
    while half > 0 {
        for i in 0..half {
            lanes[i] += lanes[i + half];
        }
        half /= 2;
    }
    lanes[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(max: f32) -> Weights {
        Weights {
            max,
            temperature: 1.0,
            cut: None,
        }
    }

    fn row(n: usize) -> Vec<f32> {
        (0..n)
            .map(|i| ((i * 7919) % 1009) as f32 * 0.011 - 4.0)
            .collect()
    }

    #[test]
    fn the_largest_at_any_place() {
        for n in [1, 2, 63, 64, 65, 200] {
            for at in [0, n / 2, n - 1] {
                let mut logits = row(n);
                logits[at] = 50.0;
                assert_eq!(max(&logits), 50.0, "{n} {at}");
            }
        }
        assert_eq!(max(&[]), f32::NEG_INFINITY);
        assert_eq!(max(&[f32::NAN, -3.0]), -3.0);
        assert_eq!(max(&[1.0, f32::INFINITY]), f32::INFINITY);
    }

    #[test]
    fn sums_are_the_plain_sums() {
        for n in [1, 15, 16, 127, 128, 129, 1000] {
            let logits = row(n);
            let m = max(&logits);
            let at = |t: f64| -> f64 {
                let z = |l: f32| (f64::from(l) - f64::from(m)) / t;
                logits.iter().map(|&l| z(l).exp()).sum()
            };
            let mut blocks = Vec::new();
            let half = Weights {
                temperature: 0.5,
                ..plain(m)
            };
            let sums = half.sums(&logits, &mut blocks);
            // 2 ulp of the exponential, the argument's rounding (|z| ≤ 22), 11 additions.
            let tolerance = 2f64.powi(-24) * 40.0;
            assert!((sums.sampled / at(0.5) - 1.0).abs() < tolerance);
            assert!((sums.untempered / at(1.0) - 1.0).abs() < tolerance);
            let sums = plain(m).sums(&logits, &mut blocks);
            assert!((sums.sampled / at(1.0) - 1.0).abs() < tolerance);
            assert_eq!(sums.sampled, sums.untempered);
            assert_eq!(
                Weights::untempered_sum(m, &logits, &mut blocks),
                sums.sampled
            );
        }
    }

    /// The inverse CDF at u has exactly the weights: its steps lie where the running sums are.
    #[test]
    fn the_inverse_steps_at_the_running_sums() {
        for n in [1, 130, 300] {
            let logits = row(n);
            let weights = plain(max(&logits));
            let mut blocks = Vec::new();
            let total = weights.sums(&logits, &mut blocks).sampled;
            let mut running = 0.0;
            for (i, &l) in logits.iter().enumerate() {
                let w = weights.log_weight(l).exp();
                let middle = (running + w / 2.0) / total;
                assert_eq!(weights.invert(&logits, &blocks, total, middle), i);
                running += w;
            }
        }
    }

    #[test]
    fn tokens_without_weight_are_never_drawn() {
        let mut logits = vec![f32::NEG_INFINITY; 400];
        logits[131] = -1e30;
        let weights = plain(max(&logits));
        let mut blocks = Vec::new();
        let total = weights.sums(&logits, &mut blocks).sampled;
        for u in [0.0, 0.5, 1.0 - f64::EPSILON / 2.0, 1.0] {
            assert_eq!(weights.invert(&logits, &blocks, total, u), 131);
        }
    }
}
