//! Φ(u) = (e^{tu} − 1)/(e^t − 1): near-optimal for best-of-N (t > 0) and worst-of-N (t < 0), \[IA\] section 4, arXiv 2412.19792.
//!
//! The affine normalisation to \[0,1\] changes e^{tu} (t > 0) and −e^{tu} (t < 0) only by a constant and by a factor of β, so that
//! one formula is increasing for either sign and β has the same price for every t.
//!
//! Near the top, Φ(u) − 1 = (e^{−t(1−u)} − 1)/(1 − e^{−t}) without cancellation (derived: multiply by e^{−t}).
//! Closed form (derived): with b = 1/(β(e^t − 1)), ∫₀¹ e^{b(e^{tu} − 1)} du = e^{−b}\[Ei(b e^t) − Ei(b)\]/t, by x = b e^{tu}.

use std::fmt;

use super::{ClosedForm, Transform};
use crate::{
    Error, Quantile, Result, numeric::special::exponential_integral_scaled, registry::Entry,
};

pub(super) const ENTRY: Entry = Entry {
    name: "exp",
    syntax: "exp:T",
    example: "exp:10",
    summary: "(e^{Tu}−1)/(e^T−1): T > 0 for best-of-N, T < 0 for worst-of-N; `design` finds the best T",
};

/// Φ(u) = (e^{tu} − 1)/(e^t − 1), t ≠ 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Exp {
    t: f64,
}

impl Exp {
    /// The exponential transform with exponent t.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] unless 0 < |t| ≤ 700.
    pub const fn new(t: f64) -> Result<Self> {
        if t.is_finite() && t != 0.0 && t.abs() <= 700.0 {
            Ok(Self { t })
        } else {
            Err(Error::OutOfRange {
                name: "T of exp:T",
                value: t,
                allowed: "a number between -700 and 700 other than 0 (exp:0 would be `identity`)",
            })
        }
    }

    /// The exponent t.
    #[must_use]
    pub const fn exponent(self) -> f64 {
        self.t
    }
}

impl fmt::Display for Exp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "exp:{}", self.t)
    }
}

impl Transform for Exp {
    fn value(&self, u: Quantile) -> f64 {
        if self.t > 0.0 {
            1.0 + self.gap(u)
        } else {
            (self.t * u.below()).exp_m1() / self.t.exp_m1()
        }
    }

    fn bounds(&self) -> (f64, f64) {
        (0.0, 1.0)
    }

    fn gap(&self, u: Quantile) -> f64 {
        -(-self.t * u.above()).exp_m1() / (-self.t).exp_m1()
    }

    /// With d = to − from, e^{−T(1−to)} (1 − e^{−Td})/(1 − e^{−T}).
    fn rise(&self, from: Quantile, to: Quantile) -> f64 {
        let d = if to.above() < 0.5 {
            from.above() - to.above()
        } else {
            to.below() - from.below()
        };
        (-self.t * to.above()).exp() * (-self.t * d).exp_m1() / (-self.t).exp_m1()
    }

    fn closed_form(&self, beta: f64) -> Option<ClosedForm> {
        let b = 1.0 / (beta * self.t.exp_m1());
        let top = b * self.t.exp();
        // b is 1/(β·e^t) and underflows, or Ei's argument leaves its branch at 0, long before the quadrature minds.
        if !top.is_finite() || b.abs() < 1e-290 {
            return None;
        }
        // e^{−b}Ei(b e^t) = e^{1/β}·scaled(be^t), since b e^t − b = 1/β.
        let upper = exponential_integral_scaled(top);
        let lower = exponential_integral_scaled(b) * (-1.0 / beta).exp();
        let difference = (upper - lower) / self.t;
        // Where the two Ei nearly agree the difference has lost its digits: no closed form in f64.
        (difference.abs() > 1e-6 * upper.abs() / self.t.abs()).then(|| ClosedForm {
            log_z: 1.0 / beta + difference.ln(),
            standard_win_rate: None,
            kl: None,
        })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "parameters are valid")]

    use super::*;

    #[test]
    fn ends_and_small_exponents() {
        for t in [-200.0, -1.0, 1e-9, 3.0, 200.0] {
            let e = Exp::new(t).unwrap();
            assert!(
                e.value(Quantile::ZERO).abs() < 1e-15
                    && (e.value(Quantile::ONE) - 1.0).abs() < 1e-15
            );
        }
        // t → 0 is the identity.
        assert!((Exp::new(1e-9).unwrap().value(Quantile::new(0.3)) - 0.3).abs() < 1e-9);
    }

    #[test]
    fn the_gap_of_a_strong_negative_exponent_keeps_its_digits() {
        let q = Quantile::from_masses(1.0, 1e-3);
        let want = -(0.2f64.exp_m1()) * (-200f64).exp() / -(-200f64).exp_m1();
        assert!((Exp::new(-200.0).unwrap().gap(q) / want - 1.0).abs() < 1e-12);
    }

    #[test]
    fn a_rise_far_below_the_top_keeps_its_digits() {
        for t in [200.0f64, -200.0, 5.0, -0.1] {
            let e = Exp::new(t).unwrap();
            // (e^{0.3T} − e^{0.2T})/(e^T − 1).
            let want = (0.2 * t - t.max(0.0)).exp() * (0.1 * t).exp_m1()
                / if t > 0.0 { -(-t).exp_m1() } else { t.exp_m1() };
            let rise = e.rise(Quantile::new(0.2), Quantile::new(0.3));
            assert!((rise / want - 1.0).abs() < 1e-12, "{t}: {rise} {want}");
            let fall = e.rise(Quantile::new(0.3), Quantile::new(0.2));
            assert!((fall / want + 1.0).abs() < 1e-12, "{t}");
        }
    }

    #[test]
    fn refuses_what_is_no_exponent() {
        for t in [0.0, f64::NAN, f64::INFINITY, -701.0] {
            assert!(Exp::new(t).is_err());
        }
    }
}
