//! Mean over prompts with its standard error and 95% interval.
//!
//! Prompts are the independent unit: responses of one prompt share its difficulty, so they are
//! averaged first ([`super::PromptMeans`]) and only prompts are counted. With `v₁…v_n` the values
//! per prompt,
//!
//! ```text
//! mean = Σ v_i / n,   s² = Σ (v_i − mean)² / (n − 1),   standard error = s / √n
//! interval = mean ± t_{0.975, n−1} · standard error
//! ```
//!
//! with Student's t, exact for normal values and within a point of 95% for bounded ones from about
//! n = 20 (simulated in the tests). Intervals are not cut to a range of their own accord: a quantity
//! with bounds says so by [`Estimate::within`], as win rates do with \[0,1\].
//!
//! | case | result |
//! |---|---|
//! | no values | [`Error::Empty`] |
//! | one value | that mean; standard error ∞, interval (−∞, ∞): one prompt says nothing about others |
//! | all values equal, n ≥ 2 | standard error 0: the sample shows no spread, which is no proof that there is none; [`Estimate::within`] bounds it |
//! | NaN or ±∞ | [`Error::BadValue`] naming the index |
//! | spread beyond f64 | [`Error::OutOfRange`] |
//!
//! JSON has no infinities: an unbounded end or standard error is written as `null` and read back.

use serde::{Deserialize, Deserializer, Serialize};
use statrs::distribution::{ContinuousCDF, StudentsT};

use crate::{Error, Result};

/// A mean over prompts (the independent unit) with its uncertainty.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Estimate {
    /// Mean over prompts.
    pub mean: f64,
    /// Standard error of the mean, over prompts; ∞ (`null` in JSON) for a single prompt.
    #[serde(deserialize_with = "infinite_when_null")]
    #[cfg_attr(feature = "schema", schemars(extend("type" = ["number", "null"])))]
    pub standard_error: f64,
    /// Lower end of the 95% interval; −∞ (`null` in JSON) when unbounded.
    #[serde(deserialize_with = "minus_infinite_when_null")]
    #[cfg_attr(feature = "schema", schemars(extend("type" = ["number", "null"])))]
    pub low: f64,
    /// Upper end of the 95% interval; ∞ (`null` in JSON) when unbounded.
    #[serde(deserialize_with = "infinite_when_null")]
    #[cfg_attr(feature = "schema", schemars(extend("type" = ["number", "null"])))]
    pub high: f64,
    /// Number of prompts.
    pub prompts: usize,
}

impl Estimate {
    /// From one value per prompt.
    ///
    /// # Errors
    /// [`Error::Empty`], [`Error::BadValue`] for a value that is not finite, [`Error::OutOfRange`]
    /// when their spread overflows.
    pub fn from_values(values: &[f64]) -> Result<Self> {
        if values.is_empty() {
            return Err(Error::Empty { name: "values" });
        }
        if let Some(index) = values.iter().position(|v| !v.is_finite()) {
            let value = values[index];
            return Err(Error::BadValue {
                name: "values",
                index,
                value,
                allowed: "finite",
            });
        }
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let squares: f64 = values.iter().map(|v| (v - mean) * (v - mean)).sum();
        Error::range(
            "spread of values",
            squares,
            squares.is_finite(),
            "within f64's range",
        )?;
        if values.len() == 1 {
            return Ok(Self::around(mean, f64::INFINITY, 1));
        }
        Ok(Self::around(
            mean,
            (squares / (n - 1.0) / n).sqrt(),
            values.len(),
        ))
    }

    /// The mean of `left − right`, prompt by prompt: two policies on the same prompts. What makes a
    /// prompt easy or hard for both cancels, so the interval is narrower than the two apart.
    ///
    /// # Errors
    /// [`Error::Lengths`] when they are not as long as each other; else as
    /// [`Estimate::from_values`].
    pub fn paired_difference(left: &[f64], right: &[f64]) -> Result<Self> {
        if left.len() != right.len() {
            return Err(Error::Lengths {
                left: "left values",
                left_len: left.len(),
                right: "right values",
                right_len: right.len(),
            });
        }
        let differences: Vec<f64> = left.iter().zip(right).map(|(l, r)| l - r).collect();
        Self::from_values(&differences)
    }

    /// The interval cut to the range that no prompt's value can leave; mean and standard error stay.
    ///
    /// A win rate of a single prompt thus has the interval \[0,1\]. Where all n prompts show the same value v (best-of-16 of 16 samples that won
    /// everywhere), Student's t has no width, and the range gives one (derived): if a prompt shows v with probability q, n of n do so with qⁿ, which
    /// is below 5% unless q ≥ q₀ = 0.05^{1/n}; the other prompts lie in the range, so the mean is within q₀ v + (1 − q₀) \[min, max\].
    #[must_use]
    pub fn within(self, min: f64, max: f64) -> Self {
        /// Spread that rounding alone makes of equal values, as a share of the range.
        const ROUNDING: f64 = 1e-12;
        if self.prompts > 1 && self.standard_error <= ROUNDING * (max - min) {
            let same = 0.05f64.powf(1.0 / self.prompts as f64);
            return Self {
                low: same * self.mean + (1.0 - same) * min,
                high: same * self.mean + (1.0 - same) * max,
                ..self
            };
        }
        Self {
            low: self.low.max(min),
            high: self.high.min(max),
            ..self
        }
    }

    /// Mean ± t · standard error, with t of `prompts − 1` degrees of freedom.
    pub(super) fn around(mean: f64, standard_error: f64, prompts: usize) -> Self {
        let margin = match prompts {
            0 | 1 => f64::INFINITY,
            _ => t_quantile(prompts as f64 - 1.0) * standard_error,
        };
        Self {
            mean,
            standard_error,
            low: mean - margin,
            high: mean + margin,
            prompts,
        }
    }
}

/// The 97.5% point of Student's t with ν degrees of freedom.
///
/// From ν = 100 by its expansion in 1/ν about the normal point (Abramowitz & Stegun 26.7.5; the
/// first term left out is below 1e−7), as the inverse of the incomplete beta function loses digits
/// there.
pub(super) fn t_quantile(degrees_of_freedom: f64) -> f64 {
    /// The same point of the normal law.
    const Z: f64 = 1.959_963_984_540_054;
    let nu = degrees_of_freedom;
    if nu < 100.0 {
        return StudentsT::new(0.0, 1.0, nu).map_or(f64::INFINITY, |t| t.inverse_cdf(0.975));
    }
    let first = (Z.powi(3) + Z) / 4.0;
    let second = (5.0 * Z.powi(5) + 16.0 * Z.powi(3) + 3.0 * Z) / 96.0;
    let third = (3.0 * Z.powi(7) + 19.0 * Z.powi(5) + 17.0 * Z.powi(3) - 15.0 * Z) / 384.0;
    Z + first / nu + second / nu.powi(2) + third / nu.powi(3)
}

fn infinite_when_null<'de, D: Deserializer<'de>>(input: D) -> core::result::Result<f64, D::Error> {
    Ok(Option::deserialize(input)?.unwrap_or(f64::INFINITY))
}

fn minus_infinite_when_null<'de, D: Deserializer<'de>>(
    input: D,
) -> core::result::Result<f64, D::Error> {
    Ok(Option::deserialize(input)?.unwrap_or(f64::NEG_INFINITY))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed construction is a failed test")]
    use super::*;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn prompts_that_agree_are_no_proof() {
        let all_won = Estimate::from_values(&[1.0; 64]).unwrap().within(0.0, 1.0);
        // 0.05^{1/64}: at a true win rate of 0.954, 64 prompts are all won once in 20 times.
        assert!((all_won.low - 0.954_270).abs() < 1e-6, "{}", all_won.low);
        assert_eq!((all_won.mean, all_won.high), (1.0, 1.0));
        let tied = Estimate::from_values(&[0.5; 64]).unwrap().within(0.0, 1.0);
        assert!((0.5 - tied.low - (tied.high - 0.5)).abs() < 1e-12 && tied.low > 0.47);
        // Thirds do not sum to their mean exactly.
        let thirds = Estimate::from_values(&[1.0 / 3.0; 49])
            .unwrap()
            .within(0.0, 1.0);
        assert!(thirds.high - thirds.low > 0.05);
        // It covers: the hardest law has two values, 1 and 0.
        for n in [2, 5, 30, 200] {
            let same = Estimate::from_values(&vec![1.0; n])
                .unwrap()
                .within(0.0, 1.0);
            let missed = (same.low - 1e-9).powi(i32::try_from(n).unwrap());
            assert!(missed < 0.05 + 1e-9, "n = {n}: {missed}");
        }
    }

    #[test]
    fn by_hand() {
        let e = Estimate::from_values(&[1.0, 2.0, 3.0, 6.0]).unwrap();
        assert_eq!((e.mean, e.prompts), (3.0, 4));
        // s² = 14/3, standard error √(14/12); t_{0.975,3} = 3.182446.
        assert!((e.standard_error - (14.0f64 / 12.0).sqrt()).abs() < 1e-15);
        assert!((e.high - e.mean - 3.182_446_305 * e.standard_error).abs() < 1e-8);
    }

    /// Published tables of Student's t.
    #[test]
    fn students_t() {
        let table = [
            (1.0, 12.706_204_736),
            (2.0, 4.302_652_730),
            (9.0, 2.262_157_163),
            (99.0, 1.984_216_952),
            (100.0, 1.983_971_519),
            (1000.0, 1.962_339_081),
            (1_000_000.0, 1.959_966_357),
        ];
        for (dof, t) in table {
            assert!(
                (t_quantile(dof) - t).abs() < 1e-8 * t,
                "{dof}: {}",
                t_quantile(dof)
            );
        }
    }

    /// Share of 95% intervals that hold the true mean, in `rounds` samples of size n.
    fn coverage(n: usize, rounds: usize, truth: f64, draw: impl Fn(&mut ChaCha8Rng) -> f64) -> f64 {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let mut hits = 0;
        for _ in 0..rounds {
            let values: Vec<f64> = (0..n).map(|_| draw(&mut rng)).collect();
            let e = Estimate::from_values(&values).unwrap();
            hits += usize::from(e.low <= truth && truth <= e.high);
        }
        hits as f64 / rounds as f64
    }

    /// Sampling error of a coverage from 20 000 rounds: 0.15 points.
    #[test]
    fn intervals_cover_95_percent() {
        let normal = |rng: &mut ChaCha8Rng| {
            let (u, v): (f64, f64) = (1.0 - rng.random::<f64>(), rng.random());
            (-2.0 * u.ln()).sqrt() * (core::f64::consts::TAU * v).cos()
        };
        for n in [2, 5, 30] {
            let share = coverage(n, 20_000, 0.0, normal);
            assert!((share - 0.95).abs() < 0.01, "normal, n = {n}: {share}");
        }
        // Win rates of prompts: anywhere in [0,1], with a long lower tail.
        let skewed = |rng: &mut ChaCha8Rng| rng.random::<f64>().sqrt();
        for n in [20, 160] {
            let share = coverage(n, 20_000, 2.0 / 3.0, skewed);
            assert!((share - 0.95).abs() < 0.01, "skewed, n = {n}: {share}");
        }
    }

    #[test]
    fn pairing_removes_what_prompts_share() {
        let difficulty = [0.1, 0.9, 0.4, 0.7, 0.2];
        let better: Vec<f64> = difficulty
            .iter()
            .zip([0.05, 0.06, 0.05, 0.04, 0.05])
            .map(|(d, g)| d + g)
            .collect();
        let paired = Estimate::paired_difference(&better, &difficulty).unwrap();
        assert!((paired.mean - 0.05).abs() < 1e-12);
        assert!(paired.low > 0.0, "{paired:?}");
        let short = Estimate::paired_difference(&better, &difficulty[1..]);
        assert!(matches!(
            short,
            Err(Error::Lengths {
                left_len: 5,
                right_len: 4,
                ..
            })
        ));
    }

    #[test]
    fn edges() {
        assert!(matches!(
            Estimate::from_values(&[]),
            Err(Error::Empty { .. })
        ));
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let got = Estimate::from_values(&[0.0, bad]);
            assert!(matches!(got, Err(Error::BadValue { index: 1, .. })));
        }
        let huge = Estimate::from_values(&[f64::MAX, -f64::MAX]);
        assert!(matches!(huge, Err(Error::OutOfRange { .. })));
        let flat = Estimate::from_values(&[0.25; 3]).unwrap();
        assert_eq!(
            (flat.low, flat.high, flat.standard_error),
            (0.25, 0.25, 0.0)
        );
        let one = Estimate::from_values(&[0.75]).unwrap();
        assert_eq!((one.low, one.high), (f64::NEG_INFINITY, f64::INFINITY));
        let rate = one.within(0.0, 1.0);
        assert_eq!((rate.mean, rate.low, rate.high), (0.75, 0.0, 1.0));
    }

    #[test]
    fn unbounded_ends_survive_json() {
        let one = Estimate::from_values(&[0.75]).unwrap();
        let text = serde_json::to_string(&one).unwrap();
        assert!(text.contains(r#""standard_error":null"#), "{text}");
        assert_eq!(serde_json::from_str::<Estimate>(&text).unwrap(), one);
    }
}
