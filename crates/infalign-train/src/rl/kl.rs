//! How KL(π ‖ p) enters the gradient of a group of responses to one prompt.
//!
//! With `k_t` = KL(π(·|y_<t) ‖ p(·|y_<t)), summed over the vocabulary at every sampled position, KL(π ‖ p) = `E_π` `Σ_t` `k_t` (Rao–Blackwellised,
//! arXiv 2504.10637). Its gradient has two parts (derived; see MATH.md, section 6):
//!
//! ```text
//! ∇ KL = E Σ_t [ ∇k_t + ∇log π(y_t|y_<t) · G_{t+1} ],        G_t = Σ_{s≥t} k_s
//! ```
//!
//! The choice of token t changes the KL of the positions *after* it only, so its credit is the reward-to-go G_{t+1}; a baseline that does not
//! depend on the sample's own tokens leaves the expectation as it is: the mean of the other samples' G_{t+1} at the same position, 0 where a
//! sample has ended.
//!
//! | estimator | in the advantage of token t | beside it |
//! |---|---|---|
//! | `exact` | −(G_{t+1} − mean of the others') | ∂loss/∂k_t = 1 |
//! | `k1` | −Σ_s (log π(y_s) − log p(y_s)), as a part of the sample's reward (TRL's RLOO) | – |
//! | `k3` | – | the gradient of k3 = e^{−k1} − 1 + k1, that is 1 − e^{−k1} on log π(y_t) (GRPO); **not** the gradient of the KL |

use infalign_lm::RowStats;
use serde::{Deserialize, Serialize};

/// How the KL is estimated in the loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KlEstimator {
    /// Over the vocabulary at every sampled position; reward-to-go with a leave-one-out baseline.
    #[default]
    Exact,
    /// The sampled tokens' log ratio, in the reward.
    K1,
    /// Schulman's k3 of the sampled tokens, as a loss.
    K3,
}

/// The figures of a group: (samples, tokens).
pub(super) type Stats = Vec<Vec<RowStats>>;

/// log `π(y_t)` − log `p(y_t)`.
pub(super) fn log_ratio(stats: &RowStats) -> f64 {
    f64::from(stats.log_prob) - f64::from(stats.ref_log_prob)
}

/// `Σ_t` of the log ratio.
pub(super) fn k1(stats: &[RowStats]) -> f64 {
    stats.iter().map(log_ratio).sum()
}

/// `G_{t+1}` of every token: the exact KL of the positions after it.
pub(super) fn to_go(stats: &[RowStats]) -> Vec<f64> {
    let mut rest = 0.0;
    let mut found = vec![0.0; stats.len()];
    for (to_go, s) in found.iter_mut().zip(stats).rev() {
        *to_go = rest;
        rest += f64::from(s.kl);
    }
    found
}

/// What the KL to go adds to the advantage of every token: −(G_{t+1} − the mean of the others').
pub(super) fn credits(group: &Stats) -> Vec<Vec<f64>> {
    let all: Vec<Vec<f64>> = group.iter().map(|s| to_go(s)).collect();
    let longest = all.iter().map(Vec::len).max().unwrap_or(0);
    let mut sums = vec![0.0; longest];
    for one in &all {
        for (sum, g) in sums.iter_mut().zip(one) {
            *sum += g;
        }
    }
    let others = (all.len().max(2) - 1) as f64;
    let credit = |(own, sum): (&f64, &f64)| (sum - own) / others - own;
    all.iter()
        .map(|one| one.iter().zip(&sums).map(credit).collect())
        .collect()
}

/// A value of each less the mean of the others: 0 for a group of one.
pub(super) fn leave_one_out(values: &[f64]) -> Vec<f64> {
    let n = values.len();
    if n < 2 {
        return vec![0.0; n];
    }
    let sum: f64 = values.iter().sum();
    let others = (n - 1) as f64;
    values.iter().map(|v| v - (sum - v) / others).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stats(kls: &[f32]) -> Vec<RowStats> {
        kls.iter()
            .map(|&kl| RowStats {
                kl,
                ..RowStats::default()
            })
            .collect()
    }

    #[test]
    fn the_kl_to_go_leaves_the_own_token_out() {
        assert_eq!(to_go(&stats(&[1.0, 2.0, 4.0])), [6.0, 4.0, 0.0]);
        assert!(to_go(&[]).is_empty());
    }

    #[test]
    fn credits_sum_to_nothing_where_all_samples_are_there() {
        let group = vec![stats(&[1.0, 2.0]), stats(&[0.5, 3.0]), stats(&[0.0, 1.0])];
        let credits = credits(&group);
        for t in 0..2 {
            let sum: f64 = credits.iter().map(|c| c[t]).sum();
            assert!(sum.abs() < 1e-12);
        }
        // Sample 0: its own 2 against (3 + 1) / 2.
        assert_eq!(credits[0][0], 0.0);
        assert_eq!(credits[1][0], -1.5);
    }

    #[test]
    fn a_sample_that_has_ended_counts_as_nothing_to_go() {
        let group = vec![stats(&[1.0]), stats(&[0.5, 3.0])];
        let credits = credits(&group);
        assert_eq!(credits[0], [3.0]); // (0 + 3 − 0) / 1 − 0
        assert_eq!(credits[1], [-3.0, 0.0]);
    }

    #[test]
    fn leaving_one_out_has_mean_zero() {
        let found = leave_one_out(&[1.0, 2.0, 6.0]);
        assert_eq!(found, [-3.0, -1.5, 4.5]);
        assert_eq!(leave_one_out(&[7.0]), [0.0]);
    }
}
