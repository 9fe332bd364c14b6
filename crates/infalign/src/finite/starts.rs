//! Where the ascent of a finite problem begins.
//!
//! A concave W has one maximiser, and R at the base is as good a start as any. Otherwise W may have a maximum for every way to win, and a
//! start near each is needed. The ways known: reach for the best responses, clear out the worst (against worst-of-N nothing helps
//! until nearly all mass of the lowest level is gone, and then everything is won at once), and settle on one favourite (voting).
//!
//! | start | at a price β | at a budget |
//! |---|---|---|
//! | R at the base, scores, steep transforms | what training on it at β leads to | the same, at the β that spends the budget |
//! | the base without its worst responses, for several cuts | as it is | as it is, scaled to the budget, if the cut spends enough |
//! | half of all mass on a favourite | as it is | scaled to the budget |

use super::{
    climb::Goal,
    policy::{FinitePolicy, tilt_to_kl},
    set::FiniteProblem,
};
use crate::{Error, Result, procedure::Shape, transform::Exp};

/// Strengths of the steep transforms, between "the best few" and "all but the worst few".
const STEEP: [f64; 3] = [10.0, -10.0, -40.0];
/// Calibrated rewards up to which a cut clears responses out; the lowest level is always one more cut.
const CUTS: [f64; 9] = [0.003, 0.01, 0.03, 0.1, 0.2, 0.35, 0.5, 0.75, 0.9];
/// Log-ratio that a cleared-out response is left with: e^{−30} of its mass, so that the ascent can bring it back.
const CLEARED: f64 = -30.0;
/// Responses that are made a favourite.
const FAVOURITES: usize = 8;

/// A start: the log-tilt of a policy, or values to be trained on.
enum Start {
    Tilt(Vec<f64>),
    Values(Vec<f64>),
}

/// The starting policies, and the refusal that reached furthest where a budget was out of reach of some.
pub(super) fn policies(problem: &FiniteProblem, goal: Goal) -> (Vec<FinitePolicy>, Option<Error>) {
    let mut starts = vec![Start::Values(problem.gradient_at(problem.base()))];
    if problem.procedure().shape() != Shape::Concave {
        starts.extend(graded(problem).map(Start::Values));
        starts.extend(cleared(problem).into_iter().map(Start::Tilt));
        starts.extend(favoured(problem).into_iter().map(Start::Tilt));
    }
    let (mut policies, mut refused) = (Vec::new(), None);
    for start in &starts {
        match policy(problem, start, goal) {
            Ok(policy) => policies.push(policy),
            Err(error) => refused = Some(further(refused, error)),
        }
    }
    if policies.is_empty() {
        // R at the base may have underflowed to a constant (best-of-4096 of a common answer); the scores have not.
        policies.extend(policy(problem, &Start::Values(scores(problem)), goal));
    }
    (policies, refused)
}

fn policy(problem: &FiniteProblem, start: &Start, goal: Goal) -> Result<FinitePolicy> {
    match (start, goal) {
        (Start::Values(values), Goal::Price(beta)) => problem.tilt(values, beta),
        (Start::Tilt(tilt), Goal::Price(_)) => problem.tilt(tilt, 1.0),
        (Start::Values(values) | Start::Tilt(values), Goal::Budget(kl)) => {
            let what = "the coupled optimum of this finite set";
            tilt_to_kl(problem.base(), values, kl, what).map(|(_, policy)| policy)
        }
    }
}

/// Of two refusals, the one that reached further.
fn further(known: Option<Error>, new: Error) -> Error {
    match (known, &new) {
        (Some(Error::KlUnreachable { what, kl, max }), Error::KlUnreachable { max: now, .. })
            if max >= *now =>
        {
            Error::KlUnreachable { what, kl, max }
        }
        _ => new,
    }
}

/// The scores against T(p), and steep transforms of the calibrated reward.
fn graded(problem: &FiniteProblem) -> impl Iterator<Item = Vec<f64>> + '_ {
    let steep = STEEP.into_iter().filter_map(|t| Exp::new(t).ok());
    let steep = steep.map(|transform| problem.values(&transform));
    std::iter::once(scores(problem)).chain(steep)
}

fn scores(problem: &FiniteProblem) -> Vec<f64> {
    problem.scores().iter().map(|c| c.below()).collect()
}

/// The base without the responses up to each cut.
fn cleared(problem: &FiniteProblem) -> Vec<Vec<f64>> {
    let ranks: Vec<f64> = problem.calibrated().iter().map(|c| c.below()).collect();
    let lowest = ranks.iter().copied().fold(f64::INFINITY, f64::min);
    let highest = ranks.iter().copied().fold(0.0, f64::max);
    let mut starts: Vec<Vec<f64>> = Vec::new();
    let cuts = CUTS.into_iter().filter(|cut| *cut > lowest);
    for cut in std::iter::once(lowest)
        .chain(cuts)
        .take_while(|cut| *cut < highest)
    {
        let tilt: Vec<f64> = ranks
            .iter()
            .map(|rank| if *rank <= cut { CLEARED } else { 0.0 })
            .collect();
        if starts.last() != Some(&tilt) {
            starts.push(tilt);
        }
    }
    starts
}

/// Half of all mass on one of the best responses, the likelier first among equals.
fn favoured(problem: &FiniteProblem) -> Vec<Vec<f64>> {
    let (base, scores) = (problem.base(), scores(problem));
    let mut best: Vec<usize> = (0..base.len()).collect();
    best.sort_by(|&a, &b| {
        scores[b]
            .total_cmp(&scores[a])
            .then(base[b].total_cmp(&base[a]))
    });
    let favourites = best.iter().take(FAVOURITES);
    let tilts = favourites.map(|&favourite| {
        let mut tilt = vec![0.0; base.len()];
        let (mass, rest) = (base[favourite], 1.0 - base[favourite]);
        tilt[favourite] = (rest / mass).ln().max(1.0);
        tilt
    });
    tilts.collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "problems are valid")]

    use std::sync::Arc;

    use super::*;
    use crate::{
        finite::Levels,
        procedure::{BestOf, WorstOf},
    };

    #[test]
    fn concave_problems_need_one_start_and_others_many() {
        let levels = Levels::new(&[0.25; 4]).unwrap();
        let goal = Goal::Price(0.1);
        let best_of = levels.problem(Arc::new(BestOf::new(4).unwrap())).unwrap();
        assert_eq!(policies(&best_of, goal).0.len(), 1);
        let worst_of = levels.problem(Arc::new(WorstOf::new(4).unwrap())).unwrap();
        // R, scores, three transforms; cuts after each of the first three levels; four favourites.
        assert_eq!(policies(&worst_of, goal).0.len(), 5 + 3 + 4);
    }

    #[test]
    fn a_budget_is_spent_by_every_start_or_refused() {
        let levels = Levels::new(&[0.25; 4]).unwrap();
        let problem = levels.problem(Arc::new(WorstOf::new(4).unwrap())).unwrap();
        let (reached, refused) = policies(&problem, Goal::Budget(1.0));
        assert!(
            reached
                .iter()
                .all(|policy| (policy.kl() - 1.0).abs() < 1e-11)
        );
        // Cuts after the first and second level spend log 4/3 and log 2 at most.
        let told = |error: Error| matches!(error, Error::KlUnreachable { max, .. } if (max - 2f64.ln()).abs() < 1e-12);
        assert!(refused.is_some_and(told));
    }
}
