//! The same answer where the reward has few values: verifiable rewards, integer judges, pass@N.
//!
//! On levels ℓ = 1..L of base masses `p_ℓ` (see `finite::Levels` for W under ties) the calibrated reward of a level is its mid-quantile
//! `u_ℓ = P_{ℓ−1} + p_ℓ/2`, so a transform leads to `q_ℓ ∝ p_ℓ e^{Φ(u_ℓ)/β}`. What sets levels apart from the continuum:
//!
//! - No increasing Φ spends more than −log `p_L`, all mass on the best level, and nothing wins more. A larger budget is designed at
//!   0.999 of that.
//! - On two levels all increasing transforms give the same policies; only their β differs.
//! - Φ* of the coupled optimum is known at the L mid-quantiles: `optimal` is the piecewise linear Φ through them.
//!
//! | input | answer |
//! |---|---|
//! | masses that are empty, not positive, or do not sum to one | error naming the place |
//! | one level: at β; at a KL | every policy is the base, W = ½; [`Error::KlUnreachable`] |
//! | a KL out of reach of the optimum or of a transform | [`Warning::KlUnreachable`], shown at 0.999 of its reach |
//! | a Φ that is flat on these levels | its row is the base at β = 1, with the same warning |
//! | raw rewards | [`Error::Unsupported`]: with as many values as levels their law is a choice of Φ (`table:FILE`) |

use std::{fmt, sync::Arc};

use super::{
    AtK, Budget, Design, OptimumRow, PhiPoint, Point, Question, TransformRow, check, default_set,
    frontier, named_transforms, recommend,
    rows::{ACCEPTABLE_LOSS, NEARLY, non_monotone, share},
    search::search,
    to_unit,
};
use crate::{
    Error, Quantile, Result, Warning,
    finite::{FiniteOptimum, FinitePolicy, FiniteProblem, Levels},
    finite_k::LevelCost,
    tilted::check_kl,
    transform::{Clamped, Exp, Table, Transform},
};

/// Win rates that differ by less are the same: on two levels they differ by rounding only.
const SAME: f64 = 1e-9;
/// Levels up to which the smallest K is searched for: beyond, thousands of drawn tables per K would take longer than the answer is worth.
const SEARCHED: usize = 64;

/// Answers a question for a reward that takes as many values as there are masses: the base's chances of each, the lowest reward first.
///
/// # Errors
/// As [`super::design`], except that a β below a transform's floor is no error here: levels stay away from 0 and 1. [`Error::Empty`],
/// [`Error::BadValue`] and [`Error::Masses`] for the masses; [`Error::KlUnreachable`] for one level; [`Error::Unsupported`] with raw
/// rewards.
pub fn design_levels(question: &Question, masses: &[f64]) -> Result<Design> {
    if question.raw.is_some() {
        return Err(Error::Unsupported {
            procedure: "raw".to_owned(),
            why: "levels have no raw rewards; give the reward of each level as `table:FILE` at the mid-quantiles, or leave `levels` out"
                .to_owned(),
        });
    }
    check(question)?;
    let levels = Levels::new(masses)?;
    let problem = levels.problem(Arc::clone(&question.procedure))?;
    let mut warnings = Vec::new();
    let reach = -levels.masses()[masses.len() - 1].ln();
    let optimum = optimum(&problem, question.budget, reach, &mut warnings)?;
    if optimum.certificate.gap.is_none() {
        warnings.push(Warning::NoCertificate {
            procedure: question.procedure.to_string(),
            starts: optimum.certificate.starts,
            agreeing: optimum.certificate.agreeing,
        });
    }
    let transforms = if question.transforms.is_empty() {
        defaults(&problem, optimum.kl)?
    } else {
        let optimal = Arc::new(Optimal::new(&problem, &optimum)?);
        named_transforms(question, || Arc::clone(&optimal) as Arc<dyn Transform>)?
    };
    let mut rows = Rows {
        question,
        problem: &problem,
        optimum: &optimum,
        costs: LevelCost::new(&levels, Arc::clone(&question.procedure))?,
        warnings,
    };
    let mut answered = transforms
        .iter()
        .map(|transform| rows.row(transform))
        .collect::<Result<Vec<TransformRow>>>()?;
    let value = |row: &TransformRow| question.budget.value(row.win_rate, row.kl);
    answered.sort_by(|a, b| value(b).total_cmp(&value(a)));
    let mut warnings = rows.warnings;
    drop_repeats(&mut warnings);
    let kl = match question.budget {
        Budget::Kl(kl) => kl,
        Budget::Beta(_) => optimum.kl,
    };
    let optimum_row = OptimumRow {
        beta: optimum.beta,
        kl: optimum.kl,
        win_rate: optimum.win_rate,
        standard_win_rate: optimum.standard_win_rate,
        certificate: optimum.certificate,
    };
    let recommended = recommend::choose(&answered, &optimum_row, question.budget);
    recommend::warn_of_k(&answered, &recommended, question, kl, &mut warnings);
    let points = if question.frontier && reach > 0.0 {
        points(question, &problem, &transforms, reach)?
    } else {
        Vec::new()
    };
    let chosen = transforms
        .iter()
        .find(|t| t.to_string() == recommended.transform);
    let phi = if question.phi || question.frontier {
        phi(&problem, &optimum, chosen)
    } else {
        Vec::new()
    };
    Ok(Design {
        procedure: question.procedure.to_string(),
        kl,
        k: question.k,
        transforms: answered,
        optimum: optimum_row,
        base_procedure: base_point(question, &problem)?,
        recommended,
        points,
        phi,
        warnings,
    })
}

/// The coupled optimum at the budget, or at 0.999 of what can be spent to any avail.
fn optimum(
    problem: &FiniteProblem,
    budget: Budget,
    reach: f64,
    warnings: &mut Vec<Warning>,
) -> Result<FiniteOptimum> {
    match budget {
        Budget::Beta(beta) => FiniteOptimum::at_beta(problem, beta),
        Budget::Kl(kl) if check_kl(kl)? >= reach && reach > 0.0 => {
            let reached = NEARLY * reach;
            warnings.push(unreachable("optimum", kl, reached));
            FiniteOptimum::at_kl(problem, reached)
        }
        Budget::Kl(kl) => FiniteOptimum::at_kl(problem, kl),
    }
}

fn unreachable(transform: impl Into<String>, kl: f64, reached: f64) -> Warning {
    Warning::KlUnreachable {
        transform: transform.into(),
        kl,
        reached,
    }
}

/// The default set; the best exponent only where exponents differ at all.
fn defaults(problem: &FiniteProblem, kl: f64) -> Result<Vec<Arc<dyn Transform>>> {
    let win_rate = |exp: Exp| -> Result<f64> {
        let (_, policy) = problem.tilt_to_kl(&problem.values(&exp), kl)?;
        Ok(problem.win_rate(&policy))
    };
    let different = problem.base().len() > 2 && kl > 0.0 && {
        let (up, down) = (win_rate(Exp::new(4.0)?)?, win_rate(Exp::new(-4.0)?)?);
        (up - down).abs() > SAME
    };
    let best = if different {
        Some(search(win_rate)?)
    } else {
        None
    };
    default_set(best.map_or(1.0, |b| b.exponent().signum()), best)
}

/// Rows under construction.
struct Rows<'a> {
    question: &'a Question,
    problem: &'a FiniteProblem,
    optimum: &'a FiniteOptimum,
    costs: LevelCost,
    warnings: Vec<Warning>,
}

impl Rows<'_> {
    fn row(&mut self, transform: &Arc<dyn Transform>) -> Result<TransformRow> {
        let values = self.problem.values(transform.as_ref());
        let (beta, policy) = match self.question.budget {
            Budget::Beta(beta) => (beta, self.problem.tilt(&values, beta)?),
            Budget::Kl(kl) => self.at_kl(transform, &values, kl)?,
        };
        if !transform.is_monotone() {
            self.warnings.push(non_monotone(transform.as_ref()));
        }
        let win_rate = self.problem.win_rate(&policy);
        let kl = policy.kl();
        let at_k = match self.question.k {
            Some(k) if kl > 0.0 => self.at_k(transform, (beta, kl, win_rate), k)?,
            _ => None,
        };
        Ok(TransformRow {
            transform: transform.to_string(),
            beta,
            kl,
            win_rate,
            standard_win_rate: self.problem.standard_win_rate(&policy),
            share_of_optimum: share(
                self.question.budget.value(win_rate, kl),
                self.question
                    .budget
                    .value(self.optimum.win_rate, self.optimum.kl),
            ),
            at_k,
        })
    }

    fn at_kl(
        &mut self,
        transform: &Arc<dyn Transform>,
        values: &[f64],
        kl: f64,
    ) -> Result<(f64, FinitePolicy)> {
        let max = match self.problem.tilt_to_kl(values, kl) {
            Err(Error::KlUnreachable { max, .. }) => max.max(0.0),
            other => return other,
        };
        let reached = NEARLY * max;
        self.warnings
            .push(unreachable(transform.to_string(), kl, reached));
        if reached > 0.0 {
            return self.problem.tilt_to_kl(values, reached);
        }
        Ok((1.0, self.problem.tilt(values, 1.0)?))
    }

    /// What K rollouts leave; `None` where they cannot spend the KL, with a warning.
    fn at_k(
        &mut self,
        transform: &Arc<dyn Transform>,
        (beta, kl, win_rate): (f64, f64, f64),
        k: usize,
    ) -> Result<Option<AtK>> {
        let clamped = Clamped::for_k(Arc::clone(transform), k);
        let (beta_at_k, cost) = match self.costs.cost_at_kl(clamped.as_ref(), kl, k) {
            Err(Error::KlUnreachable { max, .. }) => {
                self.warnings.push(Warning::KlUnreachableAtK {
                    transform: transform.to_string(),
                    k,
                    kl,
                    max,
                });
                return Ok(None);
            }
            other => other?,
        };
        let enough = if self.problem.base().len() <= SEARCHED {
            self.costs
                .smallest_k(transform.as_ref(), kl, win_rate, ACCEPTABLE_LOSS)?
        } else {
            None
        };
        Ok(Some(AtK {
            beta: beta_at_k,
            kl: cost.kl,
            win_rate: cost.win_rate,
            standard_win_rate: cost.standard_win_rate,
            loss: win_rate - cost.win_rate,
            kl_at_ideal_beta: self.costs.cost(clamped.as_ref(), beta, k)?.kl,
            enough,
        }))
    }
}

/// The procedure applied to the base, taken as a policy.
fn base_point(question: &Question, problem: &FiniteProblem) -> Result<Point> {
    let policy = problem.policy(&problem.procedure().apply(problem.base()))?;
    Ok(Point {
        transform: format!("{} of the base", question.procedure),
        beta: None,
        kl: policy.kl(),
        win_rate: problem.win_rate(&policy),
        standard_win_rate: problem.standard_win_rate(&policy),
    })
}

/// All points up to 0.999 of `reach`: the optimum first, then the transforms in their order, each as far as it can spend.
fn points(
    question: &Question,
    problem: &FiniteProblem,
    transforms: &[Arc<dyn Transform>],
    reach: f64,
) -> Result<Vec<Point>> {
    let kls = frontier::kls_to(NEARLY * reach);
    let point = |transform: String, beta: f64, policy: &FinitePolicy| Point {
        transform,
        beta: Some(beta),
        kl: policy.kl(),
        win_rate: problem.win_rate(policy),
        standard_win_rate: problem.standard_win_rate(policy),
    };
    let optima = frontier::in_parallel(&kls, question.threads, |&kl| {
        FiniteOptimum::at_kl(problem, kl)
            .map(|optimum| point("optimum".to_owned(), optimum.beta, &optimum.policy))
    });
    let mut points = optima.into_iter().collect::<Result<Vec<Point>>>()?;
    for transform in transforms.iter().filter(|t| t.to_string() != "optimal") {
        let values = problem.values(transform.as_ref());
        for &kl in &kls {
            match problem.tilt_to_kl(&values, kl) {
                Ok((beta, policy)) => points.push(point(transform.to_string(), beta, &policy)),
                Err(Error::KlUnreachable { .. }) => break,
                Err(other) => return Err(other),
            }
        }
    }
    Ok(points)
}

/// Φ* beside the recommended Φ, one point to a level.
fn phi(
    problem: &FiniteProblem,
    optimum: &FiniteOptimum,
    recommended: Option<&Arc<dyn Transform>>,
) -> Vec<PhiPoint> {
    let best = to_unit(optimum.reward.clone());
    let ours = recommended.map_or_else(
        || best.clone(),
        |transform| to_unit(problem.values(transform.as_ref())),
    );
    let values = best.iter().zip(&ours);
    let places = problem.calibrated().iter().zip(values);
    places
        .map(|(u, (&optimum, &recommended))| PhiPoint {
            u: u.below(),
            optimum,
            recommended,
        })
        .collect()
}

/// Φ* of a coupled optimum on levels, piecewise linear between their mid-quantiles.
#[derive(Debug, Clone)]
struct Optimal(Table);

impl Optimal {
    fn new(problem: &FiniteProblem, optimum: &FiniteOptimum) -> Result<Self> {
        let mut points: Vec<(f64, f64)> = Vec::with_capacity(optimum.reward.len() + 1);
        for (u, reward) in problem.calibrated().iter().zip(&optimum.reward) {
            // Levels so thin that their mid-quantiles coincide share a point.
            if points.last().is_none_or(|last| u.below() > last.0) {
                points.push((u.below(), *reward));
            }
        }
        if let [(_, only)] = points[..] {
            points = vec![(0.0, only), (1.0, only)];
        }
        Table::new("optimal", &points).map(Self)
    }
}

impl fmt::Display for Optimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("optimal")
    }
}

impl Transform for Optimal {
    fn value(&self, u: Quantile) -> f64 {
        self.0.value(u)
    }

    fn bounds(&self) -> (f64, f64) {
        self.0.bounds()
    }

    fn gap(&self, u: Quantile) -> f64 {
        self.0.gap(u)
    }

    /// Up to the rounding that Φ* is computed with.
    fn is_monotone(&self) -> bool {
        let (low, high) = self.bounds();
        let values: Vec<f64> = self
            .breakpoints()
            .iter()
            .map(|&u| self.value(u.into()))
            .collect();
        values
            .windows(2)
            .all(|w| w[1] >= w[0] - 1e-12 * (high - low))
    }

    fn breakpoints(&self) -> &[f64] {
        self.0.breakpoints()
    }
}

/// Where the optimum itself cannot spend the budget, that every transform cannot either needs no saying.
fn drop_repeats(warnings: &mut Vec<Warning>) {
    let limit = warnings.iter().find_map(|w| match w {
        Warning::KlUnreachable {
            transform, reached, ..
        } if transform == "optimum" => Some(*reached),
        _ => None,
    });
    if let Some(limit) = limit {
        warnings.retain(|w| match w {
            Warning::KlUnreachable {
                transform, reached, ..
            } => transform == "optimum" || (reached - limit).abs() > 1e-6 * limit,
            _ => true,
        });
    }
}

#[cfg(test)]
mod tests;
