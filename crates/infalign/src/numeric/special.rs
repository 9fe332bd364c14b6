//! The few special functions that closed forms need, and where each comes from.

use statrs::function::{erf, factorial::ln_binomial, gamma};

use crate::Quantile;

/// The standard normal quantile Φ⁻¹(u), accurate in both tails: statrs' inverse erfc (to about 10⁻¹⁰) and one Newton step on
/// libm's erfc (to the last digit).
pub(crate) fn normal_quantile(u: Quantile) -> f64 {
    let (tail, sign) = if u.below() < u.above() {
        (u.below(), -1.0)
    } else {
        (u.above(), 1.0)
    };
    let z = std::f64::consts::SQRT_2 * erf::erfc_inv(2.0 * tail);
    if !z.is_finite() {
        return sign * z;
    }
    let slope = (-0.5 * z * z).exp() / std::f64::consts::TAU.sqrt();
    sign * (z + (normal_cdf(-z) - tail) / slope)
}

/// The standard normal CDF.
pub(crate) fn normal_cdf(z: f64) -> f64 {
    0.5 * libm::erfc(-z / std::f64::consts::SQRT_2)
}

/// The digamma function ψ for x > 0.
pub(crate) fn digamma(x: f64) -> f64 {
    gamma::digamma(x)
}

/// log C(n, k) for 0 ≤ k ≤ n.
pub(crate) fn ln_choose(n: usize, k: usize) -> f64 {
    ln_binomial(n as u64, k as u64)
}

/// e⁻ˣ Ei(x), Ei(x) = −∫₋ₓ^∞ e⁻ᵗ/t dt (principal value), for x ≠ 0; scaled so that it never overflows.
///
/// Series Ei(x) = γ + ln|x| + Σ xᵏ/(k·k!) for −1 ≤ x ≤ 40 (DLMF 6.6.2); the asymptotic e⁻ˣEi(x) ~ Σ k!/x^{k+1}, cut at
/// its smallest term, above (DLMF 6.12.2); the continued fraction of E₁ below −1 (DLMF 6.9.1).
pub(crate) fn exponential_integral_scaled(x: f64) -> f64 {
    const EULER: f64 = 0.577_215_664_901_532_9;
    if x < -1.0 {
        // −E₁(y)eʸ with y = −x, modified Lentz from the back.
        let y = -x;
        let mut tail = 0.0;
        for k in (1..=200).rev() {
            let k = f64::from(k);
            tail = k / (1.0 + k / (y + tail));
        }
        return -1.0 / (y + tail);
    }
    if x <= 40.0 {
        let mut term = 1.0;
        let mut sum = 0.0;
        for k in 1..200 {
            let k = f64::from(k);
            term *= x / k;
            sum += term / k;
            if (term / k).abs() < f64::EPSILON * 1e-2 * f64::abs(sum) {
                break;
            }
        }
        return (-x).exp() * (EULER + x.abs().ln() + sum);
    }
    let mut term = 1.0 / x;
    let mut sum = term;
    for k in 1..200 {
        let next = term * f64::from(k) / x;
        if next >= term || next < f64::EPSILON * 1e-2 * sum {
            break;
        }
        sum += next;
        term = next;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponential_integral_at_known_points() {
        // Abramowitz & Stegun, table 5.1.
        for (x, ei) in [
            (0.5, 0.454_219_904_863_173_6),
            (1.0, 1.895_117_816_355_936_8),
            (10.0, 2_492.228_976_241_877),
            (-0.5, -0.559_773_594_776_160_8),
            (-1.0, -0.219_383_934_395_520_3),
            (-2.0, -0.048_900_510_708_061_12),
            (-10.0, -4.156_968_929_685_324e-6),
        ] {
            let got = exponential_integral_scaled(x) * x.exp();
            assert!((got / ei - 1.0).abs() < 2e-14, "Ei({x}) = {got}, not {ei}");
        }
        // The branches meet.
        let (a, b) = (
            exponential_integral_scaled(40.0),
            exponential_integral_scaled(40.000_001),
        );
        assert!((a - b).abs() / a < 1e-7);
    }

    #[test]
    fn normal_quantile_inverts_both_tails() {
        for z in [-30.0, -8.0, -1.0, 0.3, 2.0, 8.0] {
            let q = Quantile::from_masses(normal_cdf(z), normal_cdf(-z));
            assert!((normal_quantile(q) - z).abs() < 1e-12 * z.abs(), "z = {z}");
        }
    }
}
