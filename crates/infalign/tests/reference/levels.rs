//! Levels with ties: win rate and optimum against the enumeration of all draws and a general optimiser.

use infalign::finite::{FiniteOptimum, FiniteProblem, Levels};

use super::{
    Largest, procedure,
    record::{FiniteLevels, REFERENCE},
};

fn problem(want: &FiniteLevels) -> FiniteProblem {
    let levels = Levels::new(&want.base).unwrap();
    levels.problem(procedure(&want.procedure)).unwrap()
}

fn at(want: &FiniteLevels) -> String {
    format!("{} on {:?} at β {}", want.procedure, want.base, want.beta)
}

#[test]
fn win_rates_of_given_policies() {
    let mut win_rate = Largest::new("win rate", 1e-12);
    let mut kl = Largest::new("KL", 1e-12);
    let mut other = Largest::new("objective of a local maximum", 1e-12);
    for want in &REFERENCE.finite_levels {
        let problem = problem(want);
        let policy = problem.policy(&want.q).unwrap();
        win_rate.insert(problem.win_rate(&policy), want.win_rate, &at(want));
        kl.insert(policy.kl(), want.kl, &at(want));
        for local in &want.other_local_maxima {
            let policy = problem.policy(&local.q).unwrap();
            let objective = problem.win_rate(&policy) - want.beta * policy.kl();
            other.insert(objective, local.objective, &at(want));
        }
    }
    win_rate.finish();
    kl.finish();
    other.finish();
}

#[test]
fn the_optimum_is_the_global_one() {
    let mut masses = Largest::new("masses of the optimum", 1e-8);
    let mut objective = Largest::new("W* − β KL", 1e-12);
    for want in &REFERENCE.finite_levels {
        let got = FiniteOptimum::at_beta(&problem(want), want.beta).unwrap();
        objective.insert(got.win_rate - got.beta * got.kl, want.objective, &at(want));
        for (q, wanted) in got.policy.masses().iter().zip(&want.q) {
            masses.insert(*q, *wanted, &at(want));
        }
    }
    objective.finish();
    masses.finish();
}
