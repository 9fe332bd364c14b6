//! The frozen tables of K rollouts on levels: all of them with their probabilities, or a seeded sample.
//!
//! K rollouts fall on levels of masses `p_ℓ` with counts `n_1, …, n_L`, multinomial:
//!
//! ```text
//! P(n) = K! Π p_ℓ^{n_ℓ}/n_ℓ!,   2K Ĉ_ℓ = 2(n_1 + ⋯ + n_{ℓ−1}) + n_ℓ
//! ```
//!
//! There are C(K+L−1, L−1) tables. Up to [`MOST`] of them are enumerated, without those rarer than [`NEGLIGIBLE`]; of more,
//! [`SAMPLE`] are drawn, level by level: `n_ℓ` given the levels before is binomial.
//!
//! | case | answer |
//! |---|---|
//! | one level | one table, Ĉ = ½ |
//! | two levels, K ≤ 4096 | always enumerated |
//! | the same levels and K again | the same tables: the seed is K |

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Tables that are enumerated at most.
pub(super) const MOST: f64 = 20_000.0;
/// Tables that are drawn where there are more.
pub(super) const SAMPLE: usize = 4096;
/// Rarer tables are left out: together they weigh less than 2·10⁻¹².
const NEGLIGIBLE: f64 = 1e-16;

/// Tables with their weights, which sum to one.
#[derive(Debug, Clone)]
pub(super) struct Tables {
    levels: usize,
    weights: Vec<f64>,
    /// 2K `Ĉ_ℓ` of every level, table after table.
    ranks: Vec<usize>,
}

impl Tables {
    /// The tables of `k` ≥ 1 rollouts on levels of these masses.
    pub(super) fn new(masses: &[f64], k: usize) -> Self {
        let mut tables = if compositions(k, masses.len()) <= MOST {
            Self::all(masses, k)
        } else {
            Self::sample(masses, k)
        };
        let sum: f64 = tables.weights.iter().sum();
        for weight in &mut tables.weights {
            *weight /= sum;
        }
        tables
    }

    /// Pairs of a table's weight and its 2K `Ĉ_ℓ`.
    pub(super) fn iter(&self) -> impl Iterator<Item = (f64, &[usize])> {
        let weights = self.weights.iter().copied();
        weights.zip(self.ranks.chunks_exact(self.levels))
    }

    fn empty(levels: usize) -> Self {
        Self {
            levels,
            weights: Vec::new(),
            ranks: Vec::new(),
        }
    }

    fn push(&mut self, weight: f64, counts: &[usize]) {
        self.weights.push(weight);
        let mut below = 0;
        for n in counts {
            self.ranks.push(2 * below + n);
            below += n;
        }
    }

    /// Counts in lexicographic order, with the weight's logarithm kept for every prefix.
    fn all(masses: &[f64], k: usize) -> Self {
        let factorial = ln_factorials(k);
        let logs: Vec<f64> = masses.iter().map(|p| p.ln()).collect();
        let mut tables = Self::empty(masses.len());
        let mut counts = vec![0; masses.len()];
        fill(
            &mut counts,
            0,
            k,
            factorial[k],
            &mut |counts, log| {
                let weight = log.exp();
                if weight > NEGLIGIBLE {
                    tables.push(weight, counts);
                }
            },
            &|level, n| n as f64 * logs[level] - factorial[n],
        );
        tables
    }

    fn sample(masses: &[f64], k: usize) -> Self {
        let factorial = ln_factorials(k);
        let mut rng = ChaCha8Rng::seed_from_u64(k as u64);
        let mut tables = Self::empty(masses.len());
        let mut counts = vec![0; masses.len()];
        let last = masses.len() - 1;
        for _ in 0..SAMPLE {
            let (mut left, mut rest) = (k, 1.0);
            for (n, p) in counts[..last].iter_mut().zip(masses) {
                *n = binomial(&mut rng, left, p / rest, &factorial);
                left -= *n;
                rest -= p;
            }
            counts[last] = left;
            tables.push(1.0, &counts);
        }
        tables
    }
}

/// Visits every way to put `left` rollouts on the levels from `level` on, with the sum of `term(ℓ, n_ℓ)` added to `log`.
fn fill(
    counts: &mut [usize],
    level: usize,
    left: usize,
    log: f64,
    visit: &mut impl FnMut(&[usize], f64),
    term: &impl Fn(usize, usize) -> f64,
) {
    if level + 1 == counts.len() {
        counts[level] = left;
        visit(counts, log + term(level, left));
        return;
    }
    for n in 0..=left {
        counts[level] = n;
        fill(
            counts,
            level + 1,
            left - n,
            log + term(level, n),
            visit,
            term,
        );
    }
}

/// C(k + levels − 1, levels − 1), as far as it is at most [`MOST`].
fn compositions(k: usize, levels: usize) -> f64 {
    let mut count = 1.0;
    for i in 1..levels {
        count *= (k + i) as f64 / i as f64;
        if count > MOST {
            break;
        }
    }
    count
}

/// log n! for n = 0..k.
fn ln_factorials(k: usize) -> Vec<f64> {
    let mut sum = 0.0;
    let logs = (1..=k).map(|n| {
        sum += (n as f64).ln();
        sum
    });
    [0.0].into_iter().chain(logs).collect()
}

/// A draw of Binomial(n, p) by inversion from the mode outwards: about √(np(1−p)) steps.
fn binomial(rng: &mut ChaCha8Rng, n: usize, p: f64, factorial: &[f64]) -> usize {
    if n == 0 || p >= 1.0 {
        return n;
    }
    let odds = p / (1.0 - p);
    let mode = ((p * (n + 1) as f64) as usize).min(n);
    let log = factorial[n] - factorial[mode] - factorial[n - mode]
        + mode as f64 * p.ln()
        + (n - mode) as f64 * (-p).ln_1p();
    let (mut low, mut high) = (mode, mode);
    let (mut at_low, mut at_high) = (log.exp(), log.exp());
    let mut u = rng.random::<f64>() - at_low;
    if u < 0.0 {
        return mode;
    }
    while low > 0 || high < n {
        if high < n {
            at_high *= odds * (n - high) as f64 / (high + 1) as f64;
            high += 1;
            u -= at_high;
            if u < 0.0 {
                return high;
            }
        }
        if low > 0 {
            at_low *= low as f64 / ((n - low + 1) as f64 * odds);
            low -= 1;
            u -= at_low;
            if u < 0.0 {
                return low;
            }
        }
    }
    // Rounding kept the last 10⁻¹⁶ of probability.
    mode
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(ranks: &[usize]) -> Vec<usize> {
        let mut below = 0;
        let of = |rank: &usize| {
            let n = rank - 2 * below;
            below += n;
            n
        };
        ranks.iter().map(of).collect()
    }

    #[test]
    fn three_rollouts_on_two_levels() {
        let tables = Tables::new(&[0.75, 0.25], 3);
        let got: Vec<(f64, Vec<usize>)> = tables.iter().map(|(w, r)| (w, r.to_vec())).collect();
        let want = [
            (1.0, vec![0, 3]),
            (9.0, vec![1, 4]),
            (27.0, vec![2, 5]),
            (27.0, vec![3, 6]),
        ];
        assert_eq!(got.len(), 4);
        for ((w, ranks), (times_64, want)) in got.iter().zip(want) {
            assert!((w * 64.0 - times_64).abs() < 1e-13);
            assert_eq!(*ranks, want);
        }
    }

    #[test]
    fn tables_are_counted() {
        for (k, masses) in [
            (5, vec![1.0]),
            (7, vec![0.25; 4]),
            (100, vec![0.2, 0.3, 0.5]),
        ] {
            let tables = Tables::all(&masses, k);
            let kept = tables.weights.len() as f64;
            let count = compositions(k, masses.len());
            assert!((tables.weights.iter().sum::<f64>() - 1.0).abs() < 1e-11);
            assert!(kept <= count + 0.5 && (k > 10 || (kept - count).abs() < 0.5));
        }
        assert!(compositions(4096, 2) < MOST && compositions(4096, 1000) > MOST);
    }

    #[test]
    fn the_sample_has_the_moments_of_the_multinomial() {
        let (masses, k) = ([0.05, 0.3, 0.01, 0.64], 300);
        let tables = Tables::sample(&masses, k);
        let n = SAMPLE as f64;
        for (level, p) in masses.into_iter().enumerate() {
            let counts: Vec<f64> = tables
                .iter()
                .map(|(_, ranks)| counts(ranks)[level] as f64)
                .collect();
            let mean = counts.iter().sum::<f64>() / n;
            let variance = counts.iter().map(|c| (c - mean).powi(2)).sum::<f64>() / n;
            let k = k as f64;
            let sd = (k * p * (1.0 - p)).sqrt();
            assert!(
                (mean - k * p).abs() < 4.0 * sd / n.sqrt(),
                "level {level}: {mean}"
            );
            assert!(
                (variance / (sd * sd) - 1.0).abs() < 0.12,
                "level {level}: {variance}"
            );
        }
    }
}
