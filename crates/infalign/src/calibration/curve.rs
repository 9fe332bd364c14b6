//! A monotone score of one reward, with its own value at every knot and a piece between each two.
//!
//! What a calibrator and its compression share. With d knots in ascending order:
//!
//! ```text
//! score(x) = at_i                                        x = v_i
//!          = start_i + (end_i − start_i) t               v_{i−1} < x < v_i,   linear
//!          = start_i (end_i / start_i)^t                                      log-linear
//!          t = (x − v_{i−1}) / (v_i − v_{i−1})
//! ```
//!
//! where flat pieces have start = end. A lookup is one branch-free binary search. A piece with an
//! infinite end takes the limit as that end recedes: the score at its finite end, or the middle when
//! both ends are infinite.
//!
//! | x | score |
//! |---|---|
//! | below v_0 (−∞ included) | start_0 |
//! | above v_{d−1} (+∞ included) | start_d |
//! | ±∞ where that is a knot | that knot's |
//! | NaN | NaN; in a batch, an error that names the index |

use core::hint::select_unpredictable;

use super::PieceShape;
use crate::{Error, Result};

/// Lookups that advance together in a batch, so that their memory latencies overlap.
const LANES: usize = 8;

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Curve {
    /// Strictly increasing; ±∞ allowed, NaN not. At least one.
    knots: Vec<f64>,
    /// `levels[2i]` is the start of the piece below knot i, `levels[2i + 1]` the score at knot i;
    /// 2d + 1 values.
    levels: Vec<f64>,
    /// `ends[i]` is the end of the piece below knot i; d + 1 values, the last is above all knots.
    ends: Vec<f64>,
    shape: PieceShape,
}

impl Curve {
    /// From knots, the scores at them, and d + 1 pieces (start, end): below the first knot, between
    /// each two, above the last.
    pub(super) fn new(
        knots: Vec<f64>,
        at: &[f64],
        pieces: Vec<(f64, f64)>,
        shape: PieceShape,
    ) -> Self {
        debug_assert!(!knots.is_empty() && knots.is_sorted_by(|a, b| a < b));
        debug_assert!(at.len() == knots.len() && pieces.len() == knots.len() + 1);
        let mut levels = Vec::with_capacity(2 * knots.len() + 1);
        let mut ends = Vec::with_capacity(pieces.len());
        for (i, (start, end)) in pieces.into_iter().enumerate() {
            let open_below = i == 0 || knots[i - 1] == f64::NEG_INFINITY;
            let open_above = i == knots.len() || knots[i] == f64::INFINITY;
            let (start, end) = match (open_below, open_above) {
                (false, false) => (start, end),
                (true, false) => (end, end),
                (false, true) => (start, start),
                (true, true) => (0.5 * (start + end), 0.5 * (start + end)),
            };
            levels.push(start);
            ends.push(end);
            levels.extend(at.get(i));
        }
        Self {
            knots,
            levels,
            ends,
            shape,
        }
    }

    pub(super) fn knots(&self) -> &[f64] {
        &self.knots
    }

    pub(super) const fn shape(&self) -> PieceShape {
        self.shape
    }

    /// The scores at the knots.
    pub(super) fn at_knots(&self) -> impl Iterator<Item = f64> + '_ {
        self.levels.iter().skip(1).step_by(2).copied()
    }

    /// Start and end of the piece below knot i (above the last for i = d).
    pub(super) fn piece(&self, i: usize) -> (f64, f64) {
        (self.levels[2 * i], self.ends[i])
    }

    /// The number of knots below x, and whether x is one.
    pub(super) fn locate(&self, x: f64) -> (usize, bool) {
        let i = self.knots.partition_point(|&knot| knot < x);
        (i, self.knots.get(i) == Some(&x))
    }

    pub(super) fn score(&self, x: f64) -> f64 {
        let (i, hit) = self.locate(x);
        self.evaluate(i, hit, x)
    }

    /// The scores just below and just above x.
    pub(super) fn limits(&self, x: f64) -> (f64, f64) {
        match self.locate(x) {
            (i, true) => (self.ends[i], self.levels[2 * i + 2]),
            (i, false) => (self.evaluate(i, false, x), self.evaluate(i, false, x)),
        }
    }

    /// Scores `raw` into `out`, value by value.
    pub(super) fn score_into<R: Copy + Into<f64>>(&self, raw: &[R], out: &mut [f64]) -> Result<()> {
        if raw.len() != out.len() {
            return Err(Error::Lengths {
                left: "rewards",
                left_len: raw.len(),
                right: "output",
                right_len: out.len(),
            });
        }
        let (batches, rest) = raw.as_chunks::<LANES>();
        let (out_batches, out_rest) = out.as_chunks_mut::<LANES>();
        for (batch, out) in batches.iter().zip(out_batches) {
            *out = self.score_together(batch.map(Into::into));
        }
        for (&x, out) in rest.iter().zip(out_rest) {
            *out = self.score(x.into());
        }
        // NaN in gives NaN out, and nothing else does.
        if out.iter().fold(false, |any, score| any | score.is_nan()) {
            let index = out
                .iter()
                .position(|score| score.is_nan())
                .unwrap_or_default();
            let (name, allowed) = ("rewards", "a number (not NaN)");
            return Err(Error::BadValue {
                name,
                index,
                value: f64::NAN,
                allowed,
            });
        }
        Ok(())
    }

    /// [`Curve::score`] of several rewards by binary searches in step.
    fn score_together(&self, x: [f64; LANES]) -> [f64; LANES] {
        let knots = self.knots.as_slice();
        let mut first = [0; LANES];
        let mut left = knots.len();
        while left > 1 {
            let half = left / 2;
            for (first, x) in first.iter_mut().zip(x) {
                let below = knots[*first + half - 1] < x;
                *first = select_unpredictable(below, *first + half, *first);
            }
            left -= half;
        }
        let mut scores = [0.0; LANES];
        for ((score, first), x) in scores.iter_mut().zip(first).zip(x) {
            let i = first + usize::from(knots[first] < x);
            *score = self.evaluate(i, knots.get(i) == Some(&x), x);
        }
        scores
    }

    #[inline]
    fn evaluate(&self, i: usize, hit: bool, x: f64) -> f64 {
        let start = self.levels[2 * i + usize::from(hit)];
        if self.shape == PieceShape::Step || hit {
            return if x.is_nan() { f64::NAN } else { start };
        }
        let end = self.ends[i];
        if start == end || x.is_nan() {
            return if x.is_nan() { f64::NAN } else { start };
        }
        // Halved, so that a difference of large rewards stays finite.
        let (from, to) = (0.5 * self.knots[i - 1], 0.5 * self.knots[i]);
        let t = ((0.5 * x - from) / (to - from)).clamp(0.0, 1.0);
        let score = match self.shape {
            PieceShape::Step => start,
            PieceShape::Linear => start + (end - start) * t,
            PieceShape::LogLinear => start * (end / start).powf(t),
        };
        // Near t = 1 rounding can lift it above the score at the knot.
        score.max(start).min(end)
    }
}
