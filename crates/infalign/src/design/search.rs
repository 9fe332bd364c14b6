//! The best exponent t of Φ = exp:t for a procedure at a KL budget, by search.

use std::sync::Arc;

use crate::{Result, deployment::Deployment, tilted::Family, transform::Exp};

/// Exponents tried first, of either sign: from nearly the identity to where only the very end counts.
const COARSE: [f64; 8] = [0.5, 1.5, 4.0, 8.0, 14.0, 28.0, 70.0, 200.0];

/// The exponent that wins most under the procedure at `kl` nats, to three significant digits.
///
/// W is scanned over eight exponents from 0.5 to 200 of the sign that wins at |t| = 4, then refined by golden sections in log |t|.
///
/// # Errors
/// As [`crate::TiltedPolicy::at_kl`].
pub fn best_exponent(deployment: &Deployment, kl: f64) -> Result<Exp> {
    search(|exp| {
        let mut family = Family::new(Arc::new(exp), Arc::clone(deployment.grid()));
        let (_, law) = family.at_kl(kl, None)?;
        if Arc::ptr_eq(law.grid(), deployment.grid()) {
            return Ok(deployment.win_rate(&law));
        }
        let moved = Deployment::on_grid(Arc::clone(deployment.procedure()), Arc::clone(law.grid()));
        Ok(moved.win_rate(&law))
    })
}

/// The search itself, for any W of the exponential.
pub(super) fn search(of: impl Fn(Exp) -> Result<f64>) -> Result<Exp> {
    let win_rate = |t: f64| of(Exp::new(t)?);
    let sign = if win_rate(4.0)? >= win_rate(-4.0)? {
        1.0
    } else {
        -1.0
    };
    let mut scan = Vec::with_capacity(COARSE.len());
    for t in COARSE {
        scan.push(win_rate(sign * t)?);
        // Past its peak W only falls (seen for every shipped procedure; a second peak would lie below the optimum all the same).
        if let [.., a, b] = scan[..]
            && b < a
        {
            break;
        }
    }
    let mut top = 0;
    for (i, w) in scan.iter().enumerate() {
        if *w > scan[top] {
            top = i;
        }
    }
    let mut low = COARSE[top.saturating_sub(1)].ln();
    let mut high = COARSE[(top + 1).min(COARSE.len() - 1)].ln();
    let golden = 0.5 * (5f64.sqrt() - 1.0);
    let (mut a, mut b) = (high - golden * (high - low), low + golden * (high - low));
    let (mut wa, mut wb) = (win_rate(sign * a.exp())?, win_rate(sign * b.exp())?);
    while high - low > 4e-3 {
        if wa > wb {
            (high, b, wb) = (b, a, wa);
            a = high - golden * (high - low);
            wa = win_rate(sign * a.exp())?;
        } else {
            (low, a, wa) = (a, b, wb);
            b = low + golden * (high - low);
            wb = win_rate(sign * b.exp())?;
        }
    }
    Exp::new(sign * three_digits((0.5 * (low + high)).exp()))
}

/// A positive number to three significant digits.
fn three_digits(x: f64) -> f64 {
    let scale = 10f64.powi(2 - x.log10().floor() as i32);
    (x * scale).round() / scale
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "parameters are valid")]

    use super::*;
    use crate::procedure::{BestOf, WorstOf};

    #[test]
    fn best_of_n_wants_about_three_n() {
        // MATH §4: t ≈ 2.5N–4N.
        for (n, kl) in [(4, 0.37), (8, 0.37), (4, 1.0)] {
            let d = Deployment::new(Arc::new(BestOf::new(n).unwrap()), &[]);
            let t = best_exponent(&d, kl).unwrap().exponent() / n as f64;
            assert!((1.5..=5.0).contains(&t), "N {n} KL {kl}: {t} N");
        }
        let d = Deployment::new(Arc::new(WorstOf::new(4).unwrap()), &[]);
        assert!(best_exponent(&d, 0.41).unwrap().exponent() < -5.0);
    }

    #[test]
    fn three_digits_rounds() {
        assert_eq!(three_digits(12.3456), 12.3);
        assert_eq!(three_digits(0.012_349), 0.0123);
        assert_eq!(three_digits(199.6), 200.0);
    }
}
