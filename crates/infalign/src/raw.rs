//! What ordinary raw-reward RLHF does, predicted from a table of base rewards: one β for all prompts, prompt by prompt in quantile space.
//!
//! Plain RLHF maximises E\[r\] − β KL, so a prompt with rewards `r_1 < … < r_L` of masses `p_ℓ` ends at `q_ℓ ∝ p_ℓ e^{r_ℓ/β}`: the transform
//! is the prompt's own reward quantile function `Q_x(u)` (derived; Gaussian rewards give the probit). β is common, so prompts of larger spread
//! take a larger share of the KL. KL and win rates are means over prompts, each by the formulae for ties:
//!
//! ```text
//! c_ℓ = ½(H_p(P_ℓ) + H_p(P_{ℓ−1})), W = Σ_ℓ (H(Q_ℓ) − H(Q_{ℓ−1})) c_ℓ, dKL/dβ = −Var_q(r)/β³.
//! ```
//!
//! | input | answer |
//! |---|---|
//! | no prompt, a prompt without rewards | error |
//! | NaN or infinite reward | error that names prompt and position |
//! | all rewards of a prompt equal | it spends no KL and wins ½ |
//! | KL beyond the mean of `−log p_L` | error with that supremum |

use std::sync::Arc;

use crate::{
    Error, Quantile, Result,
    finite::{FiniteProblem, Levels},
    numeric::root,
    procedure::Procedure,
    tilted::check_kl,
    transform::Transform,
};

/// The base rewards of many prompts, as ordered levels.
#[derive(Debug, Clone, PartialEq)]
pub struct RawRewards {
    prompts: Vec<Prompt>,
    k: (usize, usize, usize),
    tie_share: f64,
}

/// One prompt: the share of the rollouts that has each reward, and the rewards, increasing.
#[derive(Debug, Clone, PartialEq)]
struct Prompt {
    levels: Levels,
    rewards: Vec<f64>,
}

/// Figures of raw-reward RLHF at one β.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RawPrediction {
    /// Price of KL, in units of the raw reward.
    pub beta: f64,
    /// KL(π‖p) in nats, mean over prompts.
    pub kl: f64,
    /// Inference-time win rate, mean over prompts.
    pub win_rate: f64,
    /// Standard win rate, mean over prompts.
    pub standard_win_rate: f64,
}

impl RawRewards {
    /// From one row of base rewards per prompt.
    ///
    /// # Errors
    /// [`Error::Empty`] without prompts or for a row without rewards; [`Error::BadReward`] for one that is not finite.
    #[expect(
        single_use_lifetimes,
        reason = "anonymous lifetimes in `impl Trait` are unstable"
    )]
    pub fn new<'a>(rows: impl IntoIterator<Item = &'a [f32]>) -> Result<Self> {
        let mut prompts = Vec::new();
        let mut sizes = Vec::new();
        let (mut tied, mut pairs) = (0.0, 0.0);
        for (prompt, row) in rows.into_iter().enumerate() {
            if row.is_empty() {
                return Err(Error::NoRewards { prompt });
            }
            let rewards: Vec<f64> = row.iter().copied().map(f64::from).collect();
            if let Some(index) = rewards.iter().position(|r| !r.is_finite()) {
                return Err(Error::BadReward {
                    prompt,
                    index,
                    value: rewards[index],
                });
            }
            let (levels, rewards) = Levels::of_rewards(&rewards)?;
            let n = row.len() as f64;
            for mass in levels.masses() {
                let size = (mass * n).round();
                tied += size * (size - 1.0);
            }
            pairs += n * (n - 1.0);
            sizes.push(row.len());
            prompts.push(Prompt { levels, rewards });
        }
        if prompts.is_empty() {
            return Err(Error::Empty {
                name: "the table of rewards",
            });
        }
        sizes.sort_unstable();
        let k = (sizes[0], sizes[sizes.len() / 2], sizes[sizes.len() - 1]);
        let tie_share = if pairs > 0.0 { tied / pairs } else { 0.0 };
        Ok(Self {
            prompts,
            k,
            tie_share,
        })
    }

    /// Fewest, median and most rewards of a prompt.
    #[must_use]
    pub const fn k(&self) -> (usize, usize, usize) {
        self.k
    }

    /// Number of prompts.
    #[must_use]
    pub const fn prompts(&self) -> usize {
        self.prompts.len()
    }

    /// Share of pairs of rewards of one prompt that are equal.
    #[must_use]
    pub const fn tie_share(&self) -> f64 {
        self.tie_share
    }

    /// Levels of each prompt, and their masses under the policy that maximises reward at price β.
    pub(crate) fn tilted(&self, beta: f64) -> impl Iterator<Item = (&Levels, Vec<f64>)> {
        let tilt = move |prompt: &Prompt| prompt.tilt(beta).masses;
        self.prompts.iter().map(move |p| (&p.levels, tilt(p)))
    }

    /// The table with Φ(Ĉ) in place of the rewards, Ĉ the mid-rank in the prompt's own row: what CTRL does to these very levels, ties
    /// included. Of rows without ties it shows what perfect calibration does to K levels, not what K rollouts cost
    /// ([`crate::finite_k`] does).
    ///
    /// # Errors
    /// [`Error::Unsupported`] for a Φ that decreases somewhere, as levels must stay in order.
    pub fn calibrated(&self, transform: &dyn Transform) -> Result<Self> {
        if !transform.is_monotone() {
            return Err(Error::Unsupported {
                procedure: transform.to_string(),
                why: "it decreases somewhere, and levels of reward must stay in order".to_owned(),
            });
        }
        let prompts = self.prompts.iter().map(|prompt| {
            let rewards = prompt.levels.edges().windows(2).map(|edge| {
                let below = 0.5 * (edge[0].below() + edge[1].below());
                let above = 0.5 * (edge[0].above() + edge[1].above());
                transform.gap(Quantile::from_masses(below, above))
            });
            Prompt {
                levels: prompt.levels.clone(),
                rewards: rewards.collect(),
            }
        });
        Ok(Self {
            prompts: prompts.collect(),
            ..*self
        })
    }

    /// These rewards under a procedure, for predictions at several prices or budgets.
    ///
    /// # Errors
    /// As [`Levels::problem`].
    pub fn under(&self, procedure: &Arc<dyn Procedure>) -> Result<RawDeployment<'_>> {
        let problem = |prompt: &Prompt| prompt.levels.problem(Arc::clone(procedure));
        let problems = self.prompts.iter().map(problem).collect::<Result<_>>()?;
        Ok(RawDeployment {
            rewards: self,
            problems,
        })
    }

    /// Raw-reward RLHF at price β.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for a β that is not positive and finite.
    pub fn at_beta(&self, procedure: &Arc<dyn Procedure>, beta: f64) -> Result<RawPrediction> {
        self.under(procedure)?.at_beta(beta)
    }

    /// Raw-reward RLHF at the β that spends `kl` nats on average.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for a KL that is not positive; [`Error::KlUnreachable`] beyond the mean of `−log p_L`.
    pub fn at_kl(&self, procedure: &Arc<dyn Procedure>, kl: f64) -> Result<RawPrediction> {
        self.under(procedure)?.at_kl(kl)
    }

    /// The β that spends `kl` nats on average.
    ///
    /// # Errors
    /// As [`Self::at_kl`].
    pub fn beta_at_kl(&self, kl: f64) -> Result<f64> {
        check_kl(kl)?;
        let n = self.prompts.len() as f64;
        let max = self
            .prompts
            .iter()
            .map(|p| -p.levels.masses()[p.rewards.len() - 1].ln())
            .sum::<f64>()
            / n;
        let unreachable = || Error::KlUnreachable {
            what: "raw".to_owned(),
            kl,
            max,
        };
        if kl >= max {
            return Err(unreachable());
        }
        let spread = self
            .prompts
            .iter()
            .map(|p| p.tilt(f64::MAX).variance)
            .sum::<f64>()
            / n;
        let root = root::decreasing(
            |t| {
                let beta = t.exp();
                let (mut spent, mut variance) = (0.0, 0.0);
                for prompt in &self.prompts {
                    let tilt = prompt.tilt(beta);
                    spent += tilt.kl;
                    variance += tilt.variance;
                }
                ((spent / n / kl).ln(), -variance / (beta * beta) / spent)
            },
            (-600.0, 600.0),
            (spread / (2.0 * kl)).sqrt().ln(),
            1e-10,
        );
        if root.residual > 1e-6 {
            Err(unreachable())
        } else {
            Ok(root.x.exp())
        }
    }
}

/// The base rewards of many prompts under one procedure of deployment.
#[derive(Debug, Clone)]
pub struct RawDeployment<'a> {
    rewards: &'a RawRewards,
    /// One to a prompt.
    problems: Vec<FiniteProblem>,
}

impl RawDeployment<'_> {
    /// As [`RawRewards::at_beta`].
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for a β that is not positive and finite.
    pub fn at_beta(&self, beta: f64) -> Result<RawPrediction> {
        Error::range(
            "beta",
            beta,
            beta.is_finite() && beta > 0.0,
            "a finite number > 0",
        )?;
        let (mut kl, mut won, mut standard) = (0.0, 0.0, 0.0);
        for (prompt, problem) in self.rewards.prompts.iter().zip(&self.problems) {
            let tilt = prompt.tilt(beta);
            kl += tilt.kl;
            won += problem.win_rate_of(&tilt.masses);
            standard += problem.standard_win_rate_of(&tilt.masses);
        }
        let n = self.problems.len() as f64;
        Ok(RawPrediction {
            beta,
            kl: kl / n,
            win_rate: won / n,
            standard_win_rate: standard / n,
        })
    }

    /// As [`RawRewards::at_kl`].
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for a KL that is not positive; [`Error::KlUnreachable`] beyond the mean of `−log p_L`.
    pub fn at_kl(&self, kl: f64) -> Result<RawPrediction> {
        self.at_beta(self.rewards.beta_at_kl(kl)?)
    }
}

struct Tilt {
    masses: Vec<f64>,
    kl: f64,
    /// `Var_q(r)`.
    variance: f64,
}

impl Prompt {
    /// q ∝ p e^{r/β}.
    fn tilt(&self, beta: f64) -> Tilt {
        let top = self.rewards[self.rewards.len() - 1];
        let mut masses: Vec<f64> = self
            .rewards
            .iter()
            .zip(self.levels.masses())
            .map(|(r, p)| p * ((r - top) / beta).exp())
            .collect();
        let z: f64 = masses.iter().sum();
        let (mut mean, mut square) = (0.0, 0.0);
        for (q, r) in masses.iter_mut().zip(&self.rewards) {
            *q /= z;
            mean += *q * (r - top);
            square += *q * (r - top) * (r - top);
        }
        Tilt {
            masses,
            kl: (mean / beta - z.ln()).max(0.0),
            variance: (square - mean * mean).max(0.0),
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tables are valid")]

    use super::*;
    use crate::{
        TiltedPolicy,
        numeric::special::normal_quantile,
        procedure::{BestOf, WorstOf},
        transform::{Exp, Identity, Log},
    };

    fn best_of(n: usize) -> Arc<dyn Procedure> {
        Arc::new(BestOf::new(n).unwrap())
    }

    /// K rewards at the mid-quantiles of a Gaussian.
    fn gaussian(k: usize, scale: f64) -> Vec<f32> {
        let at = |i: usize| Quantile::new((i as f64 + 0.5) / k as f64);
        (0..k)
            .map(|i| (scale * normal_quantile(at(i))) as f32)
            .collect()
    }

    #[test]
    fn gaussian_rewards_approach_the_probit() {
        // The issue of raw-reward RLHF, N = 4: KL .5 and 1.
        let row = gaussian(40_000, 3.0);
        let table = RawRewards::new([row.as_slice(), row.as_slice()]).unwrap();
        for (kl, want) in [(0.5, 0.8450), (1.0, 0.9237)] {
            let best = table.at_kl(&best_of(4), kl).unwrap();
            let worst: Arc<dyn Procedure> = Arc::new(WorstOf::new(4).unwrap());
            let worst = table.at_kl(&worst, kl).unwrap();
            assert!((best.win_rate - want).abs() < 1e-3 && (worst.win_rate - want).abs() < 1e-3);
            assert!(
                (best.kl - kl).abs() < 1e-8
                    && (best.beta * (2.0 * kl).sqrt() / 3.0 - 1.0).abs() < 0.01
            );
        }
    }

    #[test]
    fn a_calibrated_table_is_ctrl_on_its_levels() {
        // Many levels: the continuous theory. Any increasing reward gives the same table.
        let table = RawRewards::new([gaussian(4000, 3.0).as_slice()]).unwrap();
        let transforms: [Arc<dyn Transform>; 3] = [
            Arc::new(Identity),
            Arc::new(Log),
            Arc::new(Exp::new(-10.0).unwrap()),
        ];
        for transform in transforms {
            let calibrated = table.calibrated(transform.as_ref()).unwrap();
            let got = calibrated.at_kl(&best_of(4), 0.5).unwrap();
            let policy = TiltedPolicy::at_kl(Arc::clone(&transform), 0.5).unwrap();
            let want = policy.law().standard_win_rate();
            assert!((got.standard_win_rate - want).abs() < 2e-3, "{transform}");
            assert!((got.beta / policy.beta() - 1.0).abs() < 0.02, "{transform}");
        }
        // One tie of two of four: Ĉ = 1/4, 5/8, 7/8.
        let tied = RawRewards::new([[0.0f32, 0.0, 1.0, 2.0].as_slice()]).unwrap();
        let (_, masses) = tied
            .calibrated(&Identity)
            .unwrap()
            .tilted(0.5)
            .next()
            .unwrap()
            .clone();
        let weights = [
            2.0 * 0.25f64.exp().powi(2),
            0.625f64.exp().powi(2),
            0.875f64.exp().powi(2),
        ];
        let z: f64 = weights.iter().sum();
        for (got, want) in masses.iter().zip(weights) {
            assert!((got - want / z).abs() < 1e-14);
        }
    }

    #[test]
    fn wide_prompts_take_the_kl() {
        let (narrow, wide) = (gaussian(20_000, 1.0), gaussian(20_000, 2.0));
        let both = RawRewards::new([narrow.as_slice(), wide.as_slice()]).unwrap();
        let beta = both.beta_at_kl(0.5).unwrap();
        let alone = |row: &[f32]| {
            RawRewards::new([row])
                .unwrap()
                .at_beta(&best_of(4), beta)
                .unwrap()
                .kl
        };
        // KL ∝ spread² for a Gaussian.
        assert!((alone(&wide) / alone(&narrow) - 4.0).abs() < 0.1);
    }

    #[test]
    fn ties_and_hopeless_budgets() {
        let table = RawRewards::new([[0.0f32, 0.0, 0.0, 1.0].as_slice(), &[2.0, 2.0]]).unwrap();
        assert_eq!(table.k(), (2, 4, 4));
        assert!((table.tie_share() - 8.0 / 14.0).abs() < 1e-12);
        let Error::KlUnreachable { max, .. } = table.beta_at_kl(1.0).unwrap_err() else {
            unreachable!("a budget out of reach")
        };
        assert!((max - 0.5 * 4f64.ln()).abs() < 1e-12);
        let half = table.at_beta(&best_of(2), 1e9).unwrap();
        assert!((half.win_rate - 0.5).abs() < 1e-8 && half.kl < 1e-12);
    }

    #[test]
    fn faults_are_named() {
        assert!(RawRewards::new([].into_iter() as std::array::IntoIter<&[f32], 0>).is_err());
        let empty = RawRewards::new([[1.0f32].as_slice(), &[]])
            .unwrap_err()
            .to_string();
        assert!(empty.contains("prompt 1"), "{empty}");
        let nan = RawRewards::new([[1.0, f32::NAN].as_slice()])
            .unwrap_err()
            .to_string();
        assert!(nan.contains("rewards[1]"), "{nan}");
    }
}
