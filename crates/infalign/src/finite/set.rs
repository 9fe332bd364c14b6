//! A base policy with rewards on a finite set, and what a procedure T makes of policies there.
//!
//! With w(z,z′) = 1, ½, 0 for a higher, equal, lower reward, and policy π (derived from W as a chance of winning):
//!
//! ```text
//! c(z)  = C_{T(p)}(z) = Σ_{z′} T(p)(z′) w(z,z′)           score of z against T(p)
//! W(π)  = Σ_z T(π)(z) c(z)
//! R(y)  = ∂W/∂π(y) = Σ_z ∂T(π)(z)/∂π(y) c(z)
//! ```
//!
//! and the coupled optimum is π ∝ p e^{R/β} (\[IA\], arXiv 2412.19792, main theorem). Only the order of the rewards matters.
//! Scores are mid-ranks: the mass below and half of the mass that ties, summed from both ends.
//!
//! | input | answer |
//! |---|---|
//! | empty set, mismatched lengths, NaN reward, bad masses | error |
//! | infinite rewards | allowed: they are the best or the worst |
//! | one response, or all rewards equal | W = ½ for every policy |
//! | a procedure made for another number of responses | error |

use std::{fmt, sync::Arc};

use super::policy::{FinitePolicy, checked_masses, same_length, tilt_to_kl};
use crate::{Error, Quantile, Result, procedure::Shape, tilted::check_kl, transform::Transform};

/// An inference-time procedure on a finite set of responses, as a map T from masses to masses.
pub trait FiniteProcedure: fmt::Debug + Send + Sync {
    /// T(π): as many masses as π has, summing to one when π does.
    fn apply(&self, policy: &[f64]) -> Vec<f64>;

    /// The vector-Jacobian product `Σ_z ∂T(π)(z)/∂π(y) c(z)` for each y, up to a constant in y: only changes of π that keep its sum
    /// are ever asked for.
    fn vjp(&self, policy: &[f64], cotangent: &[f64]) -> Vec<f64>;

    /// The shape of `Σ_z T(π)(z) c(z)` in π, for every c that increases with the reward.
    fn shape(&self) -> Shape {
        Shape::Unknown
    }

    /// Whether `apply` and `vjp` are smooth functions of the policy and belong together to rounding; false for simulations, from
    /// which no second derivatives can be had.
    fn is_exact(&self) -> bool {
        true
    }
}

/// A base policy on a finite set with rewards, and the procedure that deployment applies.
#[derive(Debug, Clone)]
pub struct FiniteProblem {
    base: Vec<f64>,
    procedure: Arc<dyn FiniteProcedure>,
    /// C(y): mid-ranks under p.
    calibrated: Vec<Quantile>,
    /// c(y): mid-ranks under T(p).
    scores: Vec<Quantile>,
}

impl FiniteProblem {
    /// The problem with these base masses and rewards.
    ///
    /// # Errors
    /// [`Error::Empty`], [`Error::Lengths`], [`Error::BadValue`] (a mass that is not positive, a NaN), [`Error::Masses`].
    pub fn new(base: &[f64], rewards: &[f64], procedure: Arc<dyn FiniteProcedure>) -> Result<Self> {
        let base = checked_masses("base masses", base, true)?;
        same_length("base masses", &base, "rewards", rewards)?;
        finite_or("rewards", rewards, |r| !r.is_nan(), "a number, not NaN")?;
        let output = procedure.apply(&base);
        same_length("base masses", &base, "the procedure's output", &output)?;
        let output = checked_masses("the procedure's output", &output, false)?;
        Ok(Self {
            calibrated: mid_ranks(&base, rewards),
            scores: mid_ranks(&output, rewards),
            base,
            procedure,
        })
    }

    /// p.
    #[must_use]
    pub fn base(&self) -> &[f64] {
        &self.base
    }

    /// The procedure.
    #[must_use]
    pub const fn procedure(&self) -> &Arc<dyn FiniteProcedure> {
        &self.procedure
    }

    /// C(y), the calibrated reward: the mid-rank quantile of each response under p.
    #[must_use]
    pub fn calibrated(&self) -> &[Quantile] {
        &self.calibrated
    }

    /// C_{T(p)}(y): each response's chance against what deployment draws from the base.
    #[must_use]
    pub fn scores(&self) -> &[Quantile] {
        &self.scores
    }

    /// The policy with these masses.
    ///
    /// # Errors
    /// [`Error::Lengths`], [`Error::BadValue`], [`Error::Masses`].
    pub fn policy(&self, masses: &[f64]) -> Result<FinitePolicy> {
        FinitePolicy::from_masses(&self.base, masses)
    }

    /// Inference-time win rate W^T(π), in \[0,1\], summed from the nearer end.
    #[must_use]
    pub fn win_rate(&self, policy: &FinitePolicy) -> f64 {
        self.win_rate_of(policy.masses())
    }

    /// [`Self::win_rate`] of masses that are known to be a policy's.
    pub(crate) fn win_rate_of(&self, masses: &[f64]) -> f64 {
        let output = self.procedure.apply(masses);
        let (mut won, mut lost) = (0.0, 0.0);
        for (t, c) in output.iter().zip(&self.scores) {
            won += t * c.below();
            lost += t * c.above();
        }
        if won > lost {
            1.0 - lost / (won + lost)
        } else {
            won / (won + lost)
        }
    }

    /// Win rate of one plain sample against another, in \[0,1\].
    #[must_use]
    pub fn standard_win_rate(&self, policy: &FinitePolicy) -> f64 {
        self.standard_win_rate_of(policy.masses())
    }

    /// [`Self::standard_win_rate`] of masses that are known to be a policy's.
    pub(crate) fn standard_win_rate_of(&self, masses: &[f64]) -> f64 {
        let places = masses.iter().zip(&self.calibrated);
        places.map(|(q, c)| q * c.below()).sum()
    }

    /// R = ∂W/∂π at a policy, up to a constant: the reward that the coupled optimum trains with.
    #[must_use]
    pub fn gradient(&self, policy: &FinitePolicy) -> Vec<f64> {
        self.gradient_at(policy.masses())
    }

    pub(super) fn gradient_at(&self, masses: &[f64]) -> Vec<f64> {
        let scores: Vec<f64> = self.scores.iter().map(|c| c.below()).collect();
        self.procedure.vjp(masses, &scores)
    }

    /// The policy that KL-regularised RL on these values at price β leads to: q ∝ p e^{values/β}.
    ///
    /// # Errors
    /// [`Error::Lengths`], [`Error::BadValue`] for a value that is not finite, [`Error::OutOfRange`] for a β that is not
    /// positive and finite.
    pub fn tilt(&self, values: &[f64], beta: f64) -> Result<FinitePolicy> {
        self.check_values(values)?;
        check_beta(beta)?;
        let top = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let tilt: Vec<f64> = values.iter().map(|v| (v - top) / beta).collect();
        Ok(FinitePolicy::from_tilt(&self.base, &tilt))
    }

    /// The price β and the tilt by these values that spend `kl` nats.
    ///
    /// # Errors
    /// As [`Self::tilt`]; [`Error::KlUnreachable`] from −log p(top set of the values) on.
    pub fn tilt_to_kl(&self, values: &[f64], kl: f64) -> Result<(f64, FinitePolicy)> {
        self.check_values(values)?;
        check_kl(kl)?;
        tilt_to_kl(&self.base, values, kl, "a tilt of this finite set")
    }

    /// Φ(C(y)) less Φ of the best response's C, ready for [`Self::tilt`]: calibrated rewards of atoms stay away from 0 and 1 by half a
    /// mass, so that no clamp is needed.
    #[must_use]
    pub fn values(&self, transform: &dyn Transform) -> Vec<f64> {
        let mut best = Quantile::ZERO;
        for &c in &self.calibrated {
            if c.below() > best.below() || c.above() < best.above() {
                best = c;
            }
        }
        let below = |&c: &Quantile| -transform.rise(c, best);
        self.calibrated.iter().map(below).collect()
    }

    fn check_values(&self, values: &[f64]) -> Result<()> {
        same_length("base masses", &self.base, "values", values)?;
        finite_or("values", values, f64::is_finite, "finite")
    }
}

/// [`Error::BadValue`] at the first value that is not `ok`.
pub(super) fn finite_or(
    name: &'static str,
    values: &[f64],
    ok: impl Fn(f64) -> bool,
    allowed: &'static str,
) -> Result<()> {
    match values.iter().enumerate().find(|(_, v)| !ok(**v)) {
        None => Ok(()),
        Some((index, &value)) => Err(Error::BadValue {
            name,
            index,
            value,
            allowed,
        }),
    }
}

pub(super) fn check_beta(beta: f64) -> Result<f64> {
    let ok = beta.is_finite() && beta > 0.0;
    Error::range("beta", beta, ok, "a finite number > 0")
}

/// Mass of lower rewards and half of that of equal ones, for each response; from both ends.
fn mid_ranks(masses: &[f64], rewards: &[f64]) -> Vec<Quantile> {
    let mut order: Vec<usize> = (0..masses.len()).collect();
    order.sort_by(|&a, &b| rewards[a].total_cmp(&rewards[b]));
    // `total_cmp` tells −0 from 0; equality of rewards does not.
    let groups: Vec<&[usize]> = order.chunk_by(|&a, &b| rewards[a] == rewards[b]).collect();
    let weight = |group: &[usize]| group.iter().map(|&y| masses[y]).sum::<f64>();
    let mut ranks = vec![Quantile::ZERO; masses.len()];
    let mut above: Vec<f64> = Vec::with_capacity(groups.len());
    let mut sum = 0.0;
    for group in groups.iter().rev() {
        above.push(sum + 0.5 * weight(group));
        sum += weight(group);
    }
    let mut below = 0.0;
    for (group, above) in groups.iter().zip(above.iter().rev()) {
        let rank = Quantile::from_masses(below + 0.5 * weight(group), *above);
        for &y in *group {
            ranks[y] = rank;
        }
        below += weight(group);
    }
    ranks
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "problems are valid")]

    use super::*;
    use crate::transform::{Exp, Identity};

    /// One plain sample: T(π) = π.
    #[derive(Debug)]
    struct Plain;

    impl FiniteProcedure for Plain {
        fn apply(&self, policy: &[f64]) -> Vec<f64> {
            policy.to_vec()
        }

        fn vjp(&self, _: &[f64], cotangent: &[f64]) -> Vec<f64> {
            cotangent.to_vec()
        }

        fn shape(&self) -> Shape {
            Shape::Concave
        }
    }

    /// A procedure for two responses only.
    #[derive(Debug)]
    struct Two;

    impl FiniteProcedure for Two {
        fn apply(&self, _: &[f64]) -> Vec<f64> {
            vec![0.5; 2]
        }

        fn vjp(&self, _: &[f64], _: &[f64]) -> Vec<f64> {
            vec![0.0; 2]
        }
    }

    fn plain(base: &[f64], rewards: &[f64]) -> Result<FiniteProblem> {
        FiniteProblem::new(base, rewards, Arc::new(Plain))
    }

    #[test]
    fn calibrated_rewards_are_mid_ranks() {
        let problem = plain(&[0.1, 0.2, 0.3, 0.4], &[5.0, 0.0, 5.0, -0.0]).unwrap();
        let got: Vec<f64> = problem.calibrated().iter().map(|c| c.below()).collect();
        for (got, want) in got.iter().zip([0.8, 0.3, 0.8, 0.3]) {
            assert!((got - want).abs() < 1e-15);
        }
        // Any increasing map of the rewards gives the same.
        let mapped = plain(
            &[0.1, 0.2, 0.3, 0.4],
            &[f64::INFINITY, -7.0, f64::INFINITY, -7.0],
        );
        assert_eq!(mapped.unwrap().calibrated(), problem.calibrated());
    }

    #[test]
    fn plain_sampling_is_won_by_the_calibrated_reward() {
        let problem = plain(&[0.25, 0.25, 0.5], &[1.0, 2.0, 3.0]).unwrap();
        let base = problem.policy(problem.base()).unwrap();
        assert!((problem.win_rate(&base) - 0.5).abs() < 1e-15);
        let policy = problem.tilt(&problem.values(&Identity), 0.2).unwrap();
        let (w, s) = (
            problem.win_rate(&policy),
            problem.standard_win_rate(&policy),
        );
        assert!((w - s).abs() < 1e-15 && w > 0.7);
        let gradient = problem.gradient(&policy);
        assert_eq!(gradient, vec![0.125, 0.375, 0.75]);
    }

    #[test]
    fn a_transform_spends_a_budget() {
        let problem = plain(&[0.25, 0.25, 0.5], &[1.0, 2.0, 3.0]).unwrap();
        let values = problem.values(&Exp::new(5.0).unwrap());
        let (beta, policy) = problem.tilt_to_kl(&values, 0.3).unwrap();
        assert!((policy.kl() - 0.3).abs() < 1e-12);
        let again = problem.tilt(&values, beta).unwrap();
        assert!((again.kl() - 0.3).abs() < 1e-9);
        let error = problem.tilt_to_kl(&values, 0.7).unwrap_err();
        assert!(
            matches!(error, Error::KlUnreachable { max, .. } if (max - 2f64.ln()).abs() < 1e-12)
        );
    }

    #[test]
    fn bad_input_is_named() {
        for (base, rewards, part) in [
            (vec![], vec![], "base masses is empty"),
            (vec![1.0], vec![1.0, 2.0], "rewards has 2"),
            (vec![0.5, 0.5], vec![1.0, f64::NAN], "rewards[1] = NaN"),
            (vec![1.0, 0.0], vec![1.0, 2.0], "base masses[1] = 0"),
            (vec![0.5, 0.4], vec![1.0, 2.0], "sum to 0.9"),
        ] {
            let message = plain(&base, &rewards).unwrap_err().to_string();
            assert!(message.contains(part), "{message}");
        }
        let wrong = FiniteProblem::new(&[0.2, 0.3, 0.5], &[1.0, 2.0, 3.0], Arc::new(Two));
        assert!(
            wrong
                .unwrap_err()
                .to_string()
                .contains("the procedure's output has 2")
        );
        let problem = plain(&[0.5, 0.5], &[1.0, 2.0]).unwrap();
        assert!(problem.tilt(&[1.0], 0.1).is_err());
        assert!(problem.tilt(&[1.0, f64::INFINITY], 0.1).is_err());
        assert!(problem.tilt(&[1.0, 0.0], 0.0).is_err());
        assert!(problem.tilt_to_kl(&[1.0, 0.0], f64::NAN).is_err());
    }

    #[test]
    fn one_response_always_ties() {
        let problem = plain(&[1.0], &[7.0]).unwrap();
        let policy = problem.tilt(&[3.0], 1e-9).unwrap();
        assert_eq!((problem.win_rate(&policy), policy.kl()), (0.5, 0.0));
        assert!(problem.tilt_to_kl(&[3.0], 1e-9).is_err());
    }
}
