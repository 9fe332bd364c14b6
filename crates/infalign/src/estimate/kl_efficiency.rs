//! KL efficiency: the share of the sequence KL that went into reward.
//!
//! ```text
//! efficiency = ā / b̄          a: quantile KL, b: sequence KL, per prompt
//! standard error = s(a_i − efficiency · b_i) / (b̄ √P)                    (delta method)
//! ```
//!
//! The law of u = C(x,y) is a function of the law of y, so by data processing quantile KL ≤ sequence
//! KL and the true ratio is in \[0,1\]: 1 when π is a tilt of p by a function of the reward, less when
//! KL was spent on what the reward does not see. An estimate may leave \[0,1\] by its error.
//!
//! | case | result |
//! |---|---|
//! | different numbers of prompts | [`Error::Lengths`] |
//! | mean sequence KL ≤ 0 | [`Error::OutOfRange`]: nothing was spent, there is no share |
//! | NaN or ±∞, no prompts | [`Error::BadValue`], [`Error::Empty`] |
//! | one prompt | interval unbounded |

use super::Estimate;
use crate::{Error, Result};

/// The ratio of the means of `quantile_kl` (as in [`super::QuantileKl::per_prompt`]) and
/// `sequence_kl`, one value of each per prompt, same prompts in the same order.
///
/// # Errors
/// As in the table above.
pub fn kl_efficiency(quantile_kl: &[f64], sequence_kl: &[f64]) -> Result<Estimate> {
    if quantile_kl.len() != sequence_kl.len() {
        return Err(Error::Lengths {
            left: "quantile KL",
            left_len: quantile_kl.len(),
            right: "sequence KL",
            right_len: sequence_kl.len(),
        });
    }
    let spent = Estimate::from_values(sequence_kl)?.mean;
    let gained = Estimate::from_values(quantile_kl)?.mean;
    Error::range("mean sequence KL", spent, spent > 0.0, "above 0")?;
    let ratio = gained / spent;
    let residuals: Vec<f64> = quantile_kl
        .iter()
        .zip(sequence_kl)
        .map(|(a, b)| (a - ratio * b) / spent)
        .collect();
    let error = Estimate::from_values(&residuals)?.standard_error;
    Ok(Estimate::around(ratio, error, quantile_kl.len()))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed construction is a failed test")]
    use super::*;
    use rand::{RngExt, SeedableRng};

    #[test]
    fn a_constant_share_has_no_error() {
        let e = kl_efficiency(&[0.5, 1.0, 0.25], &[1.0, 2.0, 0.5]).unwrap();
        assert_eq!((e.mean, e.standard_error, e.prompts), (0.5, 0.0, 3));
    }

    #[test]
    fn intervals_cover() {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(5);
        let mut hits = 0;
        for _ in 0..4000 {
            let spent: Vec<f64> = (0..100).map(|_| 1.0 + rng.random::<f64>()).collect();
            let gained: Vec<f64> = spent
                .iter()
                .map(|s| 0.6 * s + 0.5 * (rng.random::<f64>() - 0.5))
                .collect();
            let e = kl_efficiency(&gained, &spent).unwrap();
            hits += usize::from(e.low <= 0.6 && 0.6 <= e.high);
        }
        let share = f64::from(hits as u32) / 4000.0;
        // 95% ± 1; sampling error 0.35 points.
        assert!((share - 0.95).abs() < 0.0135, "{share}");
    }

    #[test]
    fn edges() {
        assert!(matches!(
            kl_efficiency(&[1.0], &[]),
            Err(Error::Lengths { .. })
        ));
        assert!(matches!(kl_efficiency(&[], &[]), Err(Error::Empty { .. })));
        assert!(matches!(
            kl_efficiency(&[0.1], &[0.0]),
            Err(Error::OutOfRange { .. })
        ));
        assert!(matches!(
            kl_efficiency(&[f64::NAN], &[1.0]),
            Err(Error::BadValue { .. })
        ));
        assert!(kl_efficiency(&[0.1], &[0.4]).unwrap().high.is_infinite());
    }
}
