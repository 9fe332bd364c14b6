//! How well rewards agree with preferences: accuracy, log-loss, calibration, and the choice among many.
//!
//! With `Δ = r_c − r_r` of a pair that is no tie:
//!
//! ```text
//! credit      = 1 for Δ > 0, ½ for Δ = 0, 0 for Δ < 0
//! accuracy    = mean over prompts of the mean credit of a prompt's pairs, with its 95% interval over prompts
//! log-loss    = mean over pairs of −log σ(Δ)
//! confidence  = σ(|Δ|) ∈ [½, 1]: the probability that the model gives to its own favourite being preferred
//! calibration = of each tenth of [½, 1]: mean confidence beside the mean credit of the favourite (½ where Δ = 0)
//! expected calibration error = Σ over tenths of pairs/all · |mean confidence − mean credit|
//! ```
//!
//! Ties of the data count in none of these; [`Evaluation::tie_gap`] is their mean |Δ|. [`choice`] is RewardBench 2's accuracy (arXiv
//! 2506.01937) with its credit for rewards that tie.
//!
//! | case | result |
//! |---|---|
//! | no pair but ties, or none | an error |
//! | one prompt | an unbounded interval, cut to \[0, 1\] |
//! | NaN or ±∞ | an error that names the pair |

use std::collections::BTreeMap;

use infalign::estimate::Estimate;
use serde::{Deserialize, Serialize};

use super::{
    Judged,
    loss::{sigmoid, softplus},
};
use crate::error::{Error, Result};

const BINS: usize = 10;

/// How well rewards agree with preferences.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Pairs with a preference.
    pub pairs: usize,
    /// Pairs without.
    pub ties: usize,
    /// Mean credit, with its interval over prompts.
    pub accuracy: Estimate,
    /// −log σ(Δ), mean over pairs, in nats; log 2 is chance.
    pub log_loss: f64,
    /// Confidence against what was preferred; tenths without pairs are left out.
    pub calibration: Vec<CalibrationBin>,
    /// How far confidence lies from the truth, weighted by pairs; in \[0, ½\].
    pub expected_calibration_error: f64,
    /// Mean |Δ| of ties; none without ties.
    pub tie_gap: Option<f64>,
}

/// The pairs whose confidence lies in one tenth of \[½, 1\].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct CalibrationBin {
    /// Its pairs.
    pub pairs: usize,
    /// Mean σ(|Δ|).
    pub predicted: f64,
    /// Share of pairs whose favourite was preferred.
    pub observed: f64,
}

/// Compares rewards with preferences.
///
/// # Errors
/// [`Error::NothingLeft`] without a preference; [`Error::Setting`] for a reward that is no finite number.
pub fn evaluate(judged: &[Judged]) -> Result<Evaluation> {
    if let Some(n) = judged
        .iter()
        .position(|j| !(j.chosen.is_finite() && j.rejected.is_finite()))
    {
        return Err(Error::Setting {
            field: "reward",
            value: format!(
                "{} and {} for preference {n}",
                judged[n].chosen, judged[n].rejected
            ),
            allowed: "finite numbers",
        });
    }
    let gap = |j: &Judged| f64::from(j.chosen) - f64::from(j.rejected);
    let mut prompts: BTreeMap<u64, (f64, f64)> = BTreeMap::new();
    let mut bins = [(0_usize, 0.0, 0.0); BINS];
    let (mut pairs, mut log_loss) = (0_usize, 0.0);
    for j in judged.iter().filter(|j| !j.tie) {
        let delta = gap(j);
        let credit = match delta {
            d if d > 0.0 => 1.0,
            d if d < 0.0 => 0.0,
            _ => 0.5,
        };
        let prompt = prompts.entry(j.prompt).or_default();
        *prompt = (prompt.0 + credit, prompt.1 + 1.0);
        log_loss += softplus(-delta);
        pairs += 1;
        let confidence = sigmoid(delta.abs());
        let at = ((confidence - 0.5) * 2.0 * BINS as f64) as usize;
        let bin = &mut bins[at.min(BINS - 1)];
        *bin = (bin.0 + 1, bin.1 + confidence, bin.2 + credit);
    }
    if pairs == 0 {
        return Err(Error::NothingLeft {
            examples: judged.len() as u64,
            remedy: "give pairs of which one response is preferred",
        });
    }
    let n = pairs as f64;
    let means: Vec<f64> = prompts.values().map(|(sum, count)| sum / count).collect();
    let calibration: Vec<CalibrationBin> = bins
        .iter()
        .filter(|bin| bin.0 > 0)
        .map(|&(pairs, confidence, credit)| CalibrationBin {
            pairs,
            predicted: confidence / pairs as f64,
            observed: credit / pairs as f64,
        })
        .collect();
    let off = |b: &CalibrationBin| b.pairs as f64 / n * (b.predicted - b.observed).abs();
    let gaps: Vec<f64> = judged
        .iter()
        .filter(|j| j.tie)
        .map(|j| gap(j).abs())
        .collect();
    Ok(Evaluation {
        pairs,
        ties: gaps.len(),
        accuracy: Estimate::from_values(&means)
            .map_err(Error::maths)?
            .within(0.0, 1.0),
        log_loss: log_loss / n,
        expected_calibration_error: calibration.iter().map(off).sum(),
        calibration,
        tie_gap: (!gaps.is_empty()).then(|| gaps.iter().sum::<f64>() / gaps.len() as f64),
    })
}

/// The credit for choosing among responses of which some are right: the share of right ones among those with the highest reward. With one
/// right response that is RewardBench 2's 1/(responses that tie with it at the top), 0 where a wrong one is above.
///
/// # Errors
/// [`Error::Setting`] without a right response, or for a reward that is no finite number.
pub fn choice(right: &[f32], wrong: &[f32]) -> Result<f64> {
    let all = || right.iter().chain(wrong);
    if right.is_empty() || !all().all(|r| r.is_finite()) {
        return Err(Error::Setting {
            field: "rewards of the choice",
            value: format!("{right:?} and {wrong:?}"),
            allowed: "finite numbers, at least one of a right response",
        });
    }
    let top = all().fold(f32::NEG_INFINITY, |a, &b| a.max(b));
    let at_top = |rewards: &[f32]| rewards.iter().filter(|&&r| r >= top).count() as f64;
    Ok(at_top(right) / (at_top(right) + at_top(wrong)))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;

    const fn judged(prompt: u64, chosen: f32, rejected: f32, tie: bool) -> Judged {
        Judged {
            prompt,
            chosen,
            rejected,
            tie,
        }
    }

    #[test]
    fn by_hand() {
        let found = evaluate(&[
            judged(0, 1.0, 0.0, false),
            judged(0, 0.0, 1.0, false),
            judged(1, 2.0, 2.0, false),
            judged(2, 9.0, 0.0, false),
            judged(2, 3.0, 0.0, true),
        ])
        .unwrap();
        assert_eq!((found.pairs, found.ties, found.tie_gap), (4, 1, Some(3.0)));
        // Prompts have ½, ½, 1.
        assert_eq!(
            found.accuracy,
            Estimate::from_values(&[0.5, 0.5, 1.0])
                .unwrap()
                .within(0.0, 1.0)
        );
        let loss = [1.0, -1.0, 0.0, 9.0].map(|d: f64| (1.0 + (-d).exp()).ln());
        assert!((found.log_loss - loss.iter().sum::<f64>() / 4.0).abs() < 1e-15);
        let s = 1.0 / (1.0 + (-1.0_f64).exp());
        let bin = |pairs, predicted, observed| CalibrationBin {
            pairs,
            predicted,
            observed,
        };
        assert_eq!(found.calibration[..2], [bin(1, 0.5, 0.5), bin(2, s, 0.5)]);
        let off = 0.5 * (s - 0.5) + 0.25 * (1.0 - found.calibration[2].predicted);
        assert!((found.expected_calibration_error - off).abs() < 1e-15);
    }

    #[test]
    fn nothing_to_compare() {
        assert!(matches!(
            evaluate(&[]),
            Err(Error::NothingLeft { examples: 0, .. })
        ));
        let tie = judged(0, 1.0, 0.0, true);
        assert!(matches!(
            evaluate(&[tie]),
            Err(Error::NothingLeft { examples: 1, .. })
        ));
        let nan = evaluate(&[tie, judged(0, f32::NAN, 0.0, false)]).unwrap_err();
        assert_eq!(
            nan.to_string(),
            "reward is NaN and 0 for preference 1; expected finite numbers"
        );
    }

    #[test]
    fn choices() {
        for (right, wrong, credit) in [
            (&[1.0][..], &[0.0, 0.5][..], 1.0),
            (&[1.0], &[1.0, 0.5, 1.0], 1.0 / 3.0),
            (&[1.0], &[2.0], 0.0),
            (&[1.0, 1.0], &[1.0], 2.0 / 3.0),
            (&[1.0], &[], 1.0),
        ] {
            assert_eq!(choice(right, wrong).unwrap(), credit);
        }
        assert!(choice(&[], &[1.0]).is_err() && choice(&[f32::NAN], &[]).is_err());
    }
}
