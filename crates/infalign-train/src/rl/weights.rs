//! The optimum's density against the base at every base rollout, which calibration makes known before any training.
//!
//! ```text
//! π*(y|x) = w(y) p(y|x),   w(y) = e^{Φ(C(x, y))/β} / Z,   Z = ∫₀¹ e^{Φ(u)/β} du        (derived; see MATH.md, section 8, `projection`)
//! ```
//!
//! Of K rollouts, ordered by reward, the ones of rank i own the cell [(i−1)/K, i/K] of quantiles, and tied ones share theirs: w is the mean of the
//! density over the cell, K (F(b) − F(a)). So the mean of w over a prompt's rollouts is exactly 1, no Φ is evaluated at an end where it is
//! infinite, and ties need no rule. For the raw reward w ∝ e^{r/β} with the prompt's own mean as normaliser: there `Z_x` is not known in closed form.
//!
//! | input | answer |
//! |---|---|
//! | no rollouts | no weights |
//! | all tied | 1 each |

use std::sync::Arc;

use infalign::{Quantile, TiltedPolicy, Transform};

use crate::error::{Error, Result};

/// The base's rollouts of the training prompts, in their order.
#[derive(Debug, Clone, PartialEq)]
pub struct BaseRollouts {
    /// Tokens of every response: (prompts, K, tokens).
    pub tokens: Vec<Vec<Vec<u32>>>,
    /// Their raw rewards: (prompts, K).
    pub rewards: Vec<Vec<f32>>,
}

/// w of every rollout of a prompt with these raw rewards.
///
/// # Errors
/// A β at which the tilt cannot be normalised.
pub fn density(
    rewards: &[f32],
    transform: Option<&Arc<dyn Transform>>,
    beta: f64,
) -> Result<Vec<f64>> {
    match transform {
        Some(transform) => {
            let policy =
                TiltedPolicy::at_beta(Arc::clone(transform), beta).map_err(Error::maths)?;
            Ok(cells(rewards, |u| policy.cdf(Quantile::new(u)).below()))
        }
        None => Ok(softmax(rewards, beta)),
    }
}

fn softmax(rewards: &[f32], beta: f64) -> Vec<f64> {
    let top = rewards.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let tilt: Vec<f64> = rewards
        .iter()
        .map(|r| (f64::from(r - top) / beta).exp())
        .collect();
    let mean = tilt.iter().sum::<f64>() / tilt.len().max(1) as f64;
    tilt.into_iter().map(|t| t / mean).collect()
}

/// K (F(b) − F(a)) of each rollout's cell.
fn cells(rewards: &[f32], cdf: impl Fn(f64) -> f64) -> Vec<f64> {
    let k = rewards.len();
    let mut order: Vec<usize> = (0..k).collect();
    order.sort_by(|&a, &b| rewards[a].total_cmp(&rewards[b]));
    let mut weights = vec![0.0; k];
    let mut from = 0;
    let mut below = 0.0;
    while from < k {
        let tied = |&&i: &&usize| rewards[i] == rewards[order[from]];
        let to = from + order[from..].iter().take_while(tied).count().max(1);
        let upto = if to == k {
            1.0
        } else {
            cdf(to as f64 / k as f64)
        };
        for &i in &order[from..to] {
            weights[i] = k as f64 * (upto - below) / (to - from) as f64;
        }
        (from, below) = (to, upto);
    }
    weights
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use infalign::transform::{Exp, Identity};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn identity_has_its_closed_form() {
        let identity: Arc<dyn Transform> = Arc::new(Identity);
        let w = density(&[0.3, -1.0, 5.0, 2.0], Some(&identity), 0.5).unwrap();
        let f = |u: f64| ((2.0 * u).exp() - 1.0) / (2f64.exp() - 1.0);
        for (w, rank) in w.iter().zip([1.0, 0.0, 3.0, 2.0]) {
            let expected = 4.0 * (f((rank + 1.0) / 4.0) - f(rank / 4.0));
            assert!((w - expected).abs() < 1e-9, "{w} {expected}");
        }
    }

    #[test]
    fn raw_is_the_softmax_of_the_prompt() {
        let w = density(&[0.0, 1.0], None, 1.0).unwrap();
        assert!((w[1] / w[0] - 1f64.exp()).abs() < 1e-12);
        assert!((w[0] + w[1] - 2.0).abs() < 1e-12);
    }

    proptest! {
        #[test]
        fn the_mean_is_one_and_ties_are_equal(rewards in prop::collection::vec(-3i8..3, 1..40), t in -20f64..20.0) {
            let rewards: Vec<f32> = rewards.into_iter().map(f32::from).collect();
            let exp: Arc<dyn Transform> = Arc::new(Exp::new(if t.abs() < 0.1 { 1.0 } else { t }).unwrap());
            let w = density(&rewards, Some(&exp), 0.2).unwrap();
            let mean = w.iter().sum::<f64>() / w.len() as f64;
            prop_assert!((mean - 1.0).abs() < 1e-9);
            for (i, a) in rewards.iter().enumerate() {
                for (j, b) in rewards.iter().enumerate() {
                    if a == b {
                        prop_assert_eq!(w[i].to_bits(), w[j].to_bits());
                    } else if a < b {
                        prop_assert!(w[i] <= w[j] + 1e-9);
                    }
                }
            }
        }
    }
}
