//! The exponential in single precision, as plain arithmetic that compilers turn into vector code.
//!
//! With n = round(x / ln 2) and r = x − n ln 2 ∈ [−ln 2 / 2, ln 2 / 2], eˣ = 2ⁿ eʳ. ln 2 is split in two constants of which the first has 9
//! bits, so that n times it is exact (Cody and Waite). eʳ = 1 + r + r² P(r) with the polynomial of degree 5 of Cephes' `expf.c` (Moshier 1992).
//! 2ⁿ is added to the exponent's bits. There are no branches, no fused operations and no tables: the same bits on every machine.
//!
//! Error: at most 2 units in the last place on the whole domain (tested against `f64`).
//!
//! | x | result |
//! |---|---|
//! | ±0 | 1 |
//! | below −87.33654 (eˣ is subnormal), −∞ | 0: subnormal arithmetic would be a hundred times slower |
//! | above 88.72283 | +∞ |
//! | NaN | NaN |
use crate::parallel::vectorised;

/// Below it eˣ is not a normal number.
const LOWEST: f32 = -87.336_54;
/// The largest x of which eˣ is finite.
const HIGHEST: f32 = 88.722_83;
/// 1.5 · 2²³: adding it rounds to an integer, whose bits are then the sum's lowest.
const ROUND: f32 = 12_582_912.0;
const LN_2_HIGH: f32 = 355.0 / 512.0;
const LN_2_LOW: f32 = -2.121_944_4e-4;

/// eˣ. Inlined, so that a loop over a slice inside a dispatched function becomes vector code.
#[inline(always)]
#[must_use]
pub fn exp(x: f32) -> f32 {
    let inside = x.clamp(LOWEST, HIGHEST);
    let shifted = inside * core::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = (inside - n * LN_2_HIGH) - n * LN_2_LOW;
    let p = 1.987_569_1e-4;
    let p = p * r + 1.398_199_9e-3;
    let p = p * r + 8.333_452e-3;
    let p = p * r + 4.166_579_6e-2;
    let p = p * r + 1.666_666_5e-1;
    let p = p * r + 0.5;
    let e_r = p * (r * r) + r + 1.0;
    // At n = 128 r is negative, so that e_r lies in [½, 1) and the exponent still fits.
    let value = f32::from_bits(e_r.to_bits().wrapping_add(shifted.to_bits() << 23));
    let value = if x < LOWEST { 0.0 } else { value };
    if x <= HIGHEST {
        value
    } else {
        x + f32::INFINITY
    }
}

/// eˣ of sixteen lanes.
#[inline(always)]
#[must_use]
pub fn exp_lanes(x: [f32; 16]) -> [f32; 16] {
    x.map(exp)
}

/// Replaces every x by eˣ.
pub fn exp_in_place(values: &mut [f32]) {
    vectorised(
        #[inline(always)]
        || {
            for x in values.iter_mut() {
                *x = exp(*x);
            }
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Distance from the exact value in units in the last place of its `f32` neighbourhood.
    fn ulps(got: f32, exact: f64) -> f64 {
        let unit = f64::from((exact as f32).next_up()) - f64::from(exact as f32);
        (f64::from(got) - exact).abs() / unit
    }

    #[test]
    fn two_ulps_over_the_whole_domain() {
        let mut worst = 0.0_f64;
        // Every 199th number of either sign, and all near the ends and where n changes.
        let every = (0..0x42c0_0000_u32).step_by(199);
        for x in every.flat_map(|bits| [f32::from_bits(bits), -f32::from_bits(bits)]) {
            if (LOWEST..=HIGHEST).contains(&x) {
                let exact = f64::from(x).exp();
                worst = worst.max(ulps(exp(x), exact));
            }
        }
        for n in -126..=128 {
            let centre = ((f64::from(n) - 0.5) * core::f64::consts::LN_2) as f32;
            for step in -50_i32..=50 {
                let x = f32::from_bits(centre.to_bits().wrapping_add_signed(step));
                if (LOWEST..=HIGHEST).contains(&x) {
                    worst = worst.max(ulps(exp(x), f64::from(x).exp()));
                }
            }
        }
        assert!(worst <= 2.0, "{worst} ulp");
        assert!(
            worst > 0.4,
            "the measure itself must not be blind: {worst} ulp"
        );
    }

    #[test]
    fn edges() {
        assert_eq!(exp(0.0).to_bits(), 1.0_f32.to_bits());
        assert_eq!(exp(-0.0).to_bits(), 1.0_f32.to_bits());
        assert!(exp(f32::NAN).is_nan());
        assert!(exp(f32::from_bits(0x7fc0_0155)).is_nan());
        assert!(exp(f32::from_bits(0xff80_0001)).is_nan());
        for x in [f32::INFINITY, 1e4, HIGHEST.next_up()] {
            assert_eq!(exp(x), f32::INFINITY, "{x}");
        }
        assert!(exp(HIGHEST).is_finite() && exp(HIGHEST) > 3.4e38);
        for x in [f32::NEG_INFINITY, -1e4, LOWEST.next_down()] {
            assert_eq!(exp(x).to_bits(), 0, "{x}");
        }
        assert!(exp(LOWEST).is_normal());
    }

    #[test]
    fn slices_agree_with_single_values_bit_for_bit() {
        for length in [0, 1, 15, 16, 17, 100] {
            let xs: Vec<f32> = (0..length).map(|i| i as f32 * 1.7 - 60.0).collect();
            let mut got = xs.clone();
            exp_in_place(&mut got);
            for (x, y) in xs.iter().zip(&got) {
                assert_eq!(exp(*x).to_bits(), y.to_bits());
            }
        }
        let lanes = core::array::from_fn(|i| i as f32 - 8.0);
        assert_eq!(exp_lanes(lanes), lanes.map(exp));
    }
}
