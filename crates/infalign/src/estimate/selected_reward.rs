//! Mean reward of what a procedure outputs: best@k, worst@k, and any other [`OrderLaw`].
//!
//! ```text
//! best@k  = E max of k responses = Σ_i P_i a_(i)          P = best-of-k on m samples
//! worst@k = E min of k responses = Σ_i P_i a_(i)          P = worst-of-k on m samples
//! ```
//!
//! the average over all k-subsets of the m samples: unbiased for every k ≤ m. The bootstrap with
//! replacement, ((i/m)^k − ((i−1)/m)^k in place of `P_i`), which some training toolkits report, sees
//! duplicates in place of fresh draws: best@k comes out low, hardly at k ≪ m but badly near k = m
//! (pass@16 of a prompt with success rate 1/16, from 16 samples: .48 in place of .64).
//!
//! | case | result |
//! |---|---|
//! | no rewards, k = 0 | [`Error::OutOfRange`] |
//! | k > m | [`Error::TooFewSamples`] |
//! | NaN or ±∞ | [`Error::BadValue`]: a mean needs finite rewards |
//! | ties | any order among them gives the same sum |

use super::OrderLaw;
use crate::{Error, Result};

/// Expected reward of the procedure's output, unbiased. `rewards` in any order.
///
/// # Errors
/// [`Error::Lengths`] when the law is for another number of samples; [`Error::BadValue`] for a
/// reward that is not finite.
pub fn selected_reward<R: Copy + Into<f64>>(rewards: &[R], law: &OrderLaw) -> Result<f64> {
    if rewards.len() != law.samples() {
        return Err(Error::Lengths {
            left: "rewards",
            left_len: rewards.len(),
            right: "their order law",
            right_len: law.samples(),
        });
    }
    let mut sorted: Vec<f64> = rewards.iter().map(|&reward| reward.into()).collect();
    if let Some(index) = sorted.iter().position(|reward| !reward.is_finite()) {
        let value = sorted[index];
        return Err(Error::BadValue {
            name: "rewards",
            index,
            value,
            allowed: "finite",
        });
    }
    sorted.sort_unstable_by(f64::total_cmp);
    Ok(sorted
        .iter()
        .zip(law.mass())
        .map(|(reward, p)| reward * p)
        .sum())
}

/// Expected maximum of k responses.
///
/// # Errors
/// As [`OrderLaw::best_of`] and [`selected_reward`].
pub fn best_at_k<R: Copy + Into<f64>>(rewards: &[R], k: usize) -> Result<f64> {
    selected_reward(rewards, &OrderLaw::best_of(k, rewards.len())?)
}

/// Expected minimum of k responses.
///
/// # Errors
/// As [`OrderLaw::worst_of`] and [`selected_reward`].
pub fn worst_at_k<R: Copy + Into<f64>>(rewards: &[R], k: usize) -> Result<f64> {
    selected_reward(rewards, &OrderLaw::worst_of(k, rewards.len())?)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed construction is a failed test")]
    use super::*;
    use crate::estimate::pass_at_k;

    #[test]
    fn they_are_averages_over_all_subsets() {
        let rewards = [0.5, -2.0, 3.0, 3.0, 1.0, 0.5];
        for k in 1..=6u32 {
            let (mut best, mut worst, mut count) = (0.0, 0.0, 0.0);
            for s in (0u32..64).filter(|s| s.count_ones() == k) {
                let chosen = (0..6).filter(|i| s >> i & 1 == 1).map(|i| rewards[i]);
                best += chosen.clone().fold(f64::NEG_INFINITY, f64::max);
                worst += chosen.fold(f64::INFINITY, f64::min);
                count += 1.0;
            }
            let k = k as usize;
            assert!((best_at_k(&rewards, k).unwrap() - best / count).abs() < 1e-13);
            assert!((worst_at_k(&rewards, k).unwrap() - worst / count).abs() < 1e-13);
        }
    }

    #[test]
    fn best_at_k_of_zeros_and_ones_is_pass_at_k() {
        let rewards: Vec<f32> = (0..40).map(|i| f32::from(i % 7 == 0)).collect();
        for k in 1..=40 {
            let pass = pass_at_k(6, 40, k).unwrap();
            assert!((best_at_k(&rewards, k).unwrap() - pass).abs() < 1e-12);
        }
    }

    /// Rewards uniform on \[0,1\]: E max of k is k/(k+1), and E a_(i) = i/(m+1) makes both exact.
    #[test]
    fn the_bootstrap_with_replacement_is_biased_near_k_equal_m() {
        let m = 16;
        let expected: Vec<f64> = (1..=m).map(|i| i as f64 / (m as f64 + 1.0)).collect();
        let bootstrap = |k: i32| -> f64 {
            let cdf = |i: usize| (i as f64 / m as f64).powi(k);
            expected
                .iter()
                .zip(1..)
                .map(|(a, i)| a * (cdf(i) - cdf(i - 1)))
                .sum()
        };
        let bias = |k: usize| bootstrap(k as i32) - k as f64 / (k as f64 + 1.0);
        for k in 1..=m {
            let unbiased = best_at_k(&expected, k).unwrap();
            assert!((unbiased - k as f64 / (k as f64 + 1.0)).abs() < 1e-13);
        }
        assert!(
            bias(1).abs() < 1e-13 && bias(2).abs() < 0.011,
            "{}",
            bias(2)
        );
        assert!(bias(16) < -0.03, "{}", bias(16));
        // Rare successes, q = 1/16: the truth is 1 − (15/16)^16 = .644, the bootstrap says .484.
        let chance = |c: i32| {
            let ways: f64 = (0..c)
                .map(|i| f64::from(16 - i) / f64::from(c - i))
                .product();
            ways * (1.0f64 / 16.0).powi(c) * (15.0f64 / 16.0).powi(16 - c)
        };
        let truth = 1.0 - (15.0f64 / 16.0).powi(16);
        let pass: f64 = (0..=16)
            .map(|c| chance(c) * pass_at_k(c as usize, 16, 16).unwrap())
            .sum();
        let resampled: f64 = (0..=16)
            .map(|c| chance(c) * (1.0 - (1.0 - f64::from(c) / 16.0).powi(16)))
            .sum();
        assert!((pass - truth).abs() < 1e-12);
        assert!(
            (resampled - 0.484).abs() < 5e-4,
            "{resampled} against {truth}"
        );
    }

    #[test]
    fn edges() {
        assert!(matches!(
            best_at_k::<f64>(&[], 1),
            Err(Error::OutOfRange { .. })
        ));
        assert!(matches!(
            best_at_k(&[1.0], 2),
            Err(Error::TooFewSamples { .. })
        ));
        let infinite = worst_at_k(&[1.0, f64::NEG_INFINITY], 1);
        assert!(matches!(infinite, Err(Error::BadValue { index: 1, .. })));
        let law = OrderLaw::plain(3).unwrap();
        assert!(matches!(
            selected_reward(&[1.0], &law),
            Err(Error::Lengths { .. })
        ));
    }
}
