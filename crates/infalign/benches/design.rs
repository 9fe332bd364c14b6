//! How long the analytical tool takes: one design, its frontier, the coupled optimum, the cost of a finite K.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed computation stops the benchmark"
)]

use std::sync::Arc;

use divan::Bencher;
use infalign::{
    Deployment,
    design::{Budget, Question, best_exponent, design},
    finite_k,
    optimum::Solver,
    procedure::{Procedure, ProcedureSpec},
    transform::Exp,
};

fn main() {
    divan::main();
}

/// KL budget of every benchmark, in nats.
const KL: f64 = 0.5;

fn named(text: &str) -> Arc<dyn Procedure> {
    match text.parse().unwrap() {
        ProcedureSpec::Ready(procedure) => procedure,
        ProcedureSpec::Cdf(file) => panic!("{file} is a file"),
    }
}

/// The table that `infalign design` prints.
#[divan::bench(args = ["best-of:4", "worst-of:4", "best-of:256"])]
fn one_design(bencher: Bencher<'_, '_>, text: &str) {
    let question = Question::new(named(text), Budget::Kl(KL));
    bencher.bench(|| design(&question).unwrap());
}

/// The same with the cost of a calibration from 100 rollouts beside every transform.
#[divan::bench(args = ["best-of:4", "worst-of:4", "best-of:256"])]
fn one_design_at_k_100(bencher: Bencher<'_, '_>, text: &str) {
    let question = Question {
        k: Some(100),
        ..Question::new(named(text), Budget::Kl(KL))
    };
    bencher.bench(|| design(&question).unwrap());
}

/// The table, and 64 KLs of every default transform and the optimum.
#[divan::bench(args = ["best-of:4", "worst-of:4", "best-of:256"], sample_count = 20)]
fn frontier(bencher: Bencher<'_, '_>, text: &str) {
    let question = Question {
        frontier: true,
        ..Question::new(named(text), Budget::Kl(KL))
    };
    bencher.bench(|| design(&question).unwrap());
}

/// The coupled optimum on its own, certificate included.
#[divan::bench(args = ["best-of:4", "worst-of:4", "best-of:256"])]
fn optimum(bencher: Bencher<'_, '_>, text: &str) {
    let procedure = named(text);
    bencher.bench(|| {
        let deployment = Deployment::new(Arc::clone(&procedure), &[]);
        Solver::new(deployment).at_kl(KL).unwrap()
    });
}

/// The search for the exponent of `exp:T`.
#[divan::bench(args = ["best-of:4", "worst-of:4"])]
fn exponent(bencher: Bencher<'_, '_>, text: &str) {
    let deployment = Deployment::new(named(text), &[]);
    bencher.bench(|| best_exponent(&deployment, KL).unwrap());
}

/// β and win rates of exp:10 when Ĉ comes from K rollouts.
#[divan::bench(args = [10, 100, 1000])]
fn cost_of_k(bencher: Bencher<'_, '_>, k: usize) {
    let (procedure, transform) = (named("best-of:4"), Exp::new(10.0).unwrap());
    bencher.bench(|| finite_k::cost_at_kl(procedure.as_ref(), &transform, KL, k).unwrap());
}

/// The smallest K that costs exp:10 at most a hundredth of win rate.
#[divan::bench]
fn smallest_k(bencher: Bencher<'_, '_>) {
    let (procedure, transform) = (named("best-of:4"), Exp::new(10.0).unwrap());
    let perfect = 0.871_512_817_204;
    bencher.bench(|| {
        finite_k::smallest_k(procedure.as_ref(), &transform, KL, perfect, 0.01).unwrap()
    });
}
