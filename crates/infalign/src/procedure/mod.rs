//! Procedures T: what deployment does between the policy and the user, one file each, and their registry.
//!
//! In quantile space a policy π is a CDF F on \[0,1\] (the base policy is F(u) = u), and T turns it into the CDF H of what
//! deployment draws. A *rank-based* procedure looks only at the order of its draws: H(u) = G(F(u)) with a fixed map G. One
//! that compares rewards with a threshold τ of the base also looks at a = F(τ): H = H(F(u), a) with a branch on each side of τ.
//! Both are told by [`At`]: the place u, the policy's F there, and F at the procedure's anchors.
//!
//! A new procedure is one file here, one line in [`REGISTRY`] and one in the match of [`ProcedureSpec::from_str`];
//! [`kit::check`] says whether it is right.

mod best_of;
mod custom;
pub mod kit;
mod mixture;
mod order;
mod poisson;
mod rewind;
mod standard;
mod tabulated;
mod tilt;
mod worst_of;

use std::{fmt, str::FromStr, sync::Arc};

pub use best_of::BestOf;
pub use custom::Custom;
pub use mixture::Mixture;
pub use order::Order;
pub use poisson::Poisson;
use rand::Rng;
pub use rewind::Rewind;
pub use standard::Standard;
pub use tabulated::Tabulated;
pub use tilt::Tilt;
pub use worst_of::WorstOf;

use crate::{
    Error, Quantile, Result,
    registry::{self, Entry},
};

/// The most responses that a procedure may draw.
pub const MAX_DRAWS: usize = 4096;

/// A place at which a procedure is asked for its output.
#[derive(Debug, Clone, Copy)]
pub struct At<'a> {
    /// The quantile u under the base policy.
    pub u: Quantile,
    /// F(u), the policy's CDF there.
    pub f: Quantile,
    /// F at each of [`Procedure::anchors`].
    pub anchors: &'a [Quantile],
}

/// What is known of the shape of W^T as a function of the policy's density.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// W is concave (G is convex): one maximiser, and a duality gap certifies it.
    Concave,
    /// W is convex (G is concave): W − β KL is concave in the quantile function instead, so that again there is one maximiser,
    /// and a bound certifies it. Alternation never loses.
    Convex,
    /// Neither is known.
    Unknown,
}

/// One term of a mixture of order statistics.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OrderTerm {
    /// Its probability.
    pub weight: f64,
    /// Rank from below, 1 ≤ j ≤ n.
    pub j: usize,
    /// Number of draws.
    pub n: usize,
}

/// An inference-time procedure. Its `Display` is the text that parses back to it.
pub trait Procedure: fmt::Debug + fmt::Display + Send + Sync {
    /// H(u) and 1 − H(u): the CDF of what deployment draws.
    fn cdf(&self, at: &At<'_>) -> Quantile;

    /// ∂H/∂F(u) at fixed anchors: g(F(u)) for a rank-based procedure. The density of T(π) is this times π's.
    fn density(&self, at: &At<'_>) -> f64;

    /// ∂²H/∂F(u)² at fixed anchors: g′(F(u)). Only speed depends on it; the default is a difference quotient.
    fn density_slope(&self, at: &At<'_>) -> f64 {
        let step: f64 = 1e-6;
        let shifted = |d: f64| At {
            f: Quantile::from_masses(at.f.below() + d, at.f.above() - d),
            ..*at
        };
        let (up, down) = (step.min(at.f.above()), step.min(at.f.below()));
        (self.density(&shifted(up)) - self.density(&shifted(-down))) / (up + down)
    }

    /// Quantiles of the base at which the procedure compares rewards with a threshold; empty for rank-based procedures.
    /// H may have a kink there, never a jump.
    fn anchors(&self) -> &[f64] {
        &[]
    }

    /// ∂H(u)/∂a for the k-th anchor's a = F(τ), at fixed F(u).
    fn anchor_slope(&self, k: usize, at: &At<'_>) -> f64 {
        let _ = (k, at);
        0.0
    }

    /// Quantiles at which g has kinks for the base policy, beside the anchors.
    fn breakpoints(&self) -> &[f64] {
        &[]
    }

    /// The shape of W, when it is known.
    fn shape(&self) -> Shape {
        Shape::Unknown
    }

    /// The procedure as a mixture of order statistics, which have unbiased estimators; `None` if it is none.
    fn order_terms(&self) -> Option<Vec<OrderTerm>> {
        None
    }

    /// Runs the procedure on draws of a policy (higher is better) and returns what a user would get. `None` where only the
    /// map G is known.
    fn execute(&self, draw: &mut dyn FnMut() -> f64, rng: &mut dyn Rng) -> Option<f64> {
        let _ = (draw, rng);
        None
    }
}

/// Everything that can be typed.
pub const REGISTRY: &[Entry] = &[
    standard::ENTRY,
    best_of::ENTRY,
    worst_of::ENTRY,
    order::ENTRY,
    poisson::ENTRY,
    tilt::ENTRY,
    rewind::ENTRY,
    mixture::ENTRY,
    tabulated::ENTRY,
];

/// A procedure as typed: ready, or in need of a file.
#[derive(Debug, Clone)]
pub enum ProcedureSpec {
    /// Fully known.
    Ready(Arc<dyn Procedure>),
    /// `cdf:FILE`: whoever may read files makes a [`Tabulated`] of it.
    Cdf(String),
}

impl fmt::Display for ProcedureSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready(procedure) => procedure.fmt(f),
            Self::Cdf(file) => write!(f, "cdf:{file}"),
        }
    }
}

const KIND: &str = "procedure";

impl FromStr for ProcedureSpec {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let text = text.trim();
        let (entry, parameters) = registry::find(KIND, REGISTRY, text)?;
        let bad = |why: String| registry::malformed(KIND, text, why, entry);
        let whole = |part: &str| {
            registry::whole(part).ok_or_else(|| {
                bad(format!(
                    "`{part}` is not a whole number between 1 and {MAX_DRAWS}"
                ))
            })
        };
        let number = |part: &str| {
            registry::number(part).ok_or_else(|| bad(format!("`{part}` is not a finite number")))
        };
        let pair = || {
            parameters
                .split_once('/')
                .ok_or_else(|| bad("it takes two numbers with a `/`".into()))
        };
        let ready: Arc<dyn Procedure> = match entry.name {
            "standard" => Arc::new(Standard),
            "best-of" => Arc::new(BestOf::new(whole(parameters)?)?),
            "worst-of" => Arc::new(WorstOf::new(whole(parameters)?)?),
            "order" => {
                let (j, n) = pair()?;
                Arc::new(Order::new(whole(j)?, whole(n)?)?)
            }
            "poisson" => Arc::new(Poisson::new(number(parameters)?)?),
            "tilt" => Arc::new(Tilt::new(number(parameters)?)?),
            "rewind" => {
                let (tau, m) = pair()?;
                Arc::new(Rewind::new(number(tau)?, whole(m)?)?)
            }
            "mixture" => Arc::new(mixture::parse(text, parameters, entry)?),
            _ if parameters.is_empty() => return Err(bad("the file name is missing".into())),
            _ => return Ok(Self::Cdf(parameters.to_owned())),
        };
        Ok(Self::Ready(ready))
    }
}

/// N as a checked number of draws.
fn draws(name: &'static str, n: usize) -> Result<usize> {
    let ok = (1..=MAX_DRAWS).contains(&n);
    Error::range(name, n as f64, ok, "a whole number between 1 and 4096").map(|_| n)
}

/// uⁿ for a whole n ≥ 0: by multiplication for small n, through logarithms for large.
fn whole_power(q: Quantile, n: usize) -> f64 {
    match i32::try_from(n) {
        Ok(n) if n <= 32 => q.below().powi(n),
        _ => (n as f64 * q.ln_below()).exp(),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed parse is a failed test")]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_example_parses_and_prints_as_itself() {
        for entry in REGISTRY {
            assert_eq!(
                entry.example.parse::<ProcedureSpec>().unwrap().to_string(),
                entry.example
            );
        }
    }

    #[test]
    fn errors_name_the_value_the_range_and_the_nearest_spelling() {
        for (text, part) in [
            ("best-off:4", "did you mean `best-of:4`?"),
            ("bestof:4", "did you mean `best-of:4`?"),
            ("best-of:0", "N of best-of:N = 0 is out of range"),
            ("worst-of:5000", "between 1 and 4096"),
            ("best-of:-3", "`-3` is not a whole number"),
            (
                "best-of",
                "its parameters are missing; write it like `best-of:4`",
            ),
            ("standard:3", "it takes no parameters"),
            ("order:5/3", "J of order:J/N = 5 is out of range"),
            ("poisson:nan", "not a finite number"),
            ("rewind:1.5/4", "TAU of rewind:TAU/M = 1.5"),
            ("mixture:0.5*best-of:2+0.4*best-of:8", "sum to 0.9"),
            ("mixture:1*best-off:2", "did you mean `best-of:2`?"),
            ("cdf:", "the file name is missing"),
            ("zzz", "known: standard, best-of:N"),
        ] {
            let message = text.parse::<ProcedureSpec>().unwrap_err().to_string();
            assert!(message.contains(part), "{text}: {message}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics_and_what_parses_prints_back(
            text in prop_oneof!["\\PC{0,24}", "(best-of|worst-of|order|poisson|tilt|rewind|mixture|cdf)[:/*+.0-9a-z-]{0,20}"],
        ) {
            if let Ok(spec) = text.parse::<ProcedureSpec>() {
                let printed = spec.to_string();
                prop_assert_eq!(printed.parse::<ProcedureSpec>().unwrap().to_string(), printed);
            }
        }
    }
}
