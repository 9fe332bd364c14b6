//! One row per transform at the budget.

use std::sync::Arc;

use super::{AtK, Budget, Point, Question, TransformRow};
use crate::{
    Error, Result, TiltedPolicy, Warning,
    deployment::Deployment,
    finite_k,
    law::Law,
    optimum::Optimum,
    procedure::Procedure,
    raw::RawRewards,
    tilted::{Family, check_beta},
    transform::{Clamped, Transform},
};

/// A loss of win rate that a finite K may cost without being remarked on.
pub(super) const ACCEPTABLE_LOSS: f64 = 0.01;

/// Rows under construction.
pub(super) struct Rows<'a> {
    question: &'a Question,
    deployment: Deployment,
    optimum: f64,
    rows: Vec<TransformRow>,
}

impl<'a> Rows<'a> {
    pub(super) fn new(question: &'a Question, deployment: Deployment, optimum: &Optimum) -> Self {
        Self {
            question,
            deployment,
            optimum: question.budget.value(optimum.win_rate, optimum.kl),
            rows: Vec::new(),
        }
    }

    /// Adds the row of a transform.
    pub(super) fn push(
        &mut self,
        transform: &Arc<dyn Transform>,
        warnings: &mut Vec<Warning>,
    ) -> Result<()> {
        let (beta, law) = match self.question.budget {
            Budget::Beta(beta) => {
                check_beta(transform.as_ref(), beta)?;
                let policy = TiltedPolicy::at_beta(Arc::clone(transform), beta)?;
                (beta, policy.law().clone())
            }
            Budget::Kl(kl) => match at_kl(&self.deployment, transform, kl) {
                Err(Error::KlUnreachable { max, .. }) => {
                    warnings.push(Warning::KlUnreachable {
                        transform: transform.to_string(),
                        kl,
                        reached: NEARLY * max,
                    });
                    at_kl(&self.deployment, transform, NEARLY * max)?
                }
                other => other?,
            },
        };
        if !transform.is_monotone() {
            warnings.push(non_monotone(transform.as_ref()));
        }
        let win_rate = win_rate(&self.deployment, &law);
        let kl = law.kl();
        let at_k = match self.question.k {
            Some(k) => at_k(
                self.question.procedure.as_ref(),
                transform,
                (beta, kl, win_rate),
                k,
                warnings,
            )?,
            None => None,
        };
        self.rows.push(TransformRow {
            transform: transform.to_string(),
            beta,
            kl,
            win_rate,
            standard_win_rate: law.standard_win_rate(),
            share_of_optimum: self.share(win_rate, kl),
            at_k,
        });
        Ok(())
    }

    /// Adds the row of ordinary raw-reward RLHF.
    pub(super) fn push_raw(&mut self, raw: &RawRewards, warnings: &mut Vec<Warning>) -> Result<()> {
        let procedure = &self.question.procedure;
        let row = match self.question.budget {
            Budget::Beta(beta) => raw.at_beta(procedure, beta)?,
            Budget::Kl(kl) => match raw.at_kl(procedure, kl) {
                Err(Error::KlUnreachable { max, .. }) if max > 0.0 => {
                    let reached = 0.999 * max;
                    warnings.push(Warning::KlUnreachable {
                        transform: "raw".to_owned(),
                        kl,
                        reached,
                    });
                    raw.at_kl(procedure, reached)?
                }
                other => other?,
            },
        };
        let (min, _, max) = raw.k();
        if min != max {
            warnings.push(Warning::UnevenK { min, max });
        }
        if raw.tie_share() > 0.05 {
            warnings.push(Warning::Ties {
                column: "rewards".to_owned(),
                share: raw.tie_share(),
            });
        }
        self.rows.push(TransformRow {
            transform: "raw".to_owned(),
            beta: row.beta,
            kl: row.kl,
            win_rate: row.win_rate,
            standard_win_rate: row.standard_win_rate,
            share_of_optimum: self.share(row.win_rate, row.kl),
            at_k: None,
        });
        Ok(())
    }

    /// The procedure applied to the base, taken as a policy.
    pub(super) fn base_point(&self) -> Point {
        let law = self.deployment.base_law();
        Point {
            transform: format!("{} of the base", self.question.procedure),
            beta: None,
            kl: law.kl(),
            win_rate: self.deployment.win_rate(&law),
            standard_win_rate: law.standard_win_rate(),
        }
    }

    /// The rows, best first: by W at a KL budget, by W − β KL at a β.
    pub(super) fn sorted(mut self) -> Vec<TransformRow> {
        let value = |row: &TransformRow| self.question.budget.value(row.win_rate, row.kl);
        self.rows.sort_by(|a, b| value(b).total_cmp(&value(a)));
        self.rows
    }

    fn share(&self, win_rate: f64, kl: f64) -> f64 {
        share(self.question.budget.value(win_rate, kl), self.optimum)
    }
}

/// (V − ½)/(V* − ½), with V = W at a KL budget and W − β KL at a β.
pub(super) fn share(value: f64, optimum: f64) -> f64 {
    let whole = optimum - 0.5;
    if whole > 0.0 {
        (value - 0.5) / whole
    } else {
        0.0
    }
}

/// How near to its supremum a transform that cannot spend the budget is shown.
pub(crate) const NEARLY: f64 = 0.999;

/// β and law of a transform at a KL, beginning on the deployment's grid.
pub(crate) fn at_kl(
    deployment: &Deployment,
    transform: &Arc<dyn Transform>,
    kl: f64,
) -> Result<(f64, Law)> {
    if transform.bounds().1.is_finite() && transform.breakpoints().is_empty() {
        return Family::new(Arc::clone(transform), Arc::clone(deployment.grid())).at_kl(kl, None);
    }
    let policy = TiltedPolicy::at_kl(Arc::clone(transform), kl)?;
    Ok((policy.beta(), policy.law().clone()))
}

/// W of a law, on its own grid where that is not the deployment's, refined until both are resolved.
pub(crate) fn win_rate(deployment: &Deployment, law: &Law) -> f64 {
    if std::ptr::eq(law.grid().as_ref(), deployment.grid().as_ref()) {
        return deployment.win_rate(law);
    }
    let own = Deployment::on_grid(Arc::clone(deployment.procedure()), Arc::clone(law.grid()));
    own.win_rate(law)
}

/// What K rollouts leave; `None` for procedures whose expectation over calibration tables has no closed reduction.
fn at_k(
    procedure: &dyn Procedure,
    transform: &Arc<dyn Transform>,
    (beta, kl, win_rate): (f64, f64, f64),
    k: usize,
    warnings: &mut Vec<Warning>,
) -> Result<Option<AtK>> {
    let clamped = Clamped::for_k(Arc::clone(transform), k);
    let spent = match finite_k::cost_at_kl(procedure, clamped.as_ref(), kl, k) {
        Ok(spent) => spent,
        Err(Error::Unsupported { .. }) => return Ok(None),
        Err(Error::KlUnreachable { max, .. }) => {
            warnings.push(Warning::KlUnreachableAtK {
                transform: transform.to_string(),
                k,
                kl,
                max,
            });
            return Ok(None);
        }
        Err(other) => return Err(other),
    };
    let (beta_at_k, cost) = spent;
    let kl_at_ideal_beta = finite_k::kl_at_beta(clamped.as_ref(), beta, k)?;
    let enough =
        finite_k::smallest_k(procedure, transform.as_ref(), kl, win_rate, ACCEPTABLE_LOSS)?;
    Ok(Some(AtK {
        beta: beta_at_k,
        kl: cost.kl,
        win_rate: cost.win_rate,
        standard_win_rate: cost.standard_win_rate,
        loss: win_rate - cost.win_rate,
        kl_at_ideal_beta,
        enough,
    }))
}

/// Where a transform that is not monotone falls first, on 1024 equal steps.
pub(super) fn non_monotone(transform: &dyn Transform) -> Warning {
    let at = |i: u32| f64::from(i) / 1024.0;
    let value = |i: u32| transform.value(at(i).into());
    let from = (0..1024).find(|&i| value(i + 1) < value(i)).unwrap_or(0);
    let to = (from + 1..1024)
        .find(|&i| value(i + 1) >= value(i))
        .unwrap_or(1024);
    Warning::NonMonotone {
        transform: transform.to_string(),
        from: at(from),
        to: at(to),
    }
}
