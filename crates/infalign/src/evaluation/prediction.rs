//! What the theory says that a policy wins, at any KL: with perfect calibration, and with the calibration there is.
//!
//! ```text
//! V(κ) = W^T of e^{Φ/β}/Z with the β that spends κ                   perfect calibration, no ties
//! P(κ) = the same averaged over tables of K rollouts (`finite_k`)    rewards without ties
//!      = q ∝ p e^{Φ(Ĉ)/β} on the calibration table's levels          rewards with ties (`RawRewards::calibrated`)
//!      = q ∝ p e^{r/β} on the calibration table's levels             raw-reward RLHF (`raw`); V is the same there
//! ```
//!
//! Rewards count as tied where more than 5% of pairs within a prompt are equal; there the continuous theory promises what no policy can
//! keep. The table's prediction is of Ĉ on the rollouts that it was made of, so that ties are priced and the noise of K is not.
//!
//! | case | result |
//! |---|---|
//! | κ ≤ 1e−6, below zero included | ½ |
//! | κ beyond reach, or above 32 nats | at 0.999 of the reach, at 32 nats |
//! | K not known, or a procedure without a finite-K theory | P = V |
//! | a Φ that decreases somewhere, ties | P = V |
//! | `raw` without a calibration table, rewards of another kind | no prediction |

use std::sync::Arc;

use super::{
    Basis,
    samples::TrainedOn,
    target::{Aim, Target},
};
use crate::{
    Deployment, Error, Result, TiltedPolicy, Warning,
    design::{MOST_KL, rows},
    finite_k,
    optimum::Solver,
    procedure::Procedure,
    raw::RawRewards,
    transform::{Clamped, Transform},
};

/// KL below which a policy is taken for the base.
const NO_KL: f64 = 1e-6;
/// Share of tied pairs above which the continuous theory is not used: as for [`Warning::Ties`] in a design.
pub(super) const TIED: f64 = 0.05;

/// One procedure in theory.
#[derive(Debug, Clone)]
pub(super) struct Theory {
    deployment: Deployment,
    solver: Solver,
    /// (κ, W*(κ)) of every optimum found: policies share budgets.
    found: Vec<(f64, f64)>,
    /// Caveats of the first optimum that was asked for.
    pub(super) warnings: Option<Vec<Warning>>,
}

impl Theory {
    pub(super) fn new(procedure: &Arc<dyn Procedure>) -> Self {
        let deployment = Deployment::new(Arc::clone(procedure), &[]);
        Self {
            solver: Solver::new(deployment.clone()),
            deployment,
            found: Vec::new(),
            warnings: None,
        }
    }

    pub(super) const fn procedure(&self) -> &Arc<dyn Procedure> {
        self.deployment.procedure()
    }

    /// W*(κ): the most that any policy wins.
    pub(super) fn optimum(&mut self, kl: f64) -> Result<f64> {
        if let Some((_, win_rate)) = self.found.iter().find(|f| f.0 == kl) {
            return Ok(*win_rate);
        }
        let win_rate = within_reach(kl, |kl| {
            let optimum = self.solver.at_kl(kl)?;
            if self.warnings.is_none() {
                self.warnings = Some(self.solver.warnings(&optimum));
            }
            Ok(optimum.win_rate)
        })?;
        self.found.push((kl, win_rate));
        Ok(win_rate)
    }
}

/// Predictions for one reward.
#[derive(Debug, Clone)]
pub(super) struct Predictor {
    perfect: Option<Arc<dyn Transform>>,
    calibrated: Calibrated,
}

#[derive(Debug, Clone)]
enum Calibrated {
    Perfectly,
    FromRollouts(usize),
    Table(RawRewards),
}

impl Predictor {
    /// `None` where nothing can be predicted.
    pub(super) fn new(trained_on: &TrainedOn, table: Option<&RawRewards>) -> Option<Self> {
        let (perfect, calibrated) = match (trained_on, table) {
            (TrainedOn::Other(_), _) | (TrainedOn::Raw, None) => return None,
            (TrainedOn::Raw, Some(table)) => (None, Calibrated::Table(table.clone())),
            (TrainedOn::Transform(t), None) => (Some(t), Calibrated::Perfectly),
            (TrainedOn::Transform(t), Some(table)) => {
                let calibrated = if table.tie_share() <= TIED {
                    Calibrated::FromRollouts(table.k().1)
                } else {
                    let levels = table.calibrated(t.as_ref());
                    levels.map_or(Calibrated::Perfectly, Calibrated::Table)
                };
                (Some(t), calibrated)
            }
        };
        Some(Self {
            perfect: perfect.map(Arc::clone),
            calibrated,
        })
    }

    pub(super) const fn basis(&self) -> Basis {
        match self.calibrated {
            Calibrated::Table(_) => Basis::Table,
            Calibrated::Perfectly | Calibrated::FromRollouts(_) => Basis::Continuous,
        }
    }

    /// V(κ).
    pub(super) fn perfect(&self, theory: &Theory, kl: f64) -> Result<f64> {
        let Some(transform) = &self.perfect else {
            return self.calibrated(theory, kl);
        };
        within_reach(kl, |kl| {
            let (_, law) = rows::at_kl(&theory.deployment, transform, kl)?;
            Ok(rows::win_rate(&theory.deployment, &law))
        })
    }

    /// P(κ).
    pub(super) fn calibrated(&self, theory: &Theory, kl: f64) -> Result<f64> {
        match (&self.calibrated, &self.perfect) {
            (Calibrated::Table(table), _) => {
                within_reach(kl, |kl| Ok(table.at_kl(theory.procedure(), kl)?.win_rate))
            }
            (Calibrated::FromRollouts(k), Some(transform)) => {
                let clamped = Clamped::for_k(Arc::clone(transform), *k);
                let procedure = theory.procedure().as_ref();
                let at = |kl| finite_k::cost_at_kl(procedure, clamped.as_ref(), kl, *k);
                match within_reach(kl, |kl| Ok(at(kl)?.1.win_rate)) {
                    Err(Error::Unsupported { .. }) => self.perfect(theory, kl),
                    other => other,
                }
            }
            _ => self.perfect(theory, kl),
        }
    }

    /// The law of u that training aims at with κ nats; `None` where that is no KL at all.
    pub(super) fn aim(&self, kl: f64) -> Result<Option<Aim>> {
        let trained = match (&self.calibrated, &self.perfect) {
            (Calibrated::Table(table), _) => {
                nearest(kl, |kl| Ok(Target::of_table(table, table.beta_at_kl(kl)?)))?
            }
            (Calibrated::FromRollouts(k), Some(transform)) => {
                let clamped = Clamped::for_k(Arc::clone(transform), *k);
                let transform = clamped.as_ref();
                let beta = |kl| finite_k::beta_for_kl(transform, kl, *k);
                nearest(kl, |kl| Ok(Target::of_rollouts(transform, beta(kl)?, *k)))?
            }
            _ => None,
        };
        // Of rewards that tie the table is all there is: levels hold no law as fine as the continuous one.
        let ideal = match (&self.calibrated, &self.perfect) {
            (Calibrated::Perfectly | Calibrated::FromRollouts(_), Some(transform)) => {
                let tilt = |kl| TiltedPolicy::at_kl(Arc::clone(transform), kl);
                nearest(kl, |kl| Ok(Target::of_tilt(&tilt(kl)?)))?
            }
            _ => None,
        };
        Ok(match (ideal, trained) {
            (Some(ideal), Some(trained)) => Some(Aim { ideal, trained }),
            (Some(one), None) | (None, Some(one)) => Some(Aim {
                ideal: one.clone(),
                trained: one,
            }),
            (None, None) => None,
        })
    }
}

/// `at(κ)`, at the nearest that can be reached for too much; `None` for no KL.
fn nearest<T>(kl: f64, mut at: impl FnMut(f64) -> Result<T>) -> Result<Option<T>> {
    if kl <= NO_KL {
        return Ok(None);
    }
    match at(kl.min(MOST_KL)) {
        Err(Error::KlUnreachable { max, .. }) if max <= NO_KL => Ok(None),
        Err(Error::KlUnreachable { max, .. }) => at(rows::NEARLY * max).map(Some),
        other => other.map(Some),
    }
}

/// A win rate at κ, ½ where that is no KL.
fn within_reach(kl: f64, at: impl FnMut(f64) -> Result<f64>) -> Result<f64> {
    Ok(nearest(kl, at)?.unwrap_or(0.5))
}
