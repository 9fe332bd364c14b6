//! Transforms Φ: \[0,1\] → ℝ of the calibrated reward, one file each, and their registry.
//!
//! The reward that training sees is Φ(Ĉ(x,y)); the policy it leads to has density ∝ e^{Φ(u)/β} against the base.
//! Only differences of Φ matter to that density, and β is the price of KL for a Φ whose values span \[0,1\]: so bounded
//! transforms are normalised to \[0,1\] and β means the same for all of them.
//!
//! A new transform is one file here, one line in [`REGISTRY`], and one in the match of [`TransformSpec::from_str`].

mod clamped;
mod custom;
mod exp;
mod identity;
mod log;
mod logit;
mod optimal;
mod power;
mod probit;
mod table;

use std::{fmt, str::FromStr, sync::Arc};

pub use clamped::Clamped;
pub use custom::Custom;
pub use exp::Exp;
pub use identity::Identity;
pub use log::Log;
pub use logit::Logit;
pub use optimal::Optimal;
pub use power::Power;
pub use probit::Probit;
pub use table::Table;

use crate::{
    Error, Quantile, Result,
    registry::{self, Entry},
};

/// A function of the calibrated reward. Its `Display` is the text that parses back to it.
pub trait Transform: fmt::Debug + fmt::Display + Send + Sync {
    /// Φ(u).
    fn value(&self, u: Quantile) -> f64;

    /// Infimum and supremum of Φ over \[0,1\]; infinite where Φ is unbounded.
    fn bounds(&self) -> (f64, f64);

    /// Φ(u) − sup Φ without cancellation near the supremum; Φ(u) itself where Φ is unbounded above. Tilts are built from
    /// this: at β = 10⁻⁸⁰ (exp:−200 at KL 8) the digits of 1 − Φ are all there is.
    fn gap(&self, u: Quantile) -> f64 {
        let top = self.bounds().1;
        self.value(u) - if top.is_finite() { top } else { 0.0 }
    }

    /// Φ(to) − Φ(from), without cancellation where that can be had: on levels (see `finite`) both may lie far below 1, where a
    /// steep Φ is all but flat.
    fn rise(&self, from: Quantile, to: Quantile) -> f64 {
        self.gap(to) - self.gap(from)
    }

    /// Whether Φ never decreases.
    fn is_monotone(&self) -> bool {
        true
    }

    /// Quantiles in (0,1) at which Φ has a kink or a jump.
    fn breakpoints(&self) -> &[f64] {
        &[]
    }

    /// The infimum of the βs for which e^{Φ/β} can be normalised in f64, and why; 0 for bounded transforms.
    fn beta_floor(&self) -> (f64, &'static str) {
        (0.0, "β must be positive")
    }

    /// Z = ∫e^{Φ/β} and moments of the tilted law, where a closed form exists.
    fn closed_form(&self, beta: f64) -> Option<ClosedForm> {
        let _ = beta;
        None
    }
}

/// Closed forms of a tilted law, for the βs where they hold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClosedForm {
    /// log ∫₀¹ e^{Φ(u)/β} du.
    pub log_z: f64,
    /// ∫ u f du, the standard win rate.
    pub standard_win_rate: Option<f64>,
    /// KL(π‖p) in nats.
    pub kl: Option<f64>,
}

/// The interval to which u is clamped before an unbounded Φ sees a mid-rank of K rollouts: \[1/(2K), 1−1/(2K)\], half a
/// step of Ĉ from either end. `None` for a Φ that is bounded and needs no clamp.
#[must_use]
pub fn clamp(transform: &dyn Transform, k: usize) -> Option<(f64, f64)> {
    let (low, high) = transform.bounds();
    let half_step = 0.5 / k.max(1) as f64;
    (!low.is_finite() || !high.is_finite()).then_some((half_step, 1.0 - half_step))
}

/// Φ(Ĉ) for a calibrated reward from K rollouts, clamped where Φ needs it: what a trainer is given.
#[must_use]
pub fn reward(transform: &dyn Transform, calibrated: f64, k: usize) -> f64 {
    let u = match clamp(transform, k) {
        Some((low, high)) => calibrated.clamp(low, high),
        None => calibrated,
    };
    transform.value(Quantile::new(u))
}

/// Everything that can be typed.
pub const REGISTRY: &[Entry] = &[
    identity::ENTRY,
    log::ENTRY,
    exp::ENTRY,
    power::ENTRY,
    logit::ENTRY,
    probit::ENTRY,
    table::ENTRY,
    optimal::ENTRY,
];

/// A transform as typed: ready, or in need of a file or of the procedure.
#[derive(Debug, Clone)]
pub enum TransformSpec {
    /// Fully known.
    Ready(Arc<dyn Transform>),
    /// `table:FILE`: whoever may read files makes a [`Table`] of it.
    Table(String),
    /// `optimal`: the coupled optimum's Φ*, known once procedure and budget are.
    Optimal,
}

impl fmt::Display for TransformSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready(transform) => transform.fmt(f),
            Self::Table(file) => write!(f, "table:{file}"),
            Self::Optimal => f.write_str("optimal"),
        }
    }
}

impl PartialEq for TransformSpec {
    /// Two specifications are equal when they are written alike.
    fn eq(&self, other: &Self) -> bool {
        self.to_string() == other.to_string()
    }
}

impl From<Arc<dyn Transform>> for TransformSpec {
    fn from(transform: Arc<dyn Transform>) -> Self {
        Self::Ready(transform)
    }
}

impl FromStr for TransformSpec {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let text = text.trim();
        let (entry, parameters) = registry::find(KIND, REGISTRY, text)?;
        let ready: Arc<dyn Transform> = match entry.name {
            "identity" => Arc::new(Identity),
            "log" => Arc::new(Log),
            "exp" => Arc::new(Exp::new(parameter(text, parameters, entry)?)?),
            "power" => Arc::new(Power::new(parameter(text, parameters, entry)?)?),
            "logit" => Arc::new(Logit),
            "probit" => Arc::new(Probit),
            "table" if parameters.is_empty() => {
                return Err(registry::malformed(
                    KIND,
                    text,
                    "the file name is missing",
                    entry,
                ));
            }
            "table" => return Ok(Self::Table(parameters.to_owned())),
            _ => return Ok(Self::Optimal),
        };
        Ok(Self::Ready(ready))
    }
}

const KIND: &str = "transform";

fn parameter(text: &str, parameters: &str, entry: &Entry) -> Result<f64> {
    registry::number(parameters).ok_or_else(|| {
        registry::malformed(
            KIND,
            text,
            format!("`{parameters}` is not a finite number"),
            entry,
        )
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed parse is a failed test")]

    use proptest::prelude::*;

    use super::*;

    /// Every transform that a text alone makes.
    pub(crate) fn ready() -> Vec<Arc<dyn Transform>> {
        [
            "identity",
            "log",
            "exp:10",
            "exp:-10",
            "exp:0.001",
            "exp:200",
            "exp:-200",
            "power:2",
            "power:0.5",
            "logit",
            "probit",
        ]
        .iter()
        .map(|t| match t.parse().unwrap() {
            TransformSpec::Ready(t) => t,
            other => unreachable!("{other} is not ready"),
        })
        .collect()
    }

    #[test]
    fn every_example_parses_and_prints_as_itself() {
        for entry in REGISTRY {
            assert_eq!(
                entry.example.parse::<TransformSpec>().unwrap().to_string(),
                entry.example
            );
        }
    }

    #[test]
    fn increasing_within_bounds_and_gap_agrees() {
        for t in ready() {
            let (low, high) = t.bounds();
            let mut last = f64::NEG_INFINITY;
            for i in 1..200 {
                let u = Quantile::new(f64::from(i) / 200.0);
                let value = t.value(u);
                assert!(
                    value >= last && value >= low - 1e-15 && value <= high + 1e-15,
                    "{t} at {u:?}"
                );
                let reference = if high.is_finite() { high } else { 0.0 };
                assert!(
                    (t.gap(u) - (value - reference)).abs() < 1e-12 * (1.0 + value.abs()),
                    "{t} at {u:?}"
                );
                last = value;
            }
        }
    }

    #[test]
    fn clamp_is_half_a_step_from_the_ends() {
        assert_eq!(clamp(&Log, 100), Some((0.005, 0.995)));
        assert_eq!(clamp(&Identity, 100), None);
        assert_eq!(reward(&Log, 0.0, 50), 0.01f64.ln());
        assert!(reward(&Logit, 1.0, 50).is_finite());
    }

    #[test]
    fn a_slip_is_answered_with_the_nearest_spelling() {
        let message = "expp:10".parse::<TransformSpec>().unwrap_err().to_string();
        assert!(message.contains("did you mean `exp:10`?"), "{message}");
    }

    proptest! {
        #[test]
        fn no_text_panics_and_what_parses_prints_back(text in "\\PC{0,24}") {
            if let Ok(spec) = text.parse::<TransformSpec>() {
                let printed = spec.to_string();
                prop_assert_eq!(printed.parse::<TransformSpec>().unwrap().to_string(), printed);
            }
        }

        #[test]
        fn parameters_survive_printing(t in prop_oneof![-700.0..-1e-6f64, 1e-6..700.0f64]) {
            let spec: TransformSpec = format!("exp:{t}").parse().unwrap();
            prop_assert_eq!(spec.to_string(), format!("exp:{t}"));
        }
    }
}
