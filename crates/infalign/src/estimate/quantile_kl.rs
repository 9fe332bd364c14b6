//! Quantile KL: how far the law of u = C(x,y), y ~ π, is from uniform, from samples over prompts.
//!
//! With `p̂_b` the share of cell b (each prompt counts once, its responses equally) and `q_b` the
//! base's share,
//!
//! ```text
//! KL̂ = Σ_b p̂_b log(p̂_b / q_b) − ½ Σ_b V̂_b / p̂_b ,      V̂_b = Σ_x (h_xb − p̂_b)² / (P(P−1))
//! ```
//!
//! where `h_xb` is the share of prompt x's responses in cell b, P the number of prompts. The second
//! sum is the upward bias of the first to second order (expand p log p about E p̂): for one response
//! per prompt it is Miller and Madow's (B₊ − 1)/(2(P − 1)), and unlike theirs it stays right when
//! responses of one prompt are alike. The standard error is the delta method's: prompt x contributes
//! `Σ_b h_xb log(p̂_b/q_b)`, the influence function, so prompts are the independent unit.
//!
//! Why cells and not spacings: Ĉ from K rollouts has K + 1 values, and the log of a spacing between
//! equal values is −∞; cells are exact for ranks ([`Resolution`]), and merging values can only lower
//! a KL. So the estimate is of a lower bound of the KL of the law of u, itself a lower bound of the
//! sequence KL (data processing); for f ∝ e^{u/β} cells lose 1/(24 B²β²). B = ⌈2 n^{2/5}⌉ for n
//! responses by default (Mann and Wald 1942).
//!
//! | case | result |
//! |---|---|
//! | no prompts, or a prompt without responses | [`Error::Empty`] |
//! | NaN, or outside \[0,1\] | [`Error::BadValue`]; the index is among all responses in turn |
//! | B = 0, B > K + 1 | [`Error::OutOfRange`] |
//! | one prompt | Miller–Madow with its responses independent; interval unbounded |
//! | law uniform | near 0 on either side (not cut: a mean of cut values is biased); the delta method's interval is too short there |
//! | ties in the base's rewards | the base's own u is not uniform: use randomised quantiles, or the figure is too large |

use serde::Serialize;

use super::{
    Estimate, Resolution,
    rank_cells::{RankCells, check_quantiles},
};
use crate::{Error, Result};

/// KL of the law of calibrated rewards against the base's, in nats.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct QuantileKl {
    /// The estimate, over prompts.
    pub estimate: Estimate,
    /// One contribution per prompt; their mean is the estimate.
    pub per_prompt: Vec<f64>,
    /// Number of cells used.
    pub bins: usize,
    /// What was subtracted for the bias of a finite sample.
    pub bias_correction: f64,
}

/// Quantile KL from the calibrated rewards of each prompt's responses; `bins` = `None` for the
/// default.
///
/// # Errors
/// As in the table above.
pub fn quantile_kl<P: AsRef<[f64]>>(
    prompts: &[P],
    bins: Option<usize>,
    resolution: Resolution,
) -> Result<QuantileKl> {
    let values: Vec<f64> = prompts.iter().flat_map(AsRef::as_ref).copied().collect();
    if values.is_empty() || prompts.iter().any(|u| u.as_ref().is_empty()) {
        return Err(Error::Empty {
            name: "responses of a prompt",
        });
    }
    check_quantiles("calibrated rewards", &values)?;
    let bins = bins.unwrap_or_else(|| default_bins(values.len(), resolution));
    let cells = RankCells::new(bins, resolution)?;
    let shares = prompts
        .iter()
        .map(|u| prompt_shares(u.as_ref(), &cells, bins));

    let count = prompts.len() as f64;
    let mut mean = vec![0.0; bins];
    let mut square = vec![0.0; bins];
    for share in shares.clone() {
        for (b, h) in share.iter().enumerate() {
            mean[b] += h / count;
            square[b] += h * h / count;
        }
    }
    let base = cells.shares();
    let log_ratio: Vec<f64> = mean
        .iter()
        .zip(&base)
        .map(|(p, q)| if *p > 0.0 { (p / q).ln() } else { 0.0 })
        .collect();
    let bias_correction = if prompts.len() == 1 {
        let occupied = mean.iter().filter(|p| **p > 0.0).count();
        (occupied as f64 - 1.0) / (2.0 * values.len() as f64)
    } else {
        let terms = mean.iter().zip(&square).filter(|(p, _)| **p > 0.0);
        0.5 * terms
            .map(|(p, s)| (s - p * p).max(0.0) / (p * (count - 1.0)))
            .sum::<f64>()
    };
    let per_prompt: Vec<f64> = shares
        .map(|share| {
            share
                .iter()
                .zip(&log_ratio)
                .map(|(h, l)| h * l)
                .sum::<f64>()
                - bias_correction
        })
        .collect();
    Ok(QuantileKl {
        estimate: Estimate::from_values(&per_prompt)?,
        per_prompt,
        bins,
        bias_correction,
    })
}

/// What [`quantile_kl`] is near for many samples of a known law of the ranks among K rollouts: `masses` of the K + 1 ranks, in `bins`
/// cells, against the base's; in nats.
///
/// # Errors
/// [`Error::OutOfRange`] for B = 0, B > K + 1, or fewer than two ranks.
pub(crate) fn kl_of_ranks(masses: &[f64], bins: usize) -> Result<f64> {
    let k = masses.len().saturating_sub(1);
    let cells = RankCells::new(bins, Resolution::Rollouts(k))?;
    let mut shares = vec![0.0; bins];
    for (h, mass) in masses.iter().enumerate() {
        shares[cells.cell(h as f64 / k as f64)] += mass;
    }
    let places = shares.iter().zip(cells.shares()).filter(|(p, _)| **p > 0.0);
    Ok(places.map(|(p, q)| p * (p / q).ln()).sum())
}

fn prompt_shares(u: &[f64], cells: &RankCells, bins: usize) -> Vec<f64> {
    let mut shares = vec![0.0; bins];
    for &u in u {
        shares[cells.cell(u)] += 1.0;
    }
    shares.iter_mut().for_each(|share| *share /= u.len() as f64);
    shares
}

fn default_bins(values: usize, resolution: Resolution) -> usize {
    let bins = (2.0 * (values as f64).powf(0.4)).ceil() as usize;
    match resolution {
        Resolution::Continuous => bins,
        Resolution::Rollouts(k) => bins.min(k + 1),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed construction is a failed test")]
    use super::*;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    /// u of density M u^{M−1}: KL = log M − (M − 1)/M.
    fn power(m: f64) -> (f64, impl Fn(&mut ChaCha8Rng) -> f64) {
        (m.ln() - (m - 1.0) / m, move |rng| {
            rng.random::<f64>().powf(1.0 / m)
        })
    }

    /// u of density e^{u/β}/Z, by its quantile function; KL = E[u]/β − log Z.
    fn tilt(beta: f64) -> (f64, impl Fn(&mut ChaCha8Rng) -> f64) {
        let span = (1.0 / beta).exp_m1();
        let mean = (1.0 + span) / span - beta;
        let kl = mean / beta - (beta * span).ln();
        (kl, move |rng| beta * (rng.random::<f64>() * span).ln_1p())
    }

    fn average(
        rounds: u64,
        each: impl Fn(&mut ChaCha8Rng) -> QuantileKl,
    ) -> (f64, Vec<QuantileKl>) {
        let all: Vec<_> = (0..rounds)
            .map(|s| each(&mut ChaCha8Rng::seed_from_u64(s)))
            .collect();
        (
            all.iter().map(|q| q.estimate.mean).sum::<f64>() / rounds as f64,
            all,
        )
    }

    #[test]
    fn closed_forms() {
        let check = |kl: f64, draw: &dyn Fn(&mut ChaCha8Rng) -> f64| {
            let (mean, all) = average(400, |rng| {
                let prompts: Vec<[f64; 1]> = (0..500).map(|_| [draw(rng)]).collect();
                quantile_kl(&prompts, None, Resolution::Continuous).unwrap()
            });
            // Four standard errors of the average, and what 25 cells lose.
            let allowed = 4.0 * all[0].estimate.standard_error / 20.0 + 0.002;
            assert!((mean - kl).abs() < allowed, "{mean} against {kl}");
            let held = |q: &&QuantileKl| q.estimate.low <= kl && kl <= q.estimate.high;
            let share = all.iter().filter(held).count() as f64 / 400.0;
            assert!((0.91..=0.985).contains(&share), "coverage {share}");
        };
        let (kl, draw) = power(4.0);
        check(kl, &draw);
        let (kl, draw) = tilt(0.3);
        check(kl, &draw);
        let (kl, draw) = tilt(-0.5);
        check(kl, &draw);
    }

    /// Under π = p the plug-in shows about (B−1)/2n; what is left after the correction is small.
    #[test]
    fn the_correction_removes_the_bias_also_for_copies_within_a_prompt() {
        for copies in [1, 5] {
            let (mean, all) = average(400, |rng| {
                let prompts: Vec<Vec<f64>> = (0..200).map(|_| vec![rng.random(); copies]).collect();
                quantile_kl(&prompts, Some(20), Resolution::Continuous).unwrap()
            });
            assert!(all[0].bias_correction > 0.04, "{}", all[0].bias_correction);
            assert!(mean.abs() < 0.005, "{copies} copies: {mean}");
        }
    }

    /// Ranks among K rollouts of u ~ tilt: the exact law is a beta-binomial-like mixture; at π = p
    /// it is uniform on K + 1 values whatever B.
    #[test]
    fn ranks_of_the_base_have_no_kl() {
        for (k, bins) in [(9, 10), (9, 4), (100, 16)] {
            let (mean, _) = average(400, |rng| {
                let rank = |rng: &mut ChaCha8Rng| rng.random_range(0..=k) as f64 / k as f64;
                let prompts: Vec<[f64; 1]> = (0..300).map(|_| [rank(rng)]).collect();
                quantile_kl(&prompts, Some(bins), Resolution::Rollouts(k)).unwrap()
            });
            assert!(mean.abs() < 0.003, "K = {k}, B = {bins}: {mean}");
        }
    }

    #[test]
    fn the_kl_of_known_ranks_is_what_samples_come_to() {
        // Ranks among 9 of density 2u: P(h) = 2(h+1)/110.
        let masses: Vec<f64> = (0..10).map(|h| 2.0 * f64::from(h + 1) / 110.0).collect();
        for bins in [10, 4] {
            let want = kl_of_ranks(&masses, bins).unwrap();
            let (mean, all) = average(200, |rng| {
                let rank = |rng: &mut ChaCha8Rng| {
                    let mut rest = rng.random::<f64>();
                    let h = masses.iter().position(|m| {
                        rest -= m;
                        rest < 0.0
                    });
                    h.unwrap_or(9) as f64 / 9.0
                };
                let prompts: Vec<[f64; 1]> = (0..1000).map(|_| [rank(rng)]).collect();
                quantile_kl(&prompts, Some(bins), Resolution::Rollouts(9)).unwrap()
            });
            let allowed = 4.0 * all[0].estimate.standard_error / 200f64.sqrt();
            assert!(
                (mean - want).abs() < allowed,
                "B = {bins}: {mean} not {want}"
            );
        }
        assert_eq!(kl_of_ranks(&[0.25; 4], 2), Ok(0.0));
        assert!(kl_of_ranks(&[1.0], 1).is_err() && kl_of_ranks(&[0.5; 2], 3).is_err());
    }

    #[test]
    fn by_hand() {
        let q = quantile_kl(
            &[[0.1], [0.6], [0.7], [0.9]],
            Some(2),
            Resolution::Continuous,
        )
        .unwrap();
        let plug_in = 0.25 * 0.5f64.ln() + 0.75 * 1.5f64.ln();
        // Miller–Madow with P − 1: (2 − 1)/(2·3).
        assert!((q.bias_correction - 1.0 / 6.0).abs() < 1e-15);
        assert!((q.estimate.mean - (plug_in - 1.0 / 6.0)).abs() < 1e-15);
        assert_eq!((q.bins, q.estimate.prompts), (2, 4));
    }

    #[test]
    fn edges() {
        let go = |prompts: &[Vec<f64>], bins| quantile_kl(prompts, bins, Resolution::Rollouts(4));
        assert!(matches!(go(&[], None), Err(Error::Empty { .. })));
        assert!(matches!(
            go(&[vec![0.5], vec![]], None),
            Err(Error::Empty { .. })
        ));
        assert!(matches!(
            go(&[vec![0.5]], Some(0)),
            Err(Error::OutOfRange { .. })
        ));
        assert!(matches!(
            go(&[vec![0.5]], Some(6)),
            Err(Error::OutOfRange { .. })
        ));
        let bad = go(&[vec![0.5], vec![0.5, 1.5]], None);
        assert!(matches!(bad, Err(Error::BadValue { index: 2, .. })));
        let one = go(&[vec![0.0, 1.0, 0.5]], None).unwrap();
        assert!(one.estimate.standard_error.is_infinite() && one.estimate.mean.is_finite());
    }
}
