//! A calibration compressed to p anchors, with a bound on the error.
//!
//! The anchors are the order statistics number ⌊j(K−1)/(p−1) + ½⌋, j = 0…p−1, of the K rewards
//! (equal ones once). At an anchor the score is the calibrator's own, and each anchor keeps its own
//! jump: with Ĉ(a+) and Ĉ(b−) the scores just above anchor a and just below the next one b,
//!
//! ```text
//! step         ½ (Ĉ(a+) + Ĉ(b−))                       a < r < b
//! linear       Ĉ(a+) + (Ĉ(b−) − Ĉ(a+)) t               t = (r − a)/(b − a)
//! log-linear   Ĉ(a+)^{1−t} Ĉ(b−)^t                     (Ĉ(a+) > 0: a itself is beaten)
//! ```
//!
//! so that atoms and p ≥ K lose nothing, and neither do rewards outside the rollouts' range.
//!
//! Error. Between a and b both curves lie in \[Ĉ(a+), Ĉ(b−)\], which has the g rollouts strictly
//! between the two anchors: g/K for the rank rules (`plus-one`: g/(K+1)), half of it for `step`. As
//! no two anchors are more than ⌈(K−1)/(p−1)⌉ apart,
//!
//! ```text
//! sup_r |anchors(r) − Ĉ(r)| ≤ s (⌈(K−1)/(p−1)⌉ − 1) / K,      s = ½ for step, else 1
//! ```
//!
//! ([`Anchors::guarantee`]). `interpolated` starts and ends its pieces at mid-ranks, which adds half
//! of either anchor's ties: ⌈…⌉ − 1 + (most rollouts that share a reward) there. [`Anchors::max_error`]
//! is the supremum for this very table, found at the one-sided limits at the K rewards: between
//! them the difference of the curves is monotone (log-linear over `interpolated` aside, where it is
//! bounded by opposite limits).
//!
//! | case | result |
//! |---|---|
//! | p < 2 | [`Error::OutOfRange`]: the extremes are always anchors |
//! | p ≥ K, or all tied | exact, `max_error` 0 (`interpolated`: with linear pieces) |
//! | ±∞ among the rewards | anchors like any other; a piece that touches one is flat |

use super::{Calibrator, PieceShape, RankRule, curve::Curve};
use crate::{Error, Result};

/// A calibration with at most p knots.
#[derive(Debug, Clone, PartialEq)]
pub struct Anchors {
    curve: Curve,
    max_error: f64,
    guarantee: f64,
}

impl Anchors {
    pub(super) fn new(full: &Calibrator, p: usize, shape: PieceShape) -> Result<Self> {
        Error::range("number of anchors", p as f64, p >= 2, "at least 2")?;
        let kept = kept_knots(full.up_to(), full.k(), p);
        let exact = full.curve();
        let at: Vec<f64> = exact.at_knots().collect();
        let mut pieces = vec![exact.piece(0)];
        for pair in kept.windows(2) {
            let (start, end) = (exact.piece(pair[0] + 1).0, exact.piece(pair[1]).1);
            let middle = 0.5 * (start + end);
            pieces.push(if shape == PieceShape::Step {
                (middle, middle)
            } else {
                (start, end)
            });
        }
        pieces.push(exact.piece(at.len()));
        let knots = kept.iter().map(|&i| exact.knots()[i]).collect();
        let at: Vec<f64> = kept.iter().map(|&i| at[i]).collect();
        let curve = Curve::new(knots, &at, pieces, shape);
        let max_error = largest_difference(&curve, exact);
        Ok(Self {
            curve,
            max_error,
            guarantee: guarantee(full, p, shape),
        })
    }

    /// The compressed score of a raw reward, in \[0,1\]; NaN for NaN.
    #[must_use]
    pub fn calibrate(&self, raw: f64) -> f64 {
        self.curve.score(raw)
    }

    /// The compressed scores of `raw`, into `out`.
    ///
    /// # Errors
    /// [`Error::Lengths`]; [`Error::BadValue`] for NaN, with `out` filled all the same.
    pub fn calibrate_into<R: Copy + Into<f64>>(&self, raw: &[R], out: &mut [f64]) -> Result<()> {
        self.curve.score_into(raw, out)
    }

    /// The anchors' rewards, ascending; at most p.
    #[must_use]
    pub fn rewards(&self) -> &[f64] {
        self.curve.knots()
    }

    /// sup over all rewards of the difference to the full calibration (for log-linear pieces over
    /// `interpolated`, an upper bound of it).
    #[must_use]
    pub const fn max_error(&self) -> f64 {
        self.max_error
    }

    /// What `max_error` cannot exceed for this K, p, rule and shape, whatever the rewards (for
    /// `interpolated`: whatever rewards tie no more often than these).
    #[must_use]
    pub const fn guarantee(&self) -> f64 {
        self.guarantee
    }
}

/// The indices, among the distinct rewards, of the order statistics that become anchors.
fn kept_knots(up_to: &[usize], k: usize, p: usize) -> Vec<usize> {
    let mut kept: Vec<usize> = (0..p.min(k))
        .map(|j| {
            (2 * j * (k - 1) + p.min(k) - 1)
                .checked_div(2 * (p.min(k) - 1))
                .unwrap_or(0)
        })
        .map(|order| up_to.partition_point(|&below| below <= order) - 1)
        .collect();
    kept.dedup();
    kept
}

fn guarantee(full: &Calibrator, p: usize, shape: PieceShape) -> f64 {
    let k = full.k();
    let between = (k - 1).div_ceil(p.min(k).max(2) - 1).saturating_sub(1) as f64;
    let share = if shape == PieceShape::Step { 0.5 } else { 1.0 };
    match full.rule() {
        RankRule::MidRank | RankRule::Strict => share * between / k as f64,
        RankRule::PlusOne => share * between / (k as f64 + 1.0),
        RankRule::Interpolated => {
            let ties = full
                .up_to()
                .windows(2)
                .map(|w| w[1] - w[0])
                .max()
                .unwrap_or(1);
            share * (between + ties as f64) / k as f64
        }
    }
}

/// sup |a − b| of two monotone curves where every knot of `a` is one of `b`.
fn largest_difference(a: &Curve, b: &Curve) -> f64 {
    let knots = b.knots();
    let mut largest: f64 = 0.0;
    for &knot in knots {
        largest = largest.max((a.score(knot) - b.score(knot)).abs());
    }
    let bent = a.shape() == PieceShape::LogLinear && b.shape() != PieceShape::Step;
    for pair in knots.windows(2) {
        let (a_low, a_high) = (a.limits(pair[0]).1, a.limits(pair[1]).0);
        let (b_low, b_high) = (b.limits(pair[0]).1, b.limits(pair[1]).0);
        largest = largest
            .max((a_low - b_low).abs())
            .max((a_high - b_high).abs());
        if bent {
            largest = largest.max(a_high - b_low).max(b_high - a_low);
        }
    }
    largest
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed construction is a failed test")]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn by_hand() {
        // 0, 1, …, 10: three anchors at 0, 5, 10 with four rewards strictly between.
        let rewards: Vec<f64> = (0..11).map(f64::from).collect();
        let full = Calibrator::new(&rewards, RankRule::MidRank).unwrap();
        let scores = |shape| {
            let anchors = full.compress(3, shape).unwrap();
            assert_eq!(anchors.rewards(), [0.0, 5.0, 10.0]);
            [-1.0, 0.0, 2.5, 5.0, 9.0, 11.0].map(|r| anchors.calibrate(r) * 11.0)
        };
        let near = |got: [f64; 6], want: [f64; 6]| {
            assert!(
                got.iter().zip(want).all(|(g, w)| (g - w).abs() < 1e-12),
                "{got:?}"
            );
        };
        near(scores(PieceShape::Step), [0.0, 0.5, 3.0, 5.5, 8.0, 11.0]);
        near(
            scores(PieceShape::Linear),
            [0.0, 0.5, 3.0, 5.5, 6.0 + 0.8 * 4.0, 11.0],
        );
        let log = [
            0.0,
            0.5,
            5f64.sqrt(),
            5.5,
            6.0 * (10.0f64 / 6.0).powf(0.8),
            11.0,
        ];
        near(scores(PieceShape::LogLinear), log);
        let step = full.compress(3, PieceShape::Step).unwrap();
        assert!((step.max_error() - 2.0 / 11.0).abs() < 1e-15);
        assert!((step.guarantee() - 2.0 / 11.0).abs() < 1e-15);
    }

    #[test]
    fn edges() {
        let full = Calibrator::new(&[1.0, 1.0, 2.0], RankRule::MidRank).unwrap();
        let one = full.compress(1, PieceShape::Linear);
        assert!(matches!(one, Err(Error::OutOfRange { .. })));
        for shape in PieceShape::ALL {
            let tied = Calibrator::new(&[4.0; 9], RankRule::MidRank).unwrap();
            let anchors = tied.compress(2, shape).unwrap();
            assert_eq!((anchors.max_error(), anchors.calibrate(4.0)), (0.0, 0.5));
            assert_eq!(full.compress(100, shape).unwrap().max_error(), 0.0);
        }
        let smooth = Calibrator::new(&[1.0, 5.0, 6.0, 6.0], RankRule::Interpolated).unwrap();
        assert_eq!(
            smooth.compress(4, PieceShape::Linear).unwrap().max_error(),
            0.0
        );
    }

    fn reward() -> impl Strategy<Value = f64> {
        prop_oneof![
            (-4i32..5).prop_map(f64::from),
            -100.0..100.0,
            Just(f64::INFINITY),
            Just(f64::NEG_INFINITY),
        ]
    }

    proptest! {
        #[test]
        fn errors_stay_within_their_bounds(
            rewards in prop::collection::vec(reward(), 1..80),
            queries in prop::collection::vec(reward(), 1..80),
            p in 2usize..90,
        ) {
            for rule in RankRule::ALL {
                let full = Calibrator::new(&rewards, rule).unwrap();
                for shape in PieceShape::ALL {
                    let anchors = full.compress(p, shape).unwrap();
                    // A few roundings of scores in [0,1].
                    let rounding = 8.0 * f64::EPSILON;
                    prop_assert!(anchors.rewards().len() <= p);
                    prop_assert!(anchors.max_error() <= anchors.guarantee() + rounding,
                        "{rule} {shape}: {} > {}", anchors.max_error(), anchors.guarantee());
                    for &raw in queries.iter().chain(&rewards) {
                        let error = (anchors.calibrate(raw) - full.calibrate(raw)).abs();
                        prop_assert!(error <= anchors.max_error() + rounding,
                            "{rule} {shape} at {raw}: {error} > {}", anchors.max_error());
                    }
                }
            }
        }

        #[test]
        fn compressed_scores_increase(
            rewards in prop::collection::vec(reward(), 1..60),
            mut queries in prop::collection::vec(reward(), 2..60),
            p in 2usize..20,
        ) {
            queries.sort_by(f64::total_cmp);
            let full = Calibrator::new(&rewards, RankRule::MidRank).unwrap();
            for shape in PieceShape::ALL {
                let mut scores = vec![0.0; queries.len()];
                full.compress(p, shape).unwrap().calibrate_into(&queries, &mut scores).unwrap();
                // start·(end/start)^t may round past its end by an ulp.
                prop_assert!(scores.windows(2).all(|w| w[1] - w[0] >= -2.0 * f64::EPSILON));
            }
        }
    }
}
