//! Φ(u) = u^a, a > 0: the comparison family of QRPO (arXiv 2507.08068).
//!
//! Closed forms of Z (QRPO, appendix): a = 2: (√(πβ)/2)·erfi(1/√β), erfi kept finite through Dawson's function in the
//! tests only; a = ½: 2β\[β + (1−β)e^{1/β}\]; a = 1 is `identity`.

use std::fmt;

use super::{ClosedForm, Identity, Transform};
use crate::{Error, Quantile, Result, registry::Entry};

pub(super) const ENTRY: Entry = Entry {
    name: "power",
    syntax: "power:A",
    example: "power:2",
    summary: "u^A, A > 0: A > 1 favours the top, A < 1 clears the bottom",
};

/// Φ(u) = u^a.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Power {
    a: f64,
}

impl Power {
    /// The power transform.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] unless 0.001 ≤ a ≤ 10000.
    pub fn new(a: f64) -> Result<Self> {
        let ok = (1e-3..=1e4).contains(&a);
        Error::range("A of power:A", a, ok, "a number between 0.001 and 10000").map(|a| Self { a })
    }
}

impl fmt::Display for Power {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "power:{}", self.a)
    }
}

impl Transform for Power {
    fn value(&self, u: Quantile) -> f64 {
        (self.a * u.ln_below()).exp()
    }

    fn bounds(&self) -> (f64, f64) {
        (0.0, 1.0)
    }

    fn gap(&self, u: Quantile) -> f64 {
        (self.a * u.ln_below()).exp_m1()
    }

    fn closed_form(&self, beta: f64) -> Option<ClosedForm> {
        let log_z = if self.a == 1.0 {
            return Identity.closed_form(beta);
        } else if self.a == 0.5 && beta < 10.0 {
            // log(2β e^{1/β} [β e^{−1/β} + 1 − β]); for large β the bracket cancels.
            1.0 / beta + (2.0 * beta * (beta * (-1.0 / beta).exp() + 1.0 - beta)).ln()
        } else {
            return None;
        };
        Some(ClosedForm {
            log_z,
            standard_win_rate: None,
            kl: None,
        })
    }
}
