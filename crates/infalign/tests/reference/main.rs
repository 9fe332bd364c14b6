//! Values of this crate against those of an independent program of higher precision.
//!
//! `tests/data/reference.json` is written by `tools/reference/reference.py`: 80-bit panels, an initial value problem for the optimum,
//! enumeration for finite sets and estimators. It holds 15 to 16 digits; its own errors are stated where they are larger than that.
//! Each bound below is some ten times the largest deviation seen when the test was written, and far below the 10⁻⁶ that is promised.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the reference file is part of the tree and its texts parse"
)]

mod estimators;
mod extremes;
mod finite_k;
mod levels;
mod optima;
mod printed;
mod record;
mod tilts;

use std::sync::Arc;

use infalign::{Procedure, ProcedureSpec, Transform, TransformSpec};

fn procedure(text: &str) -> Arc<dyn Procedure> {
    match text.parse().unwrap() {
        ProcedureSpec::Ready(procedure) => procedure,
        ProcedureSpec::Cdf(file) => panic!("cdf:{file} is not in the reference"),
    }
}

fn transform(text: &str) -> Arc<dyn Transform> {
    match text.parse().unwrap() {
        TransformSpec::Ready(transform) => transform,
        other => panic!("{other} is not in the reference"),
    }
}

/// The largest deviation seen of one figure, and where.
struct Largest {
    figure: &'static str,
    bound: f64,
    seen: f64,
    at: String,
}

impl Largest {
    const fn new(figure: &'static str, bound: f64) -> Self {
        Self {
            figure,
            bound,
            seen: -1.0,
            at: String::new(),
        }
    }

    /// A deviation |got − want|; `at` names the case.
    fn insert(&mut self, got: f64, want: f64, at: &str) {
        self.insert_deviation((got - want).abs(), got, want, at);
    }

    /// A deviation relative to the wanted value.
    fn insert_relative(&mut self, got: f64, want: f64, at: &str) {
        self.insert_deviation((got / want - 1.0).abs(), got, want, at);
    }

    fn insert_deviation(&mut self, deviation: f64, got: f64, want: f64, at: &str) {
        // A NaN is the largest deviation of all.
        if deviation.is_nan() || deviation > self.seen {
            self.seen = if deviation.is_nan() {
                f64::INFINITY
            } else {
                deviation
            };
            self.at = format!("{at}: {got:e} against {want:e}");
        }
    }

    fn finish(self) {
        assert!(self.seen >= 0.0, "{}: nothing was compared", self.figure);
        assert!(
            self.seen <= self.bound,
            "{} deviates by {:.1e}, allowed {:.1e}, at {}",
            self.figure,
            self.seen,
            self.bound,
            self.at
        );
    }
}
