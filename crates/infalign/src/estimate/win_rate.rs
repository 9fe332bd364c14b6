//! The inference-time win rate of one prompt from sampled rewards, unbiased also with ties.
//!
//! With a the m rewards of the policy's responses, b the n rewards of the base's, both by one judge,
//! and P, R the [`OrderLaw`]s of T on m and on n samples (MATH.md §6):
//!
//! ```text
//! Ŵ^T = Σ_i Σ_j P_i R_j w(a_(i), b_(j)),     w = 1 if a > b, ½ if equal, else 0
//!     = Σ_i P_i ½ ( R(<a_(i)) + R(≤a_(i)) )
//! ```
//!
//! where R(<x) is the mass of the b below x and R(≤x) that of the b up to x: two prefix sums of R,
//! found for all i by one merge of the sorted lists. Ties need no special case: equal a have equal
//! scores, so that how a group shares its level's mass does not matter, and R(≤x) − R(<x) is the
//! whole mass of the b that tie with x. Ŵ^T is the average of w over all pairs of N-subsets, a
//! U-statistic, so its mean is W^T exactly, whatever the law of the rewards (atoms included).
//!
//! | case | result |
//! |---|---|
//! | a or b empty, or of another length than its law | [`Error::Lengths`] |
//! | N > m or N > n | no law can be made: [`Error::TooFewSamples`] from [`OrderLaw`] |
//! | NaN | [`Error::BadValue`] naming list and index |
//! | ±∞ | ordered like any other value; equal infinities tie |
//! | −0 and +0 | tie |
//! | all tied | ½ |
//!
//! Cost: O((m+n) log(m+n)), two short allocations.

use super::OrderLaw;
use crate::{Error, Result};

/// Ŵ^T of one prompt: T(policy) by `policy_law` against T(base) by `base_law`.
///
/// `policy` and `base` are rewards in any order, `f32` or `f64`. The two laws usually come from one
/// procedure, but need not: `plain` against `best_of` compares a single sample with a best-of-N.
/// Average over prompts with [`super::Estimate::from_values`].
///
/// # Errors
/// [`Error::Lengths`] when a list is not as long as its law; [`Error::BadValue`] for NaN.
pub fn win_rate<R: Copy + Into<f64>>(
    policy: &[R],
    policy_law: &OrderLaw,
    base: &[R],
    base_law: &OrderLaw,
) -> Result<f64> {
    let a = sorted_keys("policy rewards", policy, policy_law)?;
    let b = sorted_keys("base rewards", base, base_law)?;
    let below = base_law.below();
    let (mut less, mut up_to) = (0, 0);
    let mut sum = 0.0;
    for (&x, &p) in a.iter().zip(policy_law.mass()) {
        while less < b.len() && b[less] < x {
            less += 1;
        }
        up_to = less.max(up_to);
        while up_to < b.len() && b[up_to] <= x {
            up_to += 1;
        }
        sum += p * (below[less] + below[up_to]);
    }
    Ok((0.5 * sum).clamp(0.0, 1.0))
}

/// The rewards as integers of the same order (−0 and +0 alike), sorted: integers sort and merge
/// twice as fast as floats, and nothing below needs the values themselves.
fn sorted_keys<R: Copy + Into<f64>>(
    name: &'static str,
    rewards: &[R],
    law: &OrderLaw,
) -> Result<Vec<i64>> {
    if rewards.len() != law.samples() {
        return Err(Error::Lengths {
            left: name,
            left_len: rewards.len(),
            right: "its order law",
            right_len: law.samples(),
        });
    }
    let mut keys = Vec::with_capacity(rewards.len());
    for (index, &reward) in rewards.iter().enumerate() {
        let value: f64 = reward.into();
        if value.is_nan() {
            return Err(Error::BadValue {
                name,
                index,
                value,
                allowed: "a number (not NaN)",
            });
        }
        // Negative floats order backwards by their bits; −0 + 0 is +0.
        let bits = (value + 0.0).to_bits().cast_signed();
        keys.push(bits ^ ((bits >> 63) & i64::MAX));
    }
    keys.sort_unstable();
    Ok(keys)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed construction is a failed test")]
    use super::*;
    use proptest::prelude::*;

    /// The double sum of the definition.
    fn by_definition(a: &[f64], p: &OrderLaw, b: &[f64], r: &OrderLaw) -> f64 {
        let (mut a, mut b) = (a.to_vec(), b.to_vec());
        a.sort_by(|x, y| x.partial_cmp(y).unwrap());
        b.sort_by(|x, y| x.partial_cmp(y).unwrap());
        let mut sum = 0.0;
        for (x, p) in a.iter().zip(p.mass()) {
            for (y, r) in b.iter().zip(r.mass()) {
                sum += p * r * (f64::from(x > y) + 0.5 * f64::from(x == y));
            }
        }
        sum
    }

    /// All n-subsets of 0..m, as index lists.
    fn subsets(n: usize, m: usize) -> Vec<Vec<usize>> {
        (0u32..1 << m)
            .filter(|s| s.count_ones() as usize == n)
            .map(|s| (0..m).filter(|i| s >> i & 1 == 1).collect())
            .collect()
    }

    /// The j-th smallest value of a subset.
    fn selected(values: &[f64], subset: &[usize], j: usize) -> f64 {
        let mut chosen: Vec<f64> = subset.iter().map(|&i| values[i]).collect();
        chosen.sort_by(f64::total_cmp);
        chosen[j - 1]
    }

    #[test]
    fn it_is_the_average_over_all_pairs_of_subsets() {
        let untied = ([0.3, -1.0, 2.0, 0.7, 5.0], [0.1, 0.5, 6.0, -2.0, 1.0, 0.6]);
        let tied = ([1.0, 0.0, 1.0, 1.0, 2.0], [0.0, 1.0, 1.0, 2.0, 0.0, 2.0]);
        for (a, b) in [untied, tied] {
            for (j, n) in [(1, 1), (1, 3), (2, 3), (3, 3), (4, 5), (5, 5)] {
                let (mut total, mut pairs) = (0.0, 0.0);
                for s in subsets(n, a.len()) {
                    for t in subsets(n, b.len()) {
                        let (x, y) = (selected(&a, &s, j), selected(&b, &t, j));
                        total += f64::from(x > y) + 0.5 * f64::from(x == y);
                        pairs += 1.0;
                    }
                }
                let p = OrderLaw::order(j, n, a.len()).unwrap();
                let r = OrderLaw::order(j, n, b.len()).unwrap();
                let got = win_rate(&a, &p, &b, &r).unwrap();
                assert!((got - total / pairs).abs() < 1e-14, "{j} of {n}: {got}");
            }
        }
    }

    /// E Ŵ over every possible sample from a law with atoms, against MATH.md §3.
    #[test]
    fn its_mean_over_all_samples_is_the_win_rate_of_the_laws() {
        let (q, p) = ([0.2, 0.5, 0.3], [0.6, 0.1, 0.3]);
        let (m, samples) = (4, 3_usize.pow(4));
        // G of best-of-2, of worst-of-3, of median-of-3, and of an even mixture of the first two.
        let best = |u: f64| u * u;
        let worst = |u: f64| 1.0 - (1.0 - u).powi(3);
        let median = |u: f64| u * u * (3.0 - 2.0 * u);
        let mixed = |u: f64| 0.5 * (best(u) + worst(u));
        let mixture = OrderLaw::mixture(&[
            (0.5, OrderLaw::best_of(2, m).unwrap()),
            (0.5, OrderLaw::worst_of(3, m).unwrap()),
        ]);
        let cases: [(OrderLaw, &dyn Fn(f64) -> f64); 4] = [
            (OrderLaw::best_of(2, m).unwrap(), &best),
            (OrderLaw::worst_of(3, m).unwrap(), &worst),
            (OrderLaw::order(2, 3, m).unwrap(), &median),
            (mixture.unwrap(), &mixed),
        ];
        let draws = |code: usize| [1, 3, 9, 27].map(|place| code / place % 3);
        let weight = |law: [f64; 3], d: &[usize]| d.iter().map(|&l| law[l]).product::<f64>();
        let levels = |d: &[usize]| d.iter().map(|&l| l as f64).collect::<Vec<_>>();
        for (law, g) in cases {
            let mut mean = 0.0;
            for s in 0..samples {
                for t in 0..samples {
                    let (a, b) = (draws(s), draws(t));
                    mean += weight(q, &a)
                        * weight(p, &b)
                        * win_rate(&levels(&a), &law, &levels(&b), &law).unwrap();
                }
            }
            let (mut exact, mut below_q, mut below_p) = (0.0, 0.0, 0.0);
            for l in 0..3 {
                let score = 0.5 * (g(below_p) + g(below_p + p[l]));
                exact += (g(below_q + q[l]) - g(below_q)) * score;
                (below_q, below_p) = (below_q + q[l], below_p + p[l]);
            }
            assert!((mean - exact).abs() < 1e-12, "{mean} against {exact}");
        }
    }

    #[test]
    fn edges() {
        let two = OrderLaw::best_of(2, 3).unwrap();
        assert_eq!(win_rate(&[1.0; 3], &two, &[1.0; 3], &two), Ok(0.5));
        assert_eq!(win_rate(&[0.0f32; 3], &two, &[-0.0; 3], &two), Ok(0.5));
        assert_eq!(
            win_rate(&[f64::INFINITY; 3], &two, &[f64::MAX; 3], &two),
            Ok(1.0)
        );
        assert_eq!(
            win_rate(&[f64::NEG_INFINITY; 3], &two, &[f64::MIN; 3], &two),
            Ok(0.0)
        );
        let short = win_rate(&[1.0, 2.0], &two, &[1.0; 3], &two);
        assert!(matches!(
            short,
            Err(Error::Lengths {
                left_len: 2,
                right_len: 3,
                ..
            })
        ));
        let nan = win_rate(&[1.0; 3], &two, &[1.0, f64::NAN, 1.0], &two);
        assert!(matches!(
            nan,
            Err(Error::BadValue {
                name: "base rewards",
                index: 1,
                ..
            })
        ));
    }

    proptest! {
        #[test]
        fn one_merge_equals_the_double_sum(
            a in prop::collection::vec(prop_oneof![-3i32..4, -1_000_000..1_000_000], 1..40),
            b in prop::collection::vec(prop_oneof![-3i32..4, -1_000_000..1_000_000], 1..40),
            n in 1usize..40, j in 1usize..40,
        ) {
            let a: Vec<f64> = a.into_iter().map(f64::from).collect();
            let b: Vec<f64> = b.into_iter().map(f64::from).collect();
            let n = n.min(a.len()).min(b.len());
            let j = j.min(n);
            let p = OrderLaw::order(j, n, a.len()).unwrap();
            let r = OrderLaw::order(j, n, b.len()).unwrap();
            let got = win_rate(&a, &p, &b, &r).unwrap();
            prop_assert!((got - by_definition(&a, &p, &b, &r)).abs() < 1e-13);
            // Swapping the sides mirrors the figure.
            let back = win_rate(&b, &r, &a, &p).unwrap();
            prop_assert!((got + back - 1.0).abs() < 1e-13);
        }
    }
}
