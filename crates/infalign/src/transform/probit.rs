//! Φ(u) = the standard normal quantile of u: what plain RLHF does to a Gaussian reward.
//!
//! Closed forms (derived): in z = Φ(u) the base is N(0,1) and the tilt e^{z/β} shifts it to N(1/β, 1), so
//! Z = e^{1/(2β²)} (QRPO, arXiv 2507.08068), KL = 1/(2β²), and `W_std = P(z₁ > z₀) = Φ_N(1/(β√2))`.

use std::fmt;

use super::{ClosedForm, Transform};
use crate::{
    Quantile,
    numeric::special::{normal_cdf, normal_quantile},
    registry::Entry,
};

pub(super) const ENTRY: Entry = Entry {
    name: "probit",
    syntax: "probit",
    example: "probit",
    summary: "the normal quantile of u: what plain RLHF does to a Gaussian reward; clamped at finite K",
};

/// Φ(u) = the standard normal quantile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probit;

impl fmt::Display for Probit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("probit")
    }
}

impl Transform for Probit {
    fn value(&self, u: Quantile) -> f64 {
        normal_quantile(u)
    }

    fn bounds(&self) -> (f64, f64) {
        (f64::NEG_INFINITY, f64::INFINITY)
    }

    fn beta_floor(&self) -> (f64, &'static str) {
        // The tilted law is centred at z = 1/β; f64 holds 1 − u down to 10⁻³⁰⁸, z = 37.5, and nine deviations must fit.
        (
            1.0 / 28.0,
            "the tilted law lies beyond the quantiles that f64 can hold",
        )
    }

    fn closed_form(&self, beta: f64) -> Option<ClosedForm> {
        let c = 1.0 / beta;
        Some(ClosedForm {
            log_z: 0.5 * c * c,
            standard_win_rate: Some(normal_cdf(c / std::f64::consts::SQRT_2)),
            kl: Some(0.5 * c * c),
        })
    }
}
