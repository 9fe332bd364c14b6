//! Φ(u) = log(u/(1−u)): symmetric emphasis of both ends; needs β > 1, or the clamp of finite K.
//!
//! Closed forms (derived): f is the Beta(1+c, 1−c) density, c = 1/β < 1, so Z = B(1+c, 1−c) = πc/sin(πc),
//! `W_std = (1+c)/2`, `E_f[Φ] = ψ(1+c) − ψ(1−c)`, `KL = c·E_f[Φ] − log Z`.

use std::fmt;

use super::{ClosedForm, Transform};
use crate::{Quantile, numeric::special::digamma, registry::Entry};

pub(super) const ENTRY: Entry = Entry {
    name: "logit",
    syntax: "logit",
    example: "logit",
    summary: "log(u/(1−u)): stretches both ends; needs β > 1 or the clamp of finite K",
};

/// Φ(u) = log(u/(1−u)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Logit;

impl fmt::Display for Logit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("logit")
    }
}

impl Transform for Logit {
    fn value(&self, u: Quantile) -> f64 {
        u.ln_below() - u.ln_above()
    }

    fn bounds(&self) -> (f64, f64) {
        (f64::NEG_INFINITY, f64::INFINITY)
    }

    fn beta_floor(&self) -> (f64, &'static str) {
        // (1−u)^{−1/β} is integrable for β > 1; its mass fits between 10⁻³⁰⁴ and 1 from β = 1.06 on (KL 13).
        (
            1.06,
            "(u/(1−u))^(1/β) is not integrable, or its mass lies beyond the quantiles that f64 can hold",
        )
    }

    fn closed_form(&self, beta: f64) -> Option<ClosedForm> {
        let c = 1.0 / beta;
        (beta > 1.0).then(|| {
            let log_z = (std::f64::consts::PI * c / (std::f64::consts::PI * c).sin()).ln();
            ClosedForm {
                log_z,
                standard_win_rate: Some(0.5 * (1.0 + c)),
                kl: Some(c * (digamma(1.0 + c) - digamma(1.0 - c)) - log_z),
            }
        })
    }
}
