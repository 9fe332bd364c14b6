//! What ordinary raw-reward RLHF does, predicted from a table of base rewards: one β for all prompts, prompt by prompt in quantile space.
//!
//! Plain RLHF maximises E\[r\] − β KL, so a prompt with rewards r₁ < … < r_L of masses p_ℓ ends at q_ℓ ∝ p_ℓ e^{r_ℓ/β}: the transform
//! is the prompt's own reward quantile function Q_x(u) (derived; Gaussian rewards give the probit). β is common, so prompts of larger spread
//! take a larger share of the KL. KL and win rates are means over prompts, each by the formulae for ties:
//!
//! c_ℓ = ½(H_p(P_ℓ) + H_p(P_{ℓ−1})), W = Σ_ℓ (H(Q_ℓ) − H(Q_{ℓ−1})) c_ℓ, dKL/dβ = −Var_q(r)/β³.
//!
//! | input | answer |
//! |---|---|
//! | no prompt, a prompt without rewards | error |
//! | NaN or infinite reward | error that names prompt and position |
//! | all rewards of a prompt equal | it spends no KL and wins ½ |
//! | KL beyond the mean of −log p_L | error with that supremum |

use crate::{
    Error, Quantile, Result,
    numeric::root,
    procedure::{At, Procedure},
    tilted::check_kl,
};

/// The base rewards of many prompts, as ordered levels.
#[derive(Debug, Clone, PartialEq)]
pub struct RawRewards {
    prompts: Vec<Levels>,
    k: (usize, usize, usize),
    tie_share: f64,
}

/// One prompt: distinct rewards, increasing, and the share of the rollouts that has each.
#[derive(Debug, Clone, PartialEq)]
struct Levels {
    rewards: Vec<f64>,
    masses: Vec<f64>,
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
    pub fn new<'a>(rows: impl IntoIterator<Item = &'a [f32]>) -> Result<Self> {
        let mut prompts = Vec::new();
        let mut sizes = Vec::new();
        let (mut tied, mut pairs) = (0.0, 0.0);
        for (prompt, row) in rows.into_iter().enumerate() {
            if row.is_empty() {
                return Err(Error::NoRewards { prompt });
            }
            let mut rewards: Vec<f64> = row.iter().copied().map(f64::from).collect();
            if let Some(index) = rewards.iter().position(|r| !r.is_finite()) {
                return Err(Error::BadReward {
                    prompt,
                    index,
                    value: rewards[index],
                });
            }
            rewards.sort_by(f64::total_cmp);
            let n = rewards.len() as f64;
            let mut levels = Levels {
                rewards: Vec::new(),
                masses: Vec::new(),
            };
            for group in rewards.chunk_by(|a, b| a == b) {
                let size = group.len() as f64;
                levels.rewards.push(group[0]);
                levels.masses.push(size / n);
                tied += size * (size - 1.0);
            }
            pairs += n * (n - 1.0);
            sizes.push(row.len());
            prompts.push(levels);
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

    /// Raw-reward RLHF at price β.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for a β that is not positive and finite.
    pub fn at_beta(&self, procedure: &dyn Procedure, beta: f64) -> Result<RawPrediction> {
        Error::range(
            "beta",
            beta,
            beta.is_finite() && beta > 0.0,
            "a finite number > 0",
        )?;
        let (mut kl, mut won, mut standard) = (0.0, 0.0, 0.0);
        for prompt in &self.prompts {
            let tilt = prompt.tilt(beta);
            kl += tilt.kl;
            won += prompt.win_rate(procedure, &tilt.masses);
            standard += prompt.win_rate(&crate::procedure::Standard, &tilt.masses);
        }
        let n = self.prompts.len() as f64;
        Ok(RawPrediction {
            beta,
            kl: kl / n,
            win_rate: won / n,
            standard_win_rate: standard / n,
        })
    }

    /// Raw-reward RLHF at the β that spends `kl` nats on average.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for a KL that is not positive; [`Error::KlUnreachable`] beyond the mean of −log p_L.
    pub fn at_kl(&self, procedure: &dyn Procedure, kl: f64) -> Result<RawPrediction> {
        self.at_beta(procedure, self.beta_at_kl(kl)?)
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
            .map(|p| -p.masses[p.masses.len() - 1].ln())
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

struct Tilt {
    masses: Vec<f64>,
    kl: f64,
    /// Var_q(r).
    variance: f64,
}

impl Levels {
    /// q ∝ p e^{r/β}.
    fn tilt(&self, beta: f64) -> Tilt {
        let top = self.rewards[self.rewards.len() - 1];
        let mut masses: Vec<f64> = self
            .rewards
            .iter()
            .zip(&self.masses)
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

    fn win_rate(&self, procedure: &dyn Procedure, policy: &[f64]) -> f64 {
        win_rate(procedure, &self.masses, policy)
    }
}

/// W^T for masses over levels of increasing reward, ties within a level broken uniformly and half credit between the sides.
pub(crate) fn win_rate(procedure: &dyn Procedure, base: &[f64], policy: &[f64]) -> f64 {
    let (ours, theirs) = (
        outputs(procedure, base, policy),
        outputs(procedure, base, base),
    );
    let (mut below, mut won) = (0.0, 0.0);
    for (o, t) in ours.iter().zip(&theirs) {
        won += o * (below + 0.5 * t);
        below += t;
    }
    won
}

/// Masses of T(π) over the levels: H(Q_ℓ) − H(Q_{ℓ−1}).
pub(crate) fn outputs(procedure: &dyn Procedure, base: &[f64], policy: &[f64]) -> Vec<f64> {
    let anchors: Vec<Quantile> = procedure
        .anchors()
        .iter()
        .map(|&tau| policy_at(base, policy, tau))
        .collect();
    let (mut p, mut q, mut last) = (0.0, 0.0, 0.0);
    let end = base.len() - 1;
    base.iter()
        .zip(policy)
        .enumerate()
        .map(|(level, (dp, dq))| {
            p += dp;
            q += dq;
            let h = if level == end {
                1.0
            } else {
                procedure
                    .cdf(&At {
                        u: Quantile::new(p),
                        f: Quantile::new(q),
                        anchors: &anchors,
                    })
                    .below()
            };
            let mass = (h - last).max(0.0);
            last = h;
            mass
        })
        .collect()
}

/// F(τ): a threshold inside a level passes the share of the level above it.
fn policy_at(base: &[f64], policy: &[f64], tau: f64) -> Quantile {
    let (mut p, mut q) = (0.0, 0.0);
    for (dp, dq) in base.iter().zip(policy) {
        if p + dp >= tau {
            return Quantile::new(q + dq * ((tau - p) / dp).clamp(0.0, 1.0));
        }
        p += dp;
        q += dq;
    }
    Quantile::ONE
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tables are valid")]

    use super::*;
    use crate::{
        numeric::special::normal_quantile,
        procedure::{BestOf, WorstOf},
    };

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
            let best = table.at_kl(&BestOf::new(4).unwrap(), kl).unwrap();
            let worst = table.at_kl(&WorstOf::new(4).unwrap(), kl).unwrap();
            assert!((best.win_rate - want).abs() < 1e-3 && (worst.win_rate - want).abs() < 1e-3);
            assert!(
                (best.kl - kl).abs() < 1e-8
                    && (best.beta * (2.0 * kl).sqrt() / 3.0 - 1.0).abs() < 0.01
            );
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
                .at_beta(&BestOf::new(4).unwrap(), beta)
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
            panic!()
        };
        assert!((max - 0.5 * 4f64.ln()).abs() < 1e-12);
        let half = table.at_beta(&BestOf::new(2).unwrap(), 1e9).unwrap();
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
