//! A policy on a finite set: its masses and their log-ratios to the base, tilts, and KL.
//!
//! For base masses p > 0, policy masses q, log-ratios l = log(q/p) and values v (derived):
//!
//! ```text
//! q = p e^{v/β} / Z,   Z = Σ p e^{v/β},   KL(q‖p) = Σ q l = Σ (q l − q + p),   dKL/dlog β = −Var_q(v)/β².
//! ```
//!
//! The last form of KL has no negative term, so that a KL of 10⁻⁶ keeps its digits. As β → 0 a tilt by v tends to the base
//! conditioned on the top set of v, so its KL stays below −log p(top set): a finite set has a largest KL.
//!
//! | input | answer |
//! |---|---|
//! | no values; a NaN, infinite or (in a base) zero mass; a sum off 1 by more than 10⁻⁹ | error naming the place |
//! | one response, or all values equal | every tilt is the base, KL 0; any KL budget is out of reach |
//! | a mass that underflows | 0, with a finite log-ratio |

use crate::{Error, Result, numeric::root, tilted::KL_TOLERANCE};

/// How far masses may be from summing to one: they are then rescaled.
pub(super) const SUM_TOLERANCE: f64 = 1e-9;

/// A policy on a finite set, relative to its base.
#[derive(Debug, Clone, PartialEq)]
pub struct FinitePolicy {
    masses: Vec<f64>,
    log_ratio: Vec<f64>,
    kl: f64,
}

impl FinitePolicy {
    /// The masses q ∝ p e^{tilt}, for finite tilts. Any constant may be added to the tilts.
    pub(super) fn from_tilt(base: &[f64], tilt: &[f64]) -> Self {
        let top = tilt.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let mut masses: Vec<f64> = base
            .iter()
            .zip(tilt)
            .map(|(p, t)| p * (t - top).exp())
            .collect();
        let z: f64 = masses.iter().sum();
        // Near the base log Z is summed from e^x − 1, so that small tilts keep their digits.
        let shift = if (z - 1.0).abs() < 0.1 {
            let terms = base.iter().zip(tilt).map(|(p, t)| p * (t - top).exp_m1());
            terms.sum::<f64>().ln_1p()
        } else {
            z.ln()
        };
        for mass in &mut masses {
            *mass /= z;
        }
        let log_ratio = tilt.iter().map(|t| t - top - shift).collect();
        Self::with_kl(base, masses, log_ratio)
    }

    /// The policy with these masses, which are checked, against a base that has been.
    pub(super) fn from_masses(base: &[f64], masses: &[f64]) -> Result<Self> {
        const NAME: &str = "policy masses";
        same_length("base masses", base, NAME, masses)?;
        let masses = checked_masses(NAME, masses, false)?;
        let log_ratio = masses.iter().zip(base).map(|(q, p)| (q / p).ln()).collect();
        Ok(Self::with_kl(base, masses, log_ratio))
    }

    fn with_kl(base: &[f64], masses: Vec<f64>, log_ratio: Vec<f64>) -> Self {
        let places = base.iter().zip(&masses).zip(&log_ratio);
        let kl = places.map(|((p, q), l)| kl_term(*p, *q, *l)).sum();
        Self {
            masses,
            log_ratio,
            kl,
        }
    }

    /// q.
    #[must_use]
    pub fn masses(&self) -> &[f64] {
        &self.masses
    }

    /// l = log(q/p); −∞ where a given mass is zero.
    #[must_use]
    pub fn log_ratio(&self) -> &[f64] {
        &self.log_ratio
    }

    /// KL(q‖p) in nats.
    #[must_use]
    pub const fn kl(&self) -> f64 {
        self.kl
    }
}

/// q l − q + p ≥ 0 for l = log(q/p): the terms of KL(q‖p).
pub(super) fn kl_term(p: f64, q: f64, l: f64) -> f64 {
    if l.abs() < 1e-3 {
        p * l * l * (0.5 + l * (1.0 / 3.0 + l * 0.125))
    } else if q > 0.0 {
        q * l - q + p
    } else {
        p
    }
}

/// The price β and the tilt of the base by `values` that spend `kl` nats, KL within a relative 10⁻¹².
///
/// Newton in (log β, log KL) inside a bracket. The budget is out of reach from −log p(top set of the values) on.
pub(super) fn tilt_to_kl(
    base: &[f64],
    values: &[f64],
    kl: f64,
    what: &'static str,
) -> Result<(f64, FinitePolicy)> {
    let top = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let gaps: Vec<f64> = values.iter().map(|v| v - top).collect();
    let top_mass: f64 = base
        .iter()
        .zip(&gaps)
        .map(|(p, g)| if *g == 0.0 { *p } else { 0.0 })
        .sum();
    let max = 0.0 - top_mass.min(1.0).ln();
    let unreachable = Error::KlUnreachable {
        what: what.to_owned(),
        kl,
        max,
    };
    if kl >= max {
        return Err(unreachable);
    }
    let at = |t: f64| {
        let scale = (-t).exp();
        let tilt: Vec<f64> = gaps.iter().map(|g| g * scale).collect();
        FinitePolicy::from_tilt(base, &tilt)
    };
    let spread = variance(base, &gaps).sqrt();
    let start = (spread / (2.0 * kl).sqrt()).max(1e-300).ln();
    let root = root::decreasing(
        |t| {
            let policy = at(t);
            let slope = -variance(policy.masses(), &gaps) * (-2.0 * t).exp() / policy.kl();
            ((policy.kl() / kl).ln(), slope)
        },
        (start - 600.0, start + 600.0),
        start,
        0.5 * KL_TOLERANCE,
    );
    if root.residual > 1e-9 {
        return Err(unreachable);
    }
    Ok((root.x.exp(), at(root.x)))
}

/// The variance of v under q, summed about the mean.
pub(super) fn variance(q: &[f64], v: &[f64]) -> f64 {
    let mean: f64 = q.iter().zip(v).map(|(q, v)| q * v).sum();
    q.iter().zip(v).map(|(q, v)| q * (v - mean).powi(2)).sum()
}

/// Masses that are finite, not negative (or positive) and sum to one, rescaled to do so to rounding.
pub(super) fn checked_masses(
    name: &'static str,
    masses: &[f64],
    positive: bool,
) -> Result<Vec<f64>> {
    if masses.is_empty() {
        return Err(Error::Empty { name });
    }
    let ok = |m: f64| m.is_finite() && if positive { m > 0.0 } else { m >= 0.0 };
    if let Some((index, &value)) = masses.iter().enumerate().find(|(_, m)| !ok(**m)) {
        let allowed = if positive {
            "a positive finite number: leave out what has no mass"
        } else {
            "a finite number ≥ 0"
        };
        return Err(Error::BadValue {
            name,
            index,
            value,
            allowed,
        });
    }
    let sum: f64 = masses.iter().sum();
    if (sum - 1.0).abs() > SUM_TOLERANCE {
        return Err(Error::Masses { name, sum });
    }
    Ok(masses.iter().map(|m| m / sum).collect())
}

/// [`Error::Lengths`] unless the two lists are as long as each other.
pub(super) const fn same_length(
    left: &'static str,
    a: &[f64],
    right: &'static str,
    b: &[f64],
) -> Result<()> {
    if a.len() == b.len() {
        return Ok(());
    }
    Err(Error::Lengths {
        left,
        left_len: a.len(),
        right,
        right_len: b.len(),
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "budgets are within reach")]

    use super::*;

    const BASE: [f64; 3] = [0.2, 0.5, 0.3];

    #[test]
    fn kl_keeps_its_digits_near_the_base() {
        // Two equal masses tilted by ±ε: KL = ε tanh ε − log cosh ε = ε²/2 − ε⁴/4 + …
        for e in [1e-8, 1e-5, 1e-3, 0.1f64] {
            let policy = FinitePolicy::from_tilt(&[0.5, 0.5], &[e, -e]);
            let want = e * e / 2.0 - e.powi(4) / 4.0 + e.powi(6) / 9.0;
            assert!((policy.kl() / want - 1.0).abs() < 1e-7, "ε = {e}");
        }
    }

    #[test]
    fn a_tilt_spends_what_it_should() {
        for kl in [1e-9, 1e-3, 0.5, 1.0, 1.2039] {
            let (beta, policy) = tilt_to_kl(&BASE, &[0.0, 0.3, 1.0], kl, "test").unwrap();
            assert!((policy.kl() / kl - 1.0).abs() < 1e-11, "KL {kl}");
            let ratio = policy.log_ratio()[2] - policy.log_ratio()[1];
            assert!((ratio * beta - 0.7).abs() < 1e-9);
        }
    }

    #[test]
    fn beyond_the_top_set_there_is_no_kl() {
        for (values, max) in [
            ([0.0, 0.0, 1.0], -(0.3f64.ln())),
            ([0.0, 1.0, 1.0], -(0.8f64.ln())),
            ([1.0, 1.0, 1.0], 0.0),
        ] {
            let error = tilt_to_kl(&BASE, &values, max + 1e-9, "test").unwrap_err();
            let Error::KlUnreachable { max: told, .. } = error else {
                unreachable!("{error}")
            };
            assert!((told - max).abs() < 1e-12);
        }
    }

    #[test]
    fn bad_masses_are_named() {
        let of = |m: &[f64]| FinitePolicy::from_masses(&BASE, m).unwrap_err().to_string();
        assert!(of(&[0.5, 0.5]).contains("policy masses has 2"));
        assert!(of(&[0.5, f64::NAN, 0.5]).contains("policy masses[1] = NaN"));
        assert!(of(&[0.5, 0.6, 0.2]).contains("sum to 1.3"));
        assert!(of(&[0.5, 0.6, -0.1]).contains("policy masses[2] = -0.1"));
        let point = FinitePolicy::from_masses(&BASE, &[1.0, 0.0, 0.0]).unwrap();
        assert!((point.kl() + 0.2f64.ln()).abs() < 1e-15);
    }
}
