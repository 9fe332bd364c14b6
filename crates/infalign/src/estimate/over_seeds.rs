//! One figure from several training seeds, all measured on the same prompts: mean and interval over prompts and seeds.
//!
//! With S seeds, `m_s` the mean of seed s and `e_s` its standard error over n prompts, `s²` the sample variance of the `m_s`,
//!
//! ```text
//! mean = Σ m_s / S        A = Σ e_s² / S        B = s² / S
//! standard error = √(A + B)
//! interval = mean ± t_{0.975, ν} · standard error,   ν = (A + B)² / (A²/(n − 1) + B²/(S − 1))
//! ```
//!
//! (derived; ν is Satterthwaite's). What the choice of prompts adds is shared by all seeds and does not shrink with S: A keeps it whole.
//! What the seeds add shrinks: B. The noise of fresh responses is in both, so that the interval errs on the wide side by no more than it.
//!
//! | case | result |
//! |---|---|
//! | no seeds | [`Error::Empty`] |
//! | one seed | that estimate, which is over prompts alone |
//! | a standard error that is ∞ (one prompt) | unbounded |
//! | A = B = 0 | standard error 0; [`Estimate::within`] bounds it |
//! | a mean that is NaN or ±∞ | [`Error::BadValue`] naming the seed's index |
//! | different numbers of prompts | n is the fewest |

use super::{Estimate, summary::t_quantile};
use crate::{Error, Result};

/// The estimates of several seeds on the same prompts as one, by the formula above. Intervals that were cut to a range lose their cut:
/// call [`Estimate::within`] again.
///
/// # Errors
/// As in the table above.
pub fn over_seeds(seeds: &[Estimate]) -> Result<Estimate> {
    let Some(first) = seeds.first() else {
        return Err(Error::Empty { name: "seeds" });
    };
    let means: Vec<f64> = seeds.iter().map(|seed| seed.mean).collect();
    let between = Estimate::from_values(&means)?;
    if seeds.len() == 1 {
        return Ok(*first);
    }
    let prompts = seeds.iter().map(|seed| seed.prompts).min().unwrap_or(0);
    let squares = seeds.iter().map(|seed| seed.standard_error.powi(2));
    let a = squares.sum::<f64>() / seeds.len() as f64;
    let b = between.standard_error.powi(2);
    let standard_error = (a + b).sqrt();
    let margin = if standard_error == 0.0 {
        0.0
    } else if standard_error.is_finite() && prompts > 1 {
        let parts = a * a / (prompts as f64 - 1.0) + b * b / (seeds.len() as f64 - 1.0);
        // Between the smaller of the two degrees of freedom and their sum, up to rounding.
        t_quantile(((a + b).powi(2) / parts).max(1.0)) * standard_error
    } else {
        f64::INFINITY
    };
    Ok(Estimate {
        mean: between.mean,
        standard_error,
        low: between.mean - margin,
        high: between.mean + margin,
        prompts,
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed construction is a failed test")]
    use super::*;
    use rand::{Rng, RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    fn estimate(mean: f64, standard_error: f64, prompts: usize) -> Estimate {
        Estimate::around(mean, standard_error, prompts)
    }

    #[test]
    fn by_hand() {
        // Equal seeds: prompts alone, t of 100 degrees of freedom.
        let same = over_seeds(&[estimate(0.6, 0.01, 101); 4]).unwrap();
        assert!((same.mean - 0.6).abs() < 1e-12);
        assert!(
            (same.high - 0.6 - 0.019_839_715).abs() < 1e-8,
            "{}",
            same.high
        );
        // Certain seeds: seeds alone, t of one degree of freedom times 0.1.
        let two = over_seeds(&[estimate(0.5, 0.0, 50), estimate(0.7, 0.0, 50)]).unwrap();
        assert!((two.high - two.mean - 1.270_620_474).abs() < 1e-8);
        let certain = over_seeds(&[estimate(0.5, 0.0, 50); 2]).unwrap();
        assert_eq!((certain.low, certain.high), (0.5, 0.5));
    }

    #[test]
    fn edges() {
        assert!(matches!(over_seeds(&[]), Err(Error::Empty { .. })));
        let one = Estimate::from_values(&[0.1, 0.2, 0.6]).unwrap();
        assert_eq!(over_seeds(&[one]).unwrap(), one);
        let lone = Estimate::from_values(&[0.5]).unwrap();
        let both = over_seeds(&[lone, lone]).unwrap();
        assert!(both.mean == 0.5 && both.low == f64::NEG_INFINITY && both.high == f64::INFINITY);
        let nan = estimate(f64::NAN, 0.1, 9);
        assert!(matches!(
            over_seeds(&[one, nan]),
            Err(Error::BadValue { index: 1, .. })
        ));
    }

    /// Prompts that all seeds share, a shift of each seed's own, noise of each response: 95% of the intervals hold the truth.
    #[test]
    fn coverage() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        // Twelve uniforms: normal to the second digit of its tails.
        let normal = |rng: &mut dyn Rng| (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0;
        // (spread of prompts, of seeds): either may dominate. The noise of one response per prompt is 0.1.
        for (prompt_spread, seed_spread) in [(1.0, 0.02), (0.5, 0.1), (0.1, 0.3)] {
            let (mut held, rounds) = (0, 2000);
            for _ in 0..rounds {
                let prompts: Vec<f64> = (0..40).map(|_| prompt_spread * normal(&mut rng)).collect();
                let seeds: Vec<Estimate> = (0..5)
                    .map(|_| {
                        let shift = seed_spread * normal(&mut rng);
                        let values: Vec<f64> = prompts
                            .iter()
                            .map(|prompt| prompt + shift + 0.1 * normal(&mut rng))
                            .collect();
                        Estimate::from_values(&values).unwrap()
                    })
                    .collect();
                let all = over_seeds(&seeds).unwrap();
                held += u32::from(all.low <= 0.0 && 0.0 <= all.high);
            }
            let share = f64::from(held) / f64::from(rounds);
            // Three standard errors of a share of 2000 are 0.015; above, by the noise that counts twice.
            assert!(
                (0.935..0.975).contains(&share),
                "{prompt_spread}, {seed_spread}: {share}"
            );
        }
    }
}
