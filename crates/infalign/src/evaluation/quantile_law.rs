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
//! What a policy of known law would show here is in `target.rs`.
//!
//! | case | result |
//! |---|---|
//! | n = 0 or no responses | refused before: every prompt has some |
//! | B > n + 1 | cells narrower than a rank: no false peaks, as ranks are spread |
//! | all rewards tied | density 1 |
//! | one prompt | standard errors ∞ |

use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};

use super::target::Aim;
use crate::{Result, estimate::Estimate};

/// Cells of the histogram.
pub(super) const CELLS: usize = 20;

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
    /// What a policy that does exactly what it was trained for shows in this histogram: `target` with Ĉ from K rollouts in place of C,
    /// blurred because u is a rank among so many fresh responses of the base. The curve to compare `density` with.
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
pub(super) fn spread(cells: &mut [f64], (from, to): (f64, f64), mass: f64) {
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
    pub(super) fn beside(self, aim: &Aim, n: usize) -> Self {
        Self {
            target: Some(aim.ideal.cells()),
            expected: Some(aim.trained.blurred(n)),
            ..self
        }
    }
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

    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

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
}
