//! Φ(u) = u: calibration alone, exactly optimal for the standard win rate (\[IA\], arXiv 2412.19792).
//!
//! Closed forms (derived): with c = 1/β, Z = β(e^c − 1), and f = c e^{cu}/(e^c − 1), so
//! `W_std = ∫uf = 1/(1−e^{−c}) − 1/c` and `KL = W_std/β − log Z`.

use std::fmt;

use super::{ClosedForm, Transform};
use crate::{Quantile, registry::Entry};

pub(super) const ENTRY: Entry = Entry {
    name: "identity",
    syntax: "identity",
    example: "identity",
    summary: "the calibrated reward itself: optimal for plain sampling, a strong baseline elsewhere",
};

/// Φ(u) = u.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity;

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("identity")
    }
}

impl Transform for Identity {
    fn value(&self, u: Quantile) -> f64 {
        u.below()
    }

    fn bounds(&self) -> (f64, f64) {
        (0.0, 1.0)
    }

    fn gap(&self, u: Quantile) -> f64 {
        -u.above()
    }

    fn closed_form(&self, beta: f64) -> Option<ClosedForm> {
        let c = 1.0 / beta;
        // log(β(e^c − 1)) = c + log β + log(1 − e^{−c}).
        let log_z = c + beta.ln() + (-(-c).exp_m1()).ln();
        // Below c = 0.01 both differences cancel: series in c.
        let (mean, kl) = if c < 0.01 {
            (
                0.5 + c / 12.0 - c.powi(3) / 720.0,
                c * c / 24.0 - c.powi(4) / 960.0,
            )
        } else {
            let mean = -1.0 / (-c).exp_m1() - beta;
            (mean, c * mean - log_z)
        };
        Some(ClosedForm {
            log_z,
            standard_win_rate: Some(mean),
            kl: Some(kl),
        })
    }
}
