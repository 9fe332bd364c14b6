//! The hyperbolic tangent in single precision, as plain arithmetic that compilers turn into vector code.
//!
//! x P(x²) / Q(x²) on [−7.905311, 7.905311], outside of which it is ±1 to rounding; the coefficients are those of Eigen's
//! `generic_fast_tanh_float` (Eigen 3.4, `MathFunctionsImpl.h`).
//!
//! | x | result |
//! |---|---|
//! | ±0 | ±0 |
//! | ±∞ | ±1 |
//! | NaN | NaN |
//!
//! Error: at most 6e−7, relative (tested against `f64`).

/// tanh x.
#[inline(always)]
#[must_use]
pub fn tanh(x: f32) -> f32 {
    let x = x.clamp(-7.905_311, 7.905_311);
    let y = x * x;
    let p = -2.760_768_5e-16;
    let p = p * y + 2.000_188e-13;
    let p = p * y - 8.604_672e-11;
    let p = p * y + 5.122_297e-8;
    let p = p * y + 1.485_722_4e-5;
    let p = p * y + 6.372_619e-4;
    let p = p * y + 4.893_524_6e-3;
    let q = 1.198_258_4e-6;
    let q = q * y + 1.185_347_1e-4;
    let q = q * y + 2.268_434_6e-3;
    let q = q * y + 4.893_525e-3;
    x * p / q
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn six_ten_millionths_of_the_exact_value() {
        for i in -120_000..=120_000 {
            let x = i as f32 * 1e-4;
            let exact = f64::from(x).tanh();
            let error = (f64::from(tanh(x)) - exact).abs();
            assert!(error <= 6e-7 * exact.abs(), "tanh {x}: {}", tanh(x));
        }
    }

    #[test]
    fn ends_and_zeros() {
        assert_eq!(tanh(0.0).to_bits(), 0.0_f32.to_bits());
        assert_eq!(tanh(-0.0).to_bits(), (-0.0_f32).to_bits());
        assert!((tanh(f32::INFINITY) - 1.0).abs() < 6e-7);
        assert!((tanh(f32::NEG_INFINITY) + 1.0).abs() < 6e-7);
        assert!(tanh(f32::NAN).is_nan());
    }
}
