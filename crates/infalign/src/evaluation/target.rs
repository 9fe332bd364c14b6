//! The law of u that training aims at, and what a policy of that law shows through ranks among n responses of the base.
//!
//! Three laws, each as exact masses of 2000 equal cells:
//!
//! ```text
//! f      = e^{Φ(u)/β}/Z                                                   perfect calibration
//! f̄(u)   = E_z e^{Φ(Ĉ_z(u))/β}/Z_z                                        Ĉ from tables z of K rollouts, β for the same KL
//! f̄(u)   = mean over prompts of q_ℓ/p_ℓ on [P_{ℓ−1}, P_ℓ]                   a table's levels: raw-reward RLHF, and rewards that tie
//! ```
//!
//! The second is a mean over 2000 simulated tables (rewards without ties are uniform in u whatever they are): its relative error in a
//! cell of the histogram is about 1/√2000 of the spread over tables, half a per cent where f is steep.
//!
//! Given u, the place of a response among n of the base is binomial, so a law f shows (derived)
//!
//! ```text
//! mass of place h = ∫ f(u) C(n,h) u^h (1−u)^{n−h} du,      h = 0…n,
//! ```
//!
//! by the midpoint rule on the 2000 cells, the binomial law normalised; place h fills [h/(n+1), (h+1)/(n+1)] of the histogram.
//!
//! | case | result |
//! |---|---|
//! | f uniform | density 1 |
//! | Φ unbounded | clamped by the caller, as for K rollouts |
//! | weights that underflow | masses of 0 |

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::quantile_law::{CELLS, spread};
use crate::{Quantile, TiltedPolicy, raw::RawRewards, transform::Transform};

/// Cells on which a law is held: a multiple of [`CELLS`].
const FINE: usize = 2000;
/// Simulated calibration tables.
const TABLES: usize = 2000;

/// What training aims at.
#[derive(Debug, Clone)]
pub(super) struct Aim {
    /// With perfect calibration.
    pub(super) ideal: Target,
    /// With the calibration there is.
    pub(super) trained: Target,
}

/// A law of u as exact masses of fine cells.
#[derive(Debug, Clone)]
pub(super) struct Target(Vec<f64>);

impl Target {
    /// f of a tilted policy.
    pub(super) fn of_tilt(policy: &TiltedPolicy) -> Self {
        let edges = (0..=FINE).map(|i| policy.cdf(Quantile::new(i as f64 / FINE as f64)));
        let cdf: Vec<Quantile> = edges.collect();
        let mass = |w: &[Quantile]| {
            // From the nearer end, so that a thin tail keeps its digits.
            let below = w[1].below() - w[0].below();
            let above = w[0].above() - w[1].above();
            if w[0].below() < 0.5 { below } else { above }.max(0.0)
        };
        Self(cdf.windows(2).map(mass).collect())
    }

    /// f̄, the mean over tables of K rollouts of what Φ(Ĉ)/β makes of each: e^{Φ(b/K)/β}/Z between the b-th and the next of K sorted
    /// uniform points. A mean over [`TABLES`] simulated tables, the same ones every time.
    pub(super) fn of_rollouts(transform: &dyn Transform, beta: f64, k: usize) -> Self {
        let steps: Vec<f64> = (0..=k)
            .map(|b| (transform.gap(Quantile::new(b as f64 / k as f64)) / beta).exp())
            .collect();
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        let (mut cells, mut edges) = (vec![0.0; FINE], vec![0.0; k + 2]);
        for _ in 0..TABLES {
            edges.iter_mut().for_each(|edge| *edge = rng.random());
            (edges[0], edges[k + 1]) = (0.0, 1.0);
            edges.sort_unstable_by(f64::total_cmp);
            let gaps = edges.windows(2).zip(&steps);
            let z: f64 = gaps.clone().map(|(w, e)| (w[1] - w[0]) * e).sum();
            for (w, e) in gaps {
                let mass = (w[1] - w[0]) * e / z / TABLES as f64;
                spread(&mut cells, (w[0], w[1]), mass);
            }
        }
        Self(cells)
    }

    /// The law of the policies that reweight a table at one β, mean over its prompts.
    pub(super) fn of_table(table: &RawRewards, beta: f64) -> Self {
        let mut cells = vec![0.0; FINE];
        for (levels, masses) in table.tilted(beta) {
            for (edges, mass) in levels.edges().windows(2).zip(masses) {
                spread(&mut cells, (edges[0].below(), edges[1].below()), mass);
            }
        }
        let prompts = table.prompts() as f64;
        cells.iter_mut().for_each(|c| *c /= prompts);
        Self(cells)
    }

    /// Mean density in each cell of the histogram.
    pub(super) fn cells(&self) -> Vec<f64> {
        let sums = self.0.chunks(FINE / CELLS).map(|c| c.iter().sum::<f64>());
        sums.map(|mass| mass * CELLS as f64).collect()
    }

    /// Mass of each place 0…n among n responses of the base.
    pub(super) fn places(&self, n: usize) -> Vec<f64> {
        let mut places = vec![0.0; n + 1];
        let mut weights = Vec::with_capacity(n + 1);
        for (i, mass) in self.0.iter().enumerate().filter(|(_, m)| **m > 0.0) {
            let odds = (i as f64 + 0.5) / (FINE as f64 - i as f64 - 0.5);
            let mode = (((n + 1) * (2 * i + 1)) / (2 * FINE)).min(n);
            binomial(n, odds, mode, &mut weights);
            for (place, weight) in places.iter_mut().zip(&weights) {
                *place += mass * weight;
            }
        }
        places
    }

    /// The density that places among n responses of the base show.
    pub(super) fn blurred(&self, n: usize) -> Vec<f64> {
        let mut cells = vec![0.0; CELLS];
        let whole = n as f64 + 1.0;
        for (h, mass) in self.places(n).iter().enumerate() {
            let h = h as f64;
            spread(&mut cells, (h / whole, (h + 1.0) / whole), *mass);
        }
        cells.iter().map(|mass| mass * CELLS as f64).collect()
    }
}

/// The binomial law of n trials at these odds, outwards from its mode, normalised.
fn binomial(n: usize, odds: f64, mode: usize, out: &mut Vec<f64>) {
    out.clear();
    out.resize(n + 1, 0.0);
    out[mode] = 1.0;
    for h in mode..n {
        out[h + 1] = out[h] * (n - h) as f64 / (h + 1) as f64 * odds;
    }
    for h in (0..mode).rev() {
        out[h] = out[h + 1] * (h + 1) as f64 / (n - h) as f64 / odds;
    }
    let sum: f64 = out.iter().sum();
    out.iter_mut().for_each(|w| *w /= sum);
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed construction is a failed test")]

    use std::sync::Arc;

    use super::*;
    use crate::{
        evaluation::LawOfU,
        finite_k,
        transform::{Exp, Identity},
    };

    #[test]
    fn the_target_of_a_tilt_has_its_closed_form() {
        let policy = TiltedPolicy::at_beta(Arc::new(Identity), 0.3).unwrap();
        let target = Target::of_tilt(&policy);
        let z = 0.3 * (1.0f64 / 0.3).exp_m1();
        for (i, density) in target.cells().iter().enumerate() {
            let at = |i: usize| (i as f64 / CELLS as f64 / 0.3).exp() * 0.3 / z;
            let want = (at(i + 1) - at(i)) * CELLS as f64;
            assert!((density - want).abs() < 1e-9, "{i}: {density} not {want}");
        }
    }

    #[test]
    fn what_is_expected_of_a_tilt_is_what_samples_show() {
        let policy = TiltedPolicy::at_kl(Arc::new(Exp::new(-10.0).unwrap()), 0.5).unwrap();
        let target = Target::of_tilt(&policy);
        let expected = target.blurred(16);
        assert!((expected.iter().sum::<f64>() / CELLS as f64 - 1.0).abs() < 1e-9);
        // Places among 16: given u binomial, so 20000 draws of both.
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut prompts = Vec::new();
        while prompts.len() < 20_000 {
            let u: f64 = rng.random();
            if rng.random::<f64>()
                < (policy.log_density(Quantile::new(u)) - policy.log_density(Quantile::new(1.0)))
                    .exp()
            {
                let mut base: Vec<f32> = (0..16).map(|_| rng.random()).collect();
                base.sort_by(f32::total_cmp);
                prompts.push(([u as f32], base));
            }
        }
        let law =
            LawOfU::measured(prompts.iter().map(|(u, b)| (u.as_slice(), b.as_slice()))).unwrap();
        for (i, (got, want)) in law.density.iter().zip(&expected).enumerate() {
            // A sample adds at most CELLS to a cell, so its variance is at most CELLS · want.
            let allowed = 4.0 * (CELLS as f64 * want / 20_000.0).sqrt();
            assert!((got - want).abs() < allowed, "{i}: {got} not {want}");
        }
        // The blur matters: the first cell's target is far lower.
        assert!(target.cells()[0] < 0.5 * expected[0]);
        let flat = Target(vec![1.0 / FINE as f64; FINE]).blurred(300);
        assert!(flat.iter().all(|d| (d - 1.0).abs() < 1e-3), "{flat:?}");
    }

    #[test]
    fn a_tables_target_is_flat_within_levels() {
        let table = RawRewards::new([[0.0f32, 0.0, 1.0, 1.0].as_slice()]).unwrap();
        let cells = Target::of_table(&table, 1.0).cells();
        let high = 2.0 / (1.0 + (-1.0f64).exp());
        assert!(cells[..10].iter().all(|d| (d - (2.0 - high)).abs() < 1e-12));
        assert!(cells[10..].iter().all(|d| (d - high).abs() < 1e-12));
    }

    #[test]
    fn the_law_of_few_rollouts_tends_to_the_tilt_and_wins_what_finite_k_says() {
        let transform = Exp::new(-10.0).unwrap();
        let tilt = TiltedPolicy::at_kl(Arc::new(transform), 0.4).unwrap();
        let ideal = Target::of_tilt(&tilt).cells();
        let at = |k: usize| {
            let beta = finite_k::beta_for_kl(&transform, 0.4, k).unwrap();
            Target::of_rollouts(&transform, beta, k)
        };
        let off = |target: &Target| {
            let cells = target.cells();
            cells
                .iter()
                .zip(&ideal)
                .map(|(a, b)| (a - b).abs())
                .sum::<f64>()
                / CELLS as f64
        };
        let (few, many) = (at(20), at(1000));
        assert!(
            off(&few) > 0.05 && off(&many) < 0.01,
            "{} {}",
            off(&few),
            off(&many)
        );
        // ∫ u f̄ du is the standard win rate averaged over tables.
        let mean: f64 = few
            .0
            .iter()
            .enumerate()
            .map(|(i, m)| m * (i as f64 + 0.5) / FINE as f64)
            .sum();
        let standard = crate::procedure::Standard;
        let (_, want) = finite_k::cost_at_kl(&standard, &transform, 0.4, 20).unwrap();
        assert!(
            (mean - want.standard_win_rate).abs() < 2e-3,
            "{mean} {want:?}"
        );
    }
}
