//! The calibrated reward Ĉ of one prompt, from the raw rewards of K rollouts of the base policy.
//!
//! ```text
//! Ĉ(r) = (#below + ½#equal) / K          mid-rank; the other rules: [`RankRule`]
//! ```
//!
//! the share of the K rollouts that a response of reward r beats, ties by half: CTRL's estimate of
//! C(x,y) = E_{z~p} w(y,z|x) (MATH.md §1). It is a function of (prompt, reward) alone, never of the
//! batch, and only the order of rewards matters: any strictly increasing map of r, applied to
//! rollouts and query, leaves the result as it is, bit for bit (`interpolated` aside). With
//! probability 95%, sup|Ĉ − C| ≤ 1.36/√K (DKW, MATH.md §5).
//!
//! | case | result |
//! |---|---|
//! | K = 0 | [`Error::Empty`] |
//! | K = 1 | 0, ½, 1 below, at, above the one reward |
//! | all K tied | the same: ½ at the common reward |
//! | NaN among the rollouts | [`Error::BadValue`] naming the index |
//! | NaN as query | NaN; in a batch [`Error::BadValue`] naming the index |
//! | ±∞, rollout or query | ordered like any other reward: −∞ is the usual mark of an invalid response |
//! | −0 and +0 | equal |
//! | f32 rewards | taken exactly, as f64 |

use super::{Anchors, PieceShape, RankRule, curve::Curve};
use crate::{Error, Result};

/// Ĉ of one prompt. Lookups cost one binary search over the distinct rewards.
#[derive(Debug, Clone, PartialEq)]
pub struct Calibrator {
    curve: Curve,
    /// `up_to[i]` rollouts are below knot i; d + 1 values from 0 to K.
    up_to: Vec<usize>,
    rule: RankRule,
}

impl Calibrator {
    /// From the raw rewards of the prompt's K rollouts, in any order.
    ///
    /// # Errors
    /// [`Error::Empty`] for K = 0, [`Error::BadValue`] for NaN.
    pub fn new<R: Copy + Into<f64>>(rewards: &[R], rule: RankRule) -> Result<Self> {
        let mut values: Vec<f64> = rewards.iter().map(|&reward| reward.into() + 0.0).collect();
        if let Some(index) = values.iter().position(|value| value.is_nan()) {
            let (name, allowed) = ("rewards", "a number (not NaN)");
            return Err(Error::BadValue {
                name,
                index,
                value: f64::NAN,
                allowed,
            });
        }
        values.sort_unstable_by(f64::total_cmp);
        Self::from_sorted(&values, rule)
    }

    /// From rewards in ascending order, free of NaN and −0.
    pub(super) fn from_sorted<R: Copy + Into<f64>>(sorted: &[R], rule: RankRule) -> Result<Self> {
        let k = sorted.len();
        if k == 0 {
            return Err(Error::Empty { name: "rewards" });
        }
        let (mut knots, mut up_to): (Vec<f64>, Vec<usize>) = (Vec::new(), vec![0]);
        for (i, &reward) in sorted.iter().enumerate() {
            let reward = reward.into();
            if knots.last() == Some(&reward) {
                up_to[knots.len()] = i + 1;
            } else {
                knots.push(reward);
                up_to.push(i + 1);
            }
        }
        let at: Vec<f64> = up_to
            .windows(2)
            .map(|w| rule.score(w[0], w[1] - w[0], k))
            .collect();
        let (shape, pieces) = if rule == RankRule::Interpolated {
            let starts = at.first().into_iter().chain(&at).copied();
            let ends = at.iter().chain(at.last()).copied();
            (PieceShape::Linear, starts.zip(ends).collect())
        } else {
            let flat = up_to.iter().map(|&below| rule.score(below, 0, k));
            (PieceShape::Step, flat.map(|score| (score, score)).collect())
        };
        Ok(Self {
            curve: Curve::new(knots, &at, pieces, shape),
            up_to,
            rule,
        })
    }

    /// Ĉ of a raw reward, in \[0,1\]; NaN for NaN.
    #[must_use]
    pub fn calibrate(&self, raw: f64) -> f64 {
        self.curve.score(raw)
    }

    /// Ĉ of each of `raw`, into `out`. The same values as [`Calibrator::calibrate`], faster.
    ///
    /// # Errors
    /// [`Error::Lengths`]; [`Error::BadValue`] for NaN, with `out` filled all the same.
    pub fn calibrate_into<R: Copy + Into<f64>>(&self, raw: &[R], out: &mut [f64]) -> Result<()> {
        self.curve.score_into(raw, out)
    }

    /// Ĉ of each of `raw`.
    ///
    /// # Errors
    /// [`Error::BadValue`] for NaN.
    pub fn calibrate_all<R: Copy + Into<f64>>(&self, raw: &[R]) -> Result<Vec<f64>> {
        let mut out = vec![0.0; raw.len()];
        self.calibrate_into(raw, &mut out)?;
        Ok(out)
    }

    /// How many rollouts are below a raw reward, and how many equal it; (0, 0) for NaN.
    #[must_use]
    pub fn counts(&self, raw: f64) -> (usize, usize) {
        match self.curve.locate(raw) {
            (i, true) => (self.up_to[i], self.up_to[i + 1] - self.up_to[i]),
            (i, false) => (self.up_to[i], 0),
        }
    }

    /// (#below + v (#equal + 1)) / (K + 1), the randomised quantile: for v uniform on \[0,1\] and a
    /// fresh response of the base it is uniform on \[0,1\] exactly, at every K and with any ties.
    /// What tests of uniformity want; NaN for NaN.
    ///
    /// Derivation: among the response and the K rollouts, exchangeable, the response's place within
    /// its own tie group is uniform; #below + place − 1 is then uniform on 0…K, and v spreads each
    /// of the K + 1 values evenly over its cell.
    #[must_use]
    pub fn randomised(&self, raw: f64, v: f64) -> f64 {
        let (below, equal) = self.counts(raw);
        let place = v * (equal as f64 + 1.0);
        if raw.is_nan() {
            raw
        } else {
            (below as f64 + place) / (self.k() as f64 + 1.0)
        }
    }

    /// The number of rollouts K.
    #[must_use]
    pub fn k(&self) -> usize {
        self.up_to[self.up_to.len() - 1]
    }

    /// The rule that makes scores of ranks.
    #[must_use]
    pub const fn rule(&self) -> RankRule {
        self.rule
    }

    /// The distinct rewards, ascending.
    #[must_use]
    pub fn levels(&self) -> &[f64] {
        self.curve.knots()
    }

    /// The same calibration from p of its rewards, with the error that this costs.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for p < 2.
    pub fn compress(&self, p: usize, shape: PieceShape) -> Result<Anchors> {
        Anchors::new(self, p, shape)
    }

    pub(super) const fn curve(&self) -> &Curve {
        &self.curve
    }

    pub(super) fn up_to(&self) -> &[usize] {
        &self.up_to
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed construction is a failed test")]
    use super::*;
    use proptest::prelude::*;
    use rand::{RngExt, SeedableRng};

    /// The definition, by counting.
    fn by_counting(rewards: &[f64], rule: RankRule, raw: f64) -> f64 {
        let below = rewards.iter().filter(|&&r| r < raw).count();
        let equal = rewards.iter().filter(|&&r| r == raw).count();
        rule.score(below, equal, rewards.len())
    }

    #[test]
    fn by_hand() {
        let c = Calibrator::new(&[3.0f32, 1.0, 2.0, 2.0], RankRule::MidRank).unwrap();
        let scores = c
            .calibrate_all(&[0.0, 1.0, 1.5, 2.0, 2.5, 3.0, 9.0])
            .unwrap();
        assert_eq!(scores, [0.0, 0.125, 0.25, 0.5, 0.75, 0.875, 1.0]);
        assert_eq!((c.k(), c.levels()), (4, [1.0, 2.0, 3.0].as_slice()));
        assert_eq!((c.counts(2.0), c.counts(2.5)), ((1, 2), (3, 0)));
        let c = Calibrator::new(&[3.0, 1.0, 2.0, 2.0], RankRule::Interpolated).unwrap();
        let scores = c
            .calibrate_all(&[0.0, 1.0, 1.5, 2.0, 2.5, 3.0, 9.0])
            .unwrap();
        assert_eq!(scores, [0.125, 0.125, 0.3125, 0.5, 0.6875, 0.875, 0.875]);
    }

    #[test]
    fn interpolation_does_not_overshoot_the_next_reward() {
        // t rounds to 1 at 0, and start + (end − start) · 1 is an ulp above the end.
        let tiny = f64::MIN_POSITIVE;
        let rewards = [tiny, 1.0, tiny, -1.0, tiny, 1.0, tiny, 1.0, tiny];
        let c = Calibrator::new(&rewards, RankRule::Interpolated).unwrap();
        assert!(c.calibrate(0.0) <= c.calibrate(tiny));
    }

    #[test]
    fn edges() {
        let none: [f64; 0] = [];
        assert!(matches!(
            Calibrator::new(&none, RankRule::MidRank),
            Err(Error::Empty { .. })
        ));
        let nan = Calibrator::new(&[0.0, f64::NAN], RankRule::MidRank);
        assert!(matches!(nan, Err(Error::BadValue { index: 1, .. })));
        for tied in [vec![2.0], vec![2.0; 100]] {
            let c = Calibrator::new(&tied, RankRule::MidRank).unwrap();
            assert_eq!([1.9, 2.0, 2.1].map(|r| c.calibrate(r)), [0.0, 0.5, 1.0]);
            assert!(c.calibrate(f64::NAN).is_nan());
            let batch = c.calibrate_all(&[2.0, 2.0, f64::NAN]);
            assert!(matches!(batch, Err(Error::BadValue { index: 2, .. })));
        }
        let c = Calibrator::new(&[-0.0, 0.0], RankRule::MidRank).unwrap();
        assert_eq!((c.calibrate(0.0), c.calibrate(-0.0)), (0.5, 0.5));
        let (minus, plus) = (f64::NEG_INFINITY, f64::INFINITY);
        for rule in RankRule::ALL {
            let c = Calibrator::new(&[minus, 0.0, plus, minus], rule).unwrap();
            let scores = c.calibrate_all(&[minus, -1.0, 0.0, 1.0, plus]).unwrap();
            assert!(
                scores.is_sorted() && scores.iter().all(|s| s.is_finite()),
                "{scores:?}"
            );
            assert_eq!(scores[0], rule.score(0, 2, 4));
            assert_eq!(scores[4], rule.score(3, 1, 4));
        }
        let short = c.calibrate_into(&[0.0], &mut []);
        assert!(matches!(
            short,
            Err(Error::Lengths {
                left_len: 1,
                right_len: 0,
                ..
            })
        ));
    }

    /// A reward that may tie, be large, or be infinite.
    fn reward() -> impl Strategy<Value = f64> {
        prop_oneof![
            (-4i32..5).prop_map(f64::from),
            -1e300..1e300,
            Just(f64::INFINITY),
            Just(f64::NEG_INFINITY),
            Just(f64::MIN_POSITIVE),
        ]
    }

    proptest! {
        #[test]
        fn lookups_count(
            rewards in prop::collection::vec(reward(), 1..60),
            queries in prop::collection::vec(reward(), 0..40),
        ) {
            for rule in RankRule::ALL {
                let c = Calibrator::new(&rewards, rule).unwrap();
                let own = if rule == RankRule::Interpolated { &rewards } else { &queries };
                for &raw in own.iter().chain(&rewards) {
                    prop_assert_eq!(c.calibrate(raw), by_counting(&rewards, rule, raw));
                }
                let batch = c.calibrate_all(&queries).unwrap();
                let single: Vec<f64> = queries.iter().map(|&raw| c.calibrate(raw)).collect();
                prop_assert_eq!(batch, single);
            }
        }

        #[test]
        fn increasing_maps_change_nothing(
            rewards in prop::collection::vec(-60i32..60, 1..60),
            queries in prop::collection::vec(-60i32..60, 1..40),
        ) {
            // Strictly increasing in f64 on these integers.
            let maps: [fn(f64) -> f64; 4] =
                [|r| r, |r| (0.3 * r).exp(), |r| r.powi(5) - 1e7, |r| (0.01 * r).atan()];
            for rule in [RankRule::MidRank, RankRule::Strict, RankRule::PlusOne] {
                let scores = maps.map(|map| {
                    let moved: Vec<f64> = rewards.iter().map(|&r| map(f64::from(r))).collect();
                    let asked: Vec<f64> = queries.iter().map(|&r| map(f64::from(r))).collect();
                    Calibrator::new(&moved, rule).unwrap().calibrate_all(&asked).unwrap()
                });
                for moved in &scores[1..] {
                    prop_assert!(moved.iter().zip(&scores[0]).all(|(a, b)| a.to_bits() == b.to_bits()));
                }
            }
        }

        #[test]
        fn scores_increase_with_the_reward(
            rewards in prop::collection::vec(reward(), 1..60),
            mut queries in prop::collection::vec(reward(), 2..40),
        ) {
            queries.sort_by(f64::total_cmp);
            for rule in RankRule::ALL {
                let scores = Calibrator::new(&rewards, rule).unwrap().calibrate_all(&queries).unwrap();
                prop_assert!(scores.is_sorted() && scores[0] >= 0.0 && scores[scores.len() - 1] <= 1.0);
            }
        }
    }

    /// A fresh response of a base with atoms: the randomised quantile has a uniform's moments.
    #[test]
    fn the_randomised_quantile_is_uniform_with_ties() {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(3);
        let rounds = 40_000;
        let (mut first, mut second) = (0.0, 0.0);
        for _ in 0..rounds {
            let mut draw = || f64::from(rng.random_range(0..10i32).max(6));
            let rewards: Vec<f64> = (0..5).map(|_| draw()).collect();
            let raw = draw();
            let u = Calibrator::new(&rewards, RankRule::MidRank)
                .unwrap()
                .randomised(raw, rng.random());
            first += u;
            second += u * u;
        }
        let n = f64::from(rounds);
        // Four standard errors of the moments of a uniform.
        assert!((first / n - 0.5).abs() < 4.0 * (1.0 / 12.0 / n).sqrt());
        assert!((second / n - 1.0 / 3.0).abs() < 4.0 * (4.0 / 45.0 / n).sqrt());
    }
}
