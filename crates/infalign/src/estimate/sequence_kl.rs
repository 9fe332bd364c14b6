//! KL(π‖p) per sequence from log-probabilities: k1, k3, and the Rao-Blackwellised estimator.
//!
//! For responses y ~ π with log-probabilities of the whole sequence, in nats:
//!
//! ```text
//! k1 = log π(y|x) − log p(y|x)                             unbiased, high variance, any sign
//! k3 = e^{−k1} − 1 + k1                                    unbiased where p ≪ π, never negative
//! RB = Σ_t KL(π(·|x, y_{<t}) ‖ p(·|x, y_{<t}))             exact over the vocabulary at each position
//! ```
//!
//! k1 and k3: Schulman, "Approximating KL divergence" (2020). RB (arXiv 2504.10637) replaces each
//! token's log-ratio by its conditional mean given the tokens before it: the same mean, never more
//! variance. It is the figure to report; the others are for comparison with other tools. k3 needs
//! `E_π[p/π] = 1`, that is, no response that p gives and π cannot; on long sequences its e^{−k1} is
//! carried by responses too rare to be sampled, and it is then low by about 1 in most samples.
//!
//! Log-probabilities must be of the distribution that was sampled from (same temperature, same
//! truncation). Where they are not, the figures estimate no KL: [`LogProbsOf`] records it.
//!
//! | case | result |
//! |---|---|
//! | log π(y) = −∞ | [`Error::BadValue`]: y could not have been sampled |
//! | log p(y) = −∞ | [`Error::BadValue`]: KL(π‖p) is infinite, no sample mean estimates it |
//! | NaN, or a log-probability above 1e−3 | [`Error::BadValue`] (rounding is let pass, a sign slip is not) |
//! | a position's exact KL below −1e−3 or not finite | [`Error::BadValue`] |
//! | k3 beyond f64 (k1 < −709) | [`Error::BadValue`] |
//! | a sequence of no tokens | KL 0 |
//! | nothing inserted | [`Error::Empty`] |

use serde::{Deserialize, Serialize};

use super::{Estimate, PromptMeans};
use crate::{Error, Result};

/// What the recorded log-probabilities are probabilities of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum LogProbsOf {
    /// The distribution that the responses were drawn from, temperature and truncation included.
    Sampler,
    /// Another one, for example the untempered softmax of responses drawn with top-k: the figures
    /// are then no estimates of KL(π‖p).
    AnotherDistribution,
}

/// KL(π‖p) per sequence in nats, over prompts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SequenceKl {
    /// Mean log-ratio.
    pub k1: Estimate,
    /// Mean of e^{−k1} − 1 + k1.
    pub k3: Estimate,
    /// Mean of the exact per-position KLs, summed over positions, where these were given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rao_blackwell: Option<Estimate>,
    /// Whether the log-probabilities are those of the sampler.
    pub log_probs_of: LogProbsOf,
}

/// Gathers sampled sequences, prompt by prompt.
#[derive(Debug, Clone, PartialEq)]
pub struct SequenceKlEstimator {
    k1: PromptMeans,
    k3: PromptMeans,
    rao_blackwell: PromptMeans,
    log_probs_of: LogProbsOf,
}

impl SequenceKlEstimator {
    /// Nothing yet.
    #[must_use]
    pub fn new(log_probs_of: LogProbsOf) -> Self {
        let empty = PromptMeans::new;
        Self {
            k1: empty(),
            k3: empty(),
            rao_blackwell: empty(),
            log_probs_of,
        }
    }

    /// Adds one response: its log-probability under π, which sampled it, and under p.
    ///
    /// # Errors
    /// [`Error::BadValue`] as in the table above; the index is the prompt.
    pub fn insert(&mut self, prompt: usize, log_policy: f64, log_base: f64) -> Result<()> {
        let allowed = "a log-probability: finite and at most 0";
        for (name, value) in [
            ("log π(y) of prompt", log_policy),
            ("log p(y) of prompt", log_base),
        ] {
            if !value.is_finite() || value > ROUNDING {
                return Err(Error::BadValue {
                    name,
                    index: prompt,
                    value,
                    allowed,
                });
            }
        }
        let (k1, k3) = (k1(log_policy, log_base), k3(log_policy, log_base));
        if !k3.is_finite() {
            let (name, allowed) = ("k3 of prompt", "finite: log π(y) − log p(y) is below −709");
            return Err(Error::BadValue {
                name,
                index: prompt,
                value: k3,
                allowed,
            });
        }
        self.k1.insert(prompt, k1)?;
        self.k3.insert(prompt, k3)
    }

    /// Adds the exact KLs at the positions of one response, in nats: their sum is its RB value.
    ///
    /// # Errors
    /// [`Error::BadValue`] for a position that is not finite or below −1e−3; the index is the
    /// position.
    pub fn insert_positions(&mut self, prompt: usize, kl: &[f64]) -> Result<()> {
        if let Some(index) = kl.iter().position(|kl| !kl.is_finite() || *kl < -ROUNDING) {
            let (name, allowed) = ("KL at position", "finite and at least 0");
            return Err(Error::BadValue {
                name,
                index,
                value: kl[index],
                allowed,
            });
        }
        self.rao_blackwell.insert(prompt, kl.iter().sum())
    }

    /// Adds what another has seen. Either one's doubt about the log-probabilities stays.
    pub fn merge(&mut self, other: &Self) {
        self.k1.merge(&other.k1);
        self.k3.merge(&other.k3);
        self.rao_blackwell.merge(&other.rao_blackwell);
        if other.log_probs_of == LogProbsOf::AnotherDistribution {
            self.log_probs_of = LogProbsOf::AnotherDistribution;
        }
    }

    /// The RB estimate of each prompt that has one, in the order of the prompts' numbers: what
    /// [`super::kl_efficiency`] divides by.
    #[must_use]
    pub fn rao_blackwell_means(&self) -> Vec<f64> {
        self.rao_blackwell.means()
    }

    /// The estimates over prompts.
    ///
    /// # Errors
    /// [`Error::Empty`] when no log-probabilities were inserted.
    pub fn finish(&self) -> Result<SequenceKl> {
        let exact = (!self.rao_blackwell.is_empty()).then(|| self.rao_blackwell.finish());
        Ok(SequenceKl {
            k1: self.k1.finish()?,
            k3: self.k3.finish()?,
            rao_blackwell: exact.transpose()?,
            log_probs_of: self.log_probs_of,
        })
    }
}

/// How far half-precision log-softmaxes stray past a bound that holds exactly.
const ROUNDING: f64 = 1e-3;

/// log π(y) − log p(y).
#[must_use]
pub fn k1(log_policy: f64, log_base: f64) -> f64 {
    log_policy - log_base
}

/// e^{−k1} − 1 + k1, without loss of digits near 0.
#[must_use]
pub fn k3(log_policy: f64, log_base: f64) -> f64 {
    let k1 = k1(log_policy, log_base);
    (-k1).exp_m1() + k1
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed construction is a failed test")]
    use super::*;

    /// Two tokens from a vocabulary of three, second depends on first; all sequences enumerated.
    #[test]
    fn all_three_have_the_kl_as_their_mean() {
        let (first_pi, first_p): ([f64; 3], [f64; 3]) = ([0.5, 0.3, 0.2], [0.2, 0.2, 0.6]);
        let then_pi: [[f64; 3]; 3] = [[0.1, 0.8, 0.1], [0.3, 0.3, 0.4], [0.6, 0.2, 0.2]];
        let then_p: [[f64; 3]; 3] = [[0.2, 0.5, 0.3], [0.4, 0.3, 0.3], [0.1, 0.1, 0.8]];
        let kl = |q: [f64; 3], p: [f64; 3]| -> f64 {
            q.iter().zip(p).map(|(q, p)| q * (q / p).ln()).sum()
        };
        let (mut truth, mut means, mut squares) = (0.0, [0.0; 3], [0.0; 3]);
        for s in 0..3 {
            for t in 0..3 {
                let (pi, p) = (first_pi[s] * then_pi[s][t], first_p[s] * then_p[s][t]);
                let exact = [kl(first_pi, first_p), kl(then_pi[s], then_p[s])];
                let mut one = SequenceKlEstimator::new(LogProbsOf::Sampler);
                one.insert(0, pi.ln(), p.ln()).unwrap();
                one.insert_positions(0, &exact).unwrap();
                let one = one.finish().unwrap();
                let values = [one.k1.mean, one.k3.mean, one.rao_blackwell.unwrap().mean];
                for ((mean, square), value) in means.iter_mut().zip(&mut squares).zip(values) {
                    *mean += pi * value;
                    *square += pi * value * value;
                }
                truth += pi * (pi / p).ln();
            }
        }
        for mean in means {
            assert!((mean - truth).abs() < 1e-14, "{means:?} against {truth}");
        }
        assert!(
            squares[2] < squares[0],
            "Rao-Blackwell has less variance: {squares:?}"
        );
    }

    #[test]
    fn k3_keeps_its_digits_and_sign() {
        assert_eq!(k3(-5.0, -5.0), 0.0);
        // k1²/2 − k1³/6 + …
        assert!((k3(-5.0, -5.0 - 1e-6) - 5e-13).abs() < 2e-16);
        assert!(k3(-5.0, -4.0) > 0.0 && k3(-4.0, -5.0) > 0.0);
    }

    #[test]
    fn prompts_are_the_unit_and_parts_merge() {
        let mut all = SequenceKlEstimator::new(LogProbsOf::Sampler);
        all.insert(0, -1.0, -2.0).unwrap();
        let mut later = SequenceKlEstimator::new(LogProbsOf::AnotherDistribution);
        for (policy, base) in [(-1.0, -4.0), (-2.0, -3.0), (-2.0, -4.0)] {
            later.insert(1, policy, base).unwrap();
        }
        all.merge(&later);
        let kl = all.finish().unwrap();
        assert_eq!(kl.k1, Estimate::from_values(&[1.0, 2.0]).unwrap());
        assert_eq!(
            (kl.rao_blackwell, kl.log_probs_of),
            (None, LogProbsOf::AnotherDistribution)
        );
    }

    #[test]
    fn edges() {
        let mut kl = SequenceKlEstimator::new(LogProbsOf::Sampler);
        assert!(matches!(kl.finish(), Err(Error::Empty { .. })));
        let bad = [
            (f64::NEG_INFINITY, -1.0),
            (-1.0, f64::NEG_INFINITY),
            (f64::NAN, -1.0),
            (3.0, -1.0),
            (-800.0, 0.0),
        ];
        for (policy, base) in bad {
            let got = kl.insert(4, policy, base);
            assert!(
                matches!(got, Err(Error::BadValue { index: 4, .. })),
                "{policy} {base}"
            );
        }
        assert!(matches!(
            kl.insert_positions(0, &[0.0, -0.5]),
            Err(Error::BadValue { index: 1, .. })
        ));
        kl.insert(0, 1e-7, 0.0).unwrap();
        kl.insert_positions(0, &[]).unwrap();
        assert_eq!(kl.finish().unwrap().rao_blackwell.unwrap().mean, 0.0);
    }
}
