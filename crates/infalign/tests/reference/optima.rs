//! The coupled optimum against an initial value problem, shooting, and a scalar equation.

use infalign::{
    Deployment,
    optimum::{Optimum, Solver},
};

use super::{
    Largest, procedure,
    record::{self, REFERENCE},
};

/// Above this a win rate is 1 to twelve digits, and neither β nor KL can be told from the objective.
const SATURATED: f64 = 1.0 - 1e-12;

fn solver(text: &str) -> Solver {
    Solver::new(Deployment::new(procedure(text), &[]))
}

fn at(want: &record::Optimum) -> String {
    format!("{} at KL {}, β {:e}", want.procedure, want.kl, want.beta)
}

#[test]
fn at_a_budget() {
    let mut beta = Largest::new("β*", 1e-9);
    let mut win_rate = Largest::new("W*", 1e-11);
    let mut standard = Largest::new("standard win rate of the optimum", 1e-8);
    for want in &REFERENCE.optima {
        let got = solver(&want.procedure).at_kl(want.kl).unwrap();
        win_rate.insert(got.win_rate, want.win_rate, &at(want));
        if want.win_rate < SATURATED {
            beta.insert_relative(got.beta, want.beta, &at(want));
            standard.insert(got.standard_win_rate, want.standard_win_rate, &at(want));
        }
    }
    win_rate.finish();
    beta.finish();
    standard.finish();
}

#[test]
fn at_a_price() {
    let mut kl = Largest::new("KL of the optimum", 1e-8);
    let mut objective = Largest::new("W* − β KL", 1e-8);
    let priced = |o: &&record::Optimum| o.beta >= 1e-12 && o.win_rate < SATURATED;
    for want in REFERENCE.optima.iter().filter(priced) {
        let got = solver(&want.procedure).at_beta(want.beta).unwrap();
        kl.insert(got.kl, want.kl, &at(want));
        objective.insert(got.win_rate - got.beta * got.kl, want.objective, &at(want));
    }
    kl.finish();
    objective.finish();
}

/// At the optimum, by parts: W* = (β/N)(f(1) − 1) for best-of-N and 1 − (β/N)(1 − f(0)) for worst-of-N.
fn win_rate_from_the_density_at_the_end(text: &str, got: &Optimum) -> Option<f64> {
    let (kind, n) = text.split_once(':')?;
    let per_draw = got.beta / n.parse::<f64>().ok()?;
    match kind {
        "best-of" => Some(per_draw * (got.law.density().last()? - 1.0)),
        "worst-of" => Some(1.0 - per_draw * (1.0 - got.law.density().first()?)),
        _ => None,
    }
}

#[test]
fn the_density_at_the_end_tells_the_win_rate() {
    let mut identity = Largest::new("W* by the identity", 1e-8);
    for want in REFERENCE.optima.iter().filter(|o| o.win_rate < SATURATED) {
        let got = solver(&want.procedure).at_kl(want.kl).unwrap();
        if let Some(told) = win_rate_from_the_density_at_the_end(&want.procedure, &got) {
            identity.insert(told, got.win_rate, &at(want));
        }
    }
    identity.finish();
}
