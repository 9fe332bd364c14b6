//! Φ(u) = log u: distils best-of-N into one sample (BOND arXiv 2407.14622, vBoN arXiv 2407.06057); weak where best-of-N is deployed.
//!
//! Closed forms (derived): with M = 1 + 1/β, f = M u^{M−1} is the law of best-of-M, Z = 1/M,
//! KL = log M − (M−1)/M, and `W_std = W_BoN(N) = M/(M+1)` for every N.

use std::fmt;

use super::{ClosedForm, Transform};
use crate::{Quantile, registry::Entry};

pub(super) const ENTRY: Entry = Entry {
    name: "log",
    syntax: "log",
    example: "log",
    summary: "log u: the policy becomes best-of-(1+1/β) itself (BOND, vBoN); clamped at finite K",
};

/// Φ(u) = log u.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Log;

impl fmt::Display for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("log")
    }
}

impl Transform for Log {
    fn value(&self, u: Quantile) -> f64 {
        u.ln_below()
    }

    fn bounds(&self) -> (f64, f64) {
        (f64::NEG_INFINITY, 0.0)
    }

    fn closed_form(&self, beta: f64) -> Option<ClosedForm> {
        let c = 1.0 / beta;
        // log M − (M−1)/M with M = 1 + c; by series where it cancels.
        let kl = if c < 1e-3 {
            c * c * (0.5 - c * (2.0 / 3.0 - 0.75 * c))
        } else {
            c.ln_1p() - c / (1.0 + c)
        };
        Some(ClosedForm {
            log_z: -c.ln_1p(),
            standard_win_rate: Some((1.0 + c) / (2.0 + c)),
            kl: Some(kl),
        })
    }
}
