//! The error function in single precision, as plain arithmetic that compilers turn into vector code.
//!
//! x P(x²) / Q(x²) on |x| < 4, outside of which it is ±1 to rounding, with the coefficients of Eigen's `generic_fast_erf_float` (Eigen 3.4,
//! `MathFunctionsImpl.h`). Error: at most 3e−7, absolute (tested against `f64`).
//!
//! | x | result |
//! |---|---|
//! | ±0 | ±0 |
//! | ±∞ | ±1 |
//! | NaN | NaN |

/// erf x.
#[inline(always)]
#[must_use]
pub fn erf(x: f32) -> f32 {
    let x = x.clamp(-4.0, 4.0);
    let y = x * x;
    let p = -2.726_142_3e-10;
    let p = p * y + 2.770_681_4e-8;
    let p = p * y - 2.101_024e-6;
    let p = p * y - 5.692_506_5e-5;
    let p = p * y - 7.349_906_4e-4;
    let p = p * y - 2.954_6e-3;
    let p = p * y - 1.609_603_3e-2;
    let q = -1.456_607_2e-5;
    let q = q * y - 2.133_740_5e-4;
    let q = q * y - 1.682_827e-3;
    let q = q * y - 7.373_329_3e-3;
    let q = q * y - 1.426_473_9e-2;
    x * p / q
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_to_three_ten_millionths() {
        for i in -120_000..=120_000 {
            let x = i as f32 * 1e-4;
            let exact = libm::erf(f64::from(x));
            assert!((f64::from(erf(x)) - exact).abs() <= 3e-7, "erf {x} {}", erf(x));
        }
    }

    #[test]
    fn edges() {
        assert_eq!(erf(0.0).to_bits(), 0.0_f32.to_bits());
        assert!((erf(f32::INFINITY) - 1.0).abs() < 2e-7);
        assert!((erf(f32::NEG_INFINITY) + 1.0).abs() < 2e-7);
        assert!(erf(f32::NAN).is_nan());
    }
}
