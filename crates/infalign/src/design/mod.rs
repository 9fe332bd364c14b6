//! The analytical tool: which transform and which β for this procedure and KL budget, and how much it wins.
//!
//! \[IA\] (arXiv 2412.19792, section 4) compares transforms in quantile space, where win rates and KL depend neither on the prompt, nor on the
//! reward, nor on the base policy. Here the comparison is a table at one budget, with the coupled optimum above it, the cost of a finite
//! calibration beside it, and whole frontiers when asked for.

mod answer;
mod frontier;
mod levels;
mod recommend;
pub(crate) mod rows;
mod search;

use std::sync::Arc;

pub use answer::{
    AtK, Certificate, Design, OptimumRow, PhiPoint, Point, Recommended, TransformRow,
};
pub use levels::design_levels;
pub use search::best_exponent;

use crate::{
    Error, Result,
    deployment::Deployment,
    optimum::{Optimum, Solver},
    procedure::Procedure,
    raw::RawRewards,
    transform::{self, Exp, Identity, Log, Transform, TransformSpec},
};

/// What is fixed: the KL to spend, or its price.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Budget {
    /// KL(π‖p) in nats.
    Kl(f64),
    /// β.
    Beta(f64),
}

impl Budget {
    /// What policies are compared by: W where all spend the same KL, W − β KL where all pay the same price.
    #[must_use]
    pub const fn value(self, win_rate: f64, kl: f64) -> f64 {
        match self {
            Self::Kl(_) => win_rate,
            Self::Beta(beta) => win_rate - beta * kl,
        }
    }
}

/// KL budgets beyond this are refused: no transform's quantiles fit f64 there.
pub const MOST_KL: f64 = 32.0;

/// A question to [`design`].
#[derive(Debug, Clone)]
pub struct Question {
    /// The procedure of deployment.
    pub procedure: Arc<dyn Procedure>,
    /// The budget.
    pub budget: Budget,
    /// Transforms to compare; empty for the default set. A `table:FILE` must have been read.
    pub transforms: Vec<TransformSpec>,
    /// Rollouts per prompt of the calibration.
    pub k: Option<usize>,
    /// Base rewards, for the row `raw`.
    pub raw: Option<RawRewards>,
    /// Whether to compute the frontier.
    pub frontier: bool,
    /// Whether to tabulate Φ* and the recommended Φ.
    pub phi: bool,
    /// Threads for the frontier; the answer does not depend on it.
    pub threads: usize,
}

impl Question {
    /// The default question about a procedure at a budget.
    #[must_use]
    pub const fn new(procedure: Arc<dyn Procedure>, budget: Budget) -> Self {
        Self {
            procedure,
            budget,
            transforms: Vec::new(),
            k: None,
            raw: None,
            frontier: false,
            phi: false,
            threads: 1,
        }
    }
}

/// Answers a question.
///
/// # Errors
/// [`Error::OutOfRange`] for a budget or K out of range; [`Error::Unsupported`] for a `table:FILE` that was not read;
/// [`Error::BetaTooSmall`] where a transform named by the caller cannot be evaluated at the β asked for.
pub fn design(question: &Question) -> Result<Design> {
    design_with_transforms(question).map(|(design, _)| design)
}

/// The answer, and the transforms of its rows (in the order asked for, not in the rows' order).
///
/// # Errors
/// As [`design`].
pub fn design_with_transforms(question: &Question) -> Result<(Design, Vec<Arc<dyn Transform>>)> {
    check(question)?;
    let mut solver = Solver::new(Deployment::new(Arc::clone(&question.procedure), &[]));
    let optimum = match question.budget {
        Budget::Kl(kl) => solver.at_kl(kl)?,
        Budget::Beta(beta) => solver.at_beta(beta)?,
    };
    let kl = match question.budget {
        Budget::Kl(kl) => kl,
        Budget::Beta(_) => optimum.kl,
    };
    let mut warnings = solver.warnings(&optimum);
    let transforms = transforms(question, &optimum, kl)?;
    let mut rows = rows::Rows::new(question, solver.deployment().clone(), &optimum);
    for transform in &transforms {
        rows.push(transform, &mut warnings)?;
    }
    let procedure_of_base = rows.base_point();
    if let Some(raw) = &question.raw {
        rows.push_raw(raw, &mut warnings)?;
    }
    let rows = rows.sorted();
    let optimum_row = OptimumRow {
        beta: optimum.beta,
        kl: optimum.kl,
        win_rate: optimum.win_rate,
        standard_win_rate: optimum.standard_win_rate,
        certificate: optimum.certificate,
    };
    let recommended = recommend::choose(&rows, &optimum_row, question.budget);
    recommend::warn_of_k(&rows, &recommended, question, kl, &mut warnings);
    let points = if question.frontier {
        frontier::points(question, &mut solver, &transforms)?
    } else {
        Vec::new()
    };
    let phi = if question.phi || question.frontier {
        phi_points(
            &optimum,
            transforms
                .iter()
                .find(|t| t.to_string() == recommended.transform),
        )
    } else {
        Vec::new()
    };
    let design = Design {
        procedure: question.procedure.to_string(),
        kl,
        k: question.k,
        transforms: rows,
        optimum: optimum_row,
        base_procedure: procedure_of_base,
        recommended,
        points,
        phi,
        warnings,
    };
    Ok((design, transforms))
}

/// K and the KL budget within what can be computed.
fn check(question: &Question) -> Result<()> {
    if let Budget::Kl(kl) = question.budget {
        let ok = kl > 0.0 && kl <= MOST_KL;
        Error::range("KL", kl, ok, "a number > 0 and at most 32 (nats)")?;
    }
    if let Some(k) = question.k {
        Error::range(
            "K",
            k as f64,
            (1..=1_000_000).contains(&k),
            "a whole number between 1 and 1000000",
        )?;
    }
    Ok(())
}

/// The transforms to compare, ready to be evaluated and each once.
fn transforms(question: &Question, optimum: &Optimum, kl: f64) -> Result<Vec<Arc<dyn Transform>>> {
    if question.transforms.is_empty() {
        let deployment = Deployment::new(Arc::clone(&question.procedure), &[]);
        return default_transforms(&deployment, kl);
    }
    named_transforms(question, || Arc::new(optimum.transform.clone()))
}

/// The transforms that the question names, each once.
fn named_transforms(
    question: &Question,
    optimal: impl Fn() -> Arc<dyn Transform>,
) -> Result<Vec<Arc<dyn Transform>>> {
    let mut ready: Vec<Arc<dyn Transform>> = Vec::new();
    for spec in &question.transforms {
        let transform: Arc<dyn Transform> = match spec {
            TransformSpec::Ready(transform) => Arc::clone(transform),
            TransformSpec::Optimal => optimal(),
            TransformSpec::Table(file) => {
                return Err(Error::Unsupported {
                    procedure: format!("table:{file}"),
                    why: "the file has not been read; make a transform::Table of it".to_owned(),
                });
            }
        };
        if ready.iter().all(|t| t.to_string() != transform.to_string()) {
            ready.push(transform);
        }
    }
    Ok(ready)
}

/// `identity`, `log`, exponentials at ±2.5, 5, 10, 20 with the sign that suits the procedure, and the best exponent by search.
///
/// # Errors
/// [`Error::OutOfRange`] for a KL that is not positive and finite.
pub fn default_transforms(deployment: &Deployment, kl: f64) -> Result<Vec<Arc<dyn Transform>>> {
    let best = best_exponent(deployment, kl)?;
    default_set(best.exponent().signum(), Some(best))
}

/// The default set for exponents of this sign, with the best one where it is known.
fn default_set(sign: f64, best: Option<Exp>) -> Result<Vec<Arc<dyn Transform>>> {
    let mut transforms: Vec<Arc<dyn Transform>> = vec![Arc::new(Identity), Arc::new(Log)];
    for t in [2.5, 5.0, 10.0, 20.0] {
        transforms.push(Arc::new(Exp::new(sign * t)?));
    }
    if let Some(best) = best
        && transforms.iter().all(|t| t.to_string() != best.to_string())
    {
        transforms.push(Arc::new(best));
    }
    Ok(transforms)
}

/// Φ* and the recommended Φ over u = 0, 0.005, …, 1, each scaled to \[0,1\] over what is finite.
fn phi_points(optimum: &Optimum, recommended: Option<&Arc<dyn Transform>>) -> Vec<PhiPoint> {
    let us: Vec<f64> = (0..=200).map(|i| f64::from(i) / 200.0).collect();
    let scaled = |transform: &dyn Transform| {
        // An unbounded Φ is shown where K = 200 rollouts would clamp it.
        let values = us.iter().map(|&u| transform::reward(transform, u, 200));
        to_unit(values.collect())
    };
    let best = scaled(&optimum.transform);
    let ours = recommended.map_or_else(|| best.clone(), |t| scaled(t.as_ref()));
    us.iter()
        .zip(best.iter().zip(&ours))
        .map(|(&u, (&optimum, &recommended))| PhiPoint {
            u,
            optimum,
            recommended,
        })
        .collect()
}

/// Values moved and scaled to \[0,1\]; all 0 where they are equal.
fn to_unit(values: Vec<f64>) -> Vec<f64> {
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let width = if high > low { high - low } else { 1.0 };
    values.into_iter().map(|v| (v - low) / width).collect()
}

#[cfg(test)]
mod tests;
