//! The law of u: where a policy's responses lie among fresh responses of the base, without bias from ties or few samples.
//!
//! A response y of the policy and the base's n fresh ones to the same prompt: b of these have lower rewards, e equal ones. Were y a
//! response of the base too, its place among the n + 1 would be uniform (they are exchangeable; ties broken at random). So y's mass 1 is
//! spread evenly over
//!
//! ```text
//! [ b/(n+1), (b+e+1)/(n+1) ]                         the mean over the random breaking of ties
//! ```
//!
//! and cut by B equal cells: the base's own density is 1 in expectation, at every n, B and with any ties (derived). Each prompt counts once;
//! the standard error of a cell is over prompts.
//!
//! What a policy of known law f of u shows in such a histogram is f blurred, since given u the place is binomial:
//!
//! ```text
//! expected mass of [h/(n+1), (h+1)/(n+1)] = ∫ f(u) C(n,h) u^h (1−u)^{n−h} du,      h = 0…n,
//! ```
//!
//! by the midpoint rule on 2000 cells of exact masses of f, the binomial law normalised. For a transform f = e^{Φ/β}/Z; for raw-reward RLHF the mean over the calibration table's prompts of `q_ℓ/p_ℓ` on \[`P_{ℓ−1}`, `P_ℓ`\].
//!
//! | case | result |
//! |---|---|
//! | n = 0 or no responses | refused before: every prompt has some |
//! | B > n + 1 | cells narrower than a rank: no false peaks, as ranks are spread |
//! | all rewards tied | density 1 |
//! | one prompt | standard errors ∞ |

use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};

use crate::{Quantile, Result, TiltedPolicy, estimate::Estimate, raw::RawRewards};

/// Cells of the histogram.
pub(super) const CELLS: usize = 20;
/// Cells on which a law is held before it is blurred: a multiple of [`CELLS`].
const FINE: usize = 2000;

/// A histogram of the calibrated reward u, as a density: 1 everywhere for the base.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LawOfU {
    /// Edges of the B cells: B + 1 values from 0 to 1.
    pub edges: Vec<f64>,
    /// Mean density in each cell, over prompts; B values with mean 1.
    pub density: Vec<f64>,
    /// Standard error of each, over prompts; ∞ (`null` in JSON) for a single prompt.
    #[serde(deserialize_with = "infinite_when_null")]
    #[cfg_attr(feature = "schema", schemars(with = "Vec<Option<f64>>"))]
    pub standard_error: Vec<f64>,
    /// What training aimed at, f = e^{Φ/β}/Z at the KL budget, averaged over each cell; for `raw`, from the calibration table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Vec<f64>>,
    /// What a policy of law f would show in this histogram, whose u are ranks among as many responses of the base as there are: `target`,
    /// blurred. The curve to compare `density` with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<Vec<f64>>,
}

/// How many of `sorted` are below a reward, and how many equal it.
pub(super) fn place(sorted: &[f32], reward: f32) -> (usize, usize) {
    let below = sorted.partition_point(|r| *r < reward);
    let equal = sorted[below..].partition_point(|r| *r <= reward);
    (below, equal)
}

/// The mid-rank u = h/n, h the place among n with ties broken at random: uniform on 0/n, 1/n, …, 1 for a response of the base.
pub(super) fn broken(sorted: &[f32], reward: f32, rng: &mut dyn Rng) -> f64 {
    let (below, equal) = place(sorted, reward);
    (below + rng.random_range(0..=equal)) as f64 / sorted.len() as f64
}

/// Adds a mass, spread evenly over \[from, to\] within \[0,1\], to equal cells.
fn spread(cells: &mut [f64], (from, to): (f64, f64), mass: f64) {
    let count = cells.len() as f64;
    let (from, to) = (from * count, (to * count).min(count));
    let first = (from as usize).min(cells.len() - 1);
    if to - from < 1e-9 {
        cells[first] += mass;
        return;
    }
    let last = ((to.ceil() as usize).max(first + 1)).min(cells.len());
    for (i, cell) in cells[first..last].iter_mut().enumerate() {
        let left = (first + i) as f64;
        let overlap = (to.min(left + 1.0) - from.max(left)).max(0.0);
        *cell += mass * overlap / (to - from);
    }
}

impl LawOfU {
    /// From each prompt's rewards and those that they are placed among, sorted.
    pub(super) fn measured<'a>(
        prompts: impl IntoIterator<Item = (&'a [f32], &'a [f32])>,
    ) -> Result<Self> {
        let mut columns = vec![Vec::new(); CELLS];
        for (rewards, sorted) in prompts {
            let mut cells = vec![0.0; CELLS];
            let whole = sorted.len() as f64 + 1.0;
            for reward in rewards {
                let (below, equal) = place(sorted, *reward);
                let (from, to) = (below as f64, (below + equal) as f64 + 1.0);
                spread(&mut cells, (from / whole, to / whole), 1.0);
            }
            for (column, cell) in columns.iter_mut().zip(cells) {
                column.push(cell * CELLS as f64 / rewards.len() as f64);
            }
        }
        let cells: Vec<Estimate> = columns
            .iter()
            .map(|column| Estimate::from_values(column))
            .collect::<Result<_>>()?;
        Ok(Self {
            edges: (0..=CELLS).map(|i| i as f64 / CELLS as f64).collect(),
            density: cells.iter().map(|c| c.mean).collect(),
            standard_error: cells.iter().map(|c| c.standard_error).collect(),
            target: None,
            expected: None,
        })
    }

    /// The same with what was aimed at, seen from `n` responses of the base.
    pub(super) fn beside(self, target: &Target, n: usize) -> Self {
        Self {
            target: Some(target.cells()),
            expected: Some(target.blurred(n)),
            ..self
        }
    }
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
    fn cells(&self) -> Vec<f64> {
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
    fn blurred(&self, n: usize) -> Vec<f64> {
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

fn infinite_when_null<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> core::result::Result<Vec<f64>, D::Error> {
    let values = Vec::<Option<f64>>::deserialize(deserializer)?;
    Ok(values
        .into_iter()
        .map(|v| v.unwrap_or(f64::INFINITY))
        .collect())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed construction is a failed test")]

    use std::sync::Arc;

    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::transform::{Exp, Identity};

    #[test]
    fn spreading_keeps_the_mass_and_its_place() {
        let mut cells = vec![0.0; 4];
        spread(&mut cells, (0.125, 0.625), 1.0);
        spread(&mut cells, (0.75, 1.0), 2.0);
        spread(&mut cells, (0.5, 0.5), 1.0);
        for (got, want) in cells.iter().zip([0.25, 0.5, 1.25, 2.0]) {
            assert!((got - want).abs() < 1e-15, "{cells:?}");
        }
    }

    /// Every sample of one response and n = 3 of the base from a law with atoms: the mean histogram is flat.
    #[test]
    fn the_bases_own_law_is_flat_at_any_ties() {
        let law = [0.5, 0.2, 0.3];
        let mut mean = vec![0.0; CELLS];
        for code in 0..81usize {
            let draws = [1, 3, 9, 27].map(|place| code / place % 3);
            let chance: f64 = draws.iter().map(|l| law[*l]).product();
            let mut base: Vec<f32> = draws[1..].iter().map(|l| *l as f32).collect();
            base.sort_by(f32::total_cmp);
            let rewards = [draws[0] as f32];
            let one = LawOfU::measured([(rewards.as_slice(), base.as_slice())]).unwrap();
            for (mean, d) in mean.iter_mut().zip(&one.density) {
                *mean += chance * d;
            }
        }
        assert!(mean.iter().all(|d| (d - 1.0).abs() < 1e-12), "{mean:?}");
    }

    #[test]
    fn breaking_ties_makes_ranks_uniform() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let mut counts = [0; 4];
        for _ in 0..40_000 {
            let mut draws = [0.0f32; 4];
            draws
                .iter_mut()
                .for_each(|d| *d = f32::from(rng.random::<f32>() < 0.3));
            let mut base = draws[1..].to_vec();
            base.sort_by(f32::total_cmp);
            counts[(3.0 * broken(&base, draws[0], &mut rng)).round() as usize] += 1;
        }
        // Four standard deviations of a count: 4·√(40000·3/16) = 346.
        assert!(
            counts.iter().all(|c| (c - 10_000i32).abs() < 350),
            "{counts:?}"
        );
    }

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
}
