//! Plurality voting exactly: who wins N votes, by generating functions instead of enumeration.
//!
//! Counts of N votes drawn from π are independent Poisson counts of means `Nπ_y`, given that they sum to N. Give every
//! answer an independent uniform priority that breaks ties: with s the winner's, each rival that ties loses with
//! probability s, so a t-fold tie is worth ∫₀¹ sᵗ ds = 1/(1+t) (derived). With the Poisson probabilities `ρ_y(k)` and
//! `f_y`, a rival that does not beat a winner of m votes and priority s,
//!
//! ```text
//! f_y(x) = Σ_{k<m} ρ_y(k) xᵏ + s ρ_y(m) xᵐ,   ρ(N) = e^{−N} N^N / N!,
//! T(π)(z) = Σ_m ∫₀¹ ds [x^{N−m}] ρ_z(m) Π_{y≠z} f_y / ρ(N),
//! ```
//!
//! a sum of non-negative terms. The integrand is a polynomial in s of degree < min(⌊N/m⌋, A) for A answers, so that
//! Gauss–Legendre with half as many nodes is exact; a winner needs m ≥ N/A votes. Products over all answers but one come
//! from running products from both sides.
//!
//! T is homogeneous of degree N in π, so (derived) ∂T(π)(z)/∂π(y) = N P(z wins | one of the votes is y). With `f⁺_y`, the
//! rival that has one vote already,
//!
//! ```text
//! f⁺_y(x) = Σ_{k<m−1} ρ_y(k) xᵏ + s ρ_y(m−1) x^{m−1},
//! Σ_z c_z ∂T(π)(z)/∂π(y) = N/ρ(N) Σ_m ∫₀¹ ds [x^{N−1}]
//!     { c_y ρ_y(m−1) x^{m−1} Π_{u≠y} f_u  +  f⁺_y Σ_{z≠y} c_z ρ_z(m) xᵐ Π_{u≠y,z} f_u }.
//! ```
//!
//! The inner sum over z is the coefficient of ε in `Π_{u≠y} (f_u + ε c_u ρ_u(m) xᵐ)`, carried through the same products.
//!
//! Votes drawn without replacement from `c_y` ballots for each answer y (c in all) are independent binomial counts of `c_y` trials with
//! any common chance, given that they sum to N (derived: the chance cancels, and the multivariate hypergeometric law is left). So the
//! same sums hold with ρ the binomial probabilities; the chance N/c keeps them near 1.
//!
//! | input | answer |
//! |---|---|
//! | N = 1, N = 2 | T(π) = π: of two different votes either wins with probability ½ |
//! | an answer of mass 0 | wins nothing; its derivative is that of a first vote |
//! | work | of the order of A N³ |

/// Votes beyond which Poisson weights would leave the range of f64.
pub(crate) const MAX_VOTES: usize = 512;

/// One setting of the winner's votes m and priority s, with its weight.
struct Round {
    m: usize,
    s: f64,
    weight: f64,
}

/// `ρ_y(0..=N)` for every answer.
struct Ballots {
    n: usize,
    answers: Vec<Vec<f64>>,
    /// ρ(N).
    total: f64,
}

/// T(π): each answer's chance to win N votes.
pub(super) fn winners(policy: &[f64], n: usize) -> Vec<f64> {
    Ballots::new(policy, n).winners()
}

/// Each answer's chance to win N votes that are drawn without replacement from ballots of which `counts[y]` say y, 1 ≤ N ≤ their number.
pub(crate) fn winners_of_counts(counts: &[usize], n: usize) -> Vec<f64> {
    Ballots::of_counts(counts, n).winners()
}

/// `Σ_z c_z ∂T(π)(z)/∂π(y)` for each y.
pub(super) fn product(policy: &[f64], n: usize, cotangent: &[f64]) -> Vec<f64> {
    let ballots = Ballots::new(policy, n);
    let mut product = vec![0.0; policy.len()];
    for round in ballots.rounds() {
        let m = round.m;
        let (prefix, suffix) = ballots.running(&round, Some(cotangent));
        for (y, rho) in ballots.answers.iter().enumerate() {
            let ((a0, a1), (b0, b1)) = (&prefix[y], &suffix[y + 1]);
            let mut sum = cotangent[y] * rho[m - 1] * coefficient(a0, b0, n - m);
            for (k, rho) in rho[..m].iter().enumerate() {
                let has = if k + 1 < m { *rho } else { round.s * rho };
                let rest = n - 1 - k;
                sum += has * (coefficient(a1, b0, rest) + coefficient(a0, b1, rest));
            }
            product[y] += round.weight * sum;
        }
    }
    let scale = n as f64 / ballots.total;
    product.iter_mut().for_each(|p| *p *= scale);
    product
}

/// A polynomial in x of degree ≤ N, and the coefficient of ε beside it.
type Pair = (Vec<f64>, Vec<f64>);

impl Ballots {
    fn new(policy: &[f64], n: usize) -> Self {
        let answers = policy.iter().map(|p| poisson(n as f64 * p, n)).collect();
        let total = poisson(n as f64, n)[n];
        Self { n, answers, total }
    }

    /// Ballots that are in the box: independent binomial counts in place of Poisson ones.
    fn of_counts(counts: &[usize], n: usize) -> Self {
        let all: usize = counts.iter().sum();
        let share = n as f64 / all as f64;
        let answers = counts.iter().map(|&c| binomial(c, share, n)).collect();
        let total = binomial(all, share, n)[n];
        Self { n, answers, total }
    }

    fn winners(&self) -> Vec<f64> {
        let count = self.answers.len();
        let mut wins = vec![0.0; count];
        for round in self.rounds() {
            let (prefix, suffix) = self.running(&round, None);
            let degree = self.n - round.m;
            for z in 0..count {
                let others = coefficient(&prefix[z].0, &suffix[z + 1].0, degree);
                wins[z] += round.weight * self.answers[z][round.m] * others;
            }
        }
        wins.iter_mut().for_each(|w| *w /= self.total);
        wins
    }

    fn rounds(&self) -> Vec<Round> {
        let (n, count) = (self.n, self.answers.len());
        let mut rounds = Vec::new();
        for m in n.div_ceil(count)..=n {
            for (s, weight) in unit_rule((n / m).min(count).div_ceil(2)) {
                rounds.push(Round { m, s, weight });
            }
        }
        rounds
    }

    /// The products of `f_u + ε c_u ρ_u(m) xᵐ` over u < y and over u ≥ y, for y = 0..=A; without cotangent the ε-parts stay empty.
    fn running(&self, round: &Round, cotangent: Option<&[f64]>) -> (Vec<Pair>, Vec<Pair>) {
        let times = |pair: &Pair, y: usize| {
            let rho = &self.answers[y];
            let mut factor = rho[..=round.m].to_vec();
            factor[round.m] *= round.s;
            let plain = multiply(&pair.0, &factor, self.n);
            let marked = cotangent.map_or_else(Vec::new, |c| {
                let mut marked = multiply(&pair.1, &factor, self.n);
                marked.resize(self.n + 1, 0.0);
                let wins = c[y] * rho[round.m];
                for (i, p) in pair.0.iter().enumerate().take(self.n + 1 - round.m) {
                    marked[i + round.m] += wins * p;
                }
                marked
            });
            (plain, marked)
        };
        let count = self.answers.len();
        let mut prefix = vec![(vec![1.0], Vec::new())];
        for y in 0..count {
            prefix.push(times(&prefix[y], y));
        }
        let mut suffix = vec![(vec![1.0], Vec::new())];
        for y in (0..count).rev() {
            suffix.push(times(&suffix[count - 1 - y], y));
        }
        suffix.reverse();
        (prefix, suffix)
    }
}

/// e^{−λ}λᵏ/k! for k = 0..=n.
fn poisson(rate: f64, n: usize) -> Vec<f64> {
    let mut weights = Vec::with_capacity(n + 1);
    let mut weight = (-rate).exp();
    for k in 0..=n {
        weights.push(weight);
        weight *= rate / (k + 1) as f64;
    }
    weights
}

/// C(c, k) sᵏ (1−s)^{c−k} for k = 0..=n: outwards from the mode, which is scaled to 1 and normalised, so that nothing underflows that counts.
fn binomial(c: usize, s: f64, n: usize) -> Vec<f64> {
    let mut weights = vec![0.0; c.max(n) + 1];
    let mode = (((c + 1) as f64 * s) as usize).min(c);
    weights[mode] = 1.0;
    for k in mode..c {
        weights[k + 1] = weights[k] * (c - k) as f64 / (k + 1) as f64 * s / (1.0 - s);
    }
    for k in (0..mode).rev() {
        weights[k] = weights[k + 1] * (k + 1) as f64 / (c - k) as f64 * (1.0 - s) / s;
    }
    let sum: f64 = weights.iter().sum();
    weights.iter_mut().for_each(|w| *w /= sum);
    weights.truncate(n + 1);
    weights
}

/// a·b, cut after xⁿ.
fn multiply(a: &[f64], b: &[f64], n: usize) -> Vec<f64> {
    if a.is_empty() {
        return Vec::new();
    }
    let mut product = vec![0.0; (a.len() + b.len() - 1).min(n + 1)];
    for (i, a) in a.iter().enumerate() {
        for (out, b) in product[i..].iter_mut().zip(b) {
            *out += a * b;
        }
    }
    product
}

/// \[x^degree\] a·b.
fn coefficient(a: &[f64], b: &[f64], degree: usize) -> f64 {
    let first = (degree + 1).saturating_sub(b.len());
    let last = degree.min(a.len().wrapping_sub(1));
    if a.is_empty() || b.is_empty() || first > last {
        return 0.0;
    }
    let b = b[degree - last..=degree - first].iter().rev();
    a[first..=last].iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Gauss–Legendre on \[0,1\] with `n` nodes: nodes and weights, exact to degree 2n − 1. Newton on the Legendre polynomial
/// (Abramowitz and Stegun 25.4.29, 25.4.30).
fn unit_rule(n: usize) -> Vec<(f64, f64)> {
    let order = n as f64;
    (0..n)
        .map(|i| {
            let mut x = -(std::f64::consts::PI * (i as f64 + 0.75) / (order + 0.5)).cos();
            let mut slope = 1.0;
            for _ in 0..8 {
                let (mut before, mut now) = (1.0, x);
                for k in 1..n {
                    let k = k as f64;
                    (before, now) = (now, ((2.0 * k + 1.0) * x * now - k * before) / (k + 1.0));
                }
                slope = order * (x * now - before) / (x * x - 1.0);
                x -= now / slope;
            }
            (0.5 * (x + 1.0), 1.0 / ((1.0 - x * x) * slope * slope))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// T(π) by every sequence of N votes.
    fn enumerated(policy: &[f64], n: usize) -> Vec<f64> {
        let count = policy.len();
        let mut wins = vec![0.0; count];
        for mut code in 0..count.pow(u32::try_from(n).unwrap_or(u32::MAX)) {
            let (mut votes, mut chance) = (vec![0; count], 1.0);
            for _ in 0..n {
                votes[code % count] += 1;
                chance *= policy[code % count];
                code /= count;
            }
            let most = votes.iter().copied().max().unwrap_or(0);
            let tied = votes.iter().filter(|v| **v == most).count() as f64;
            for (win, v) in wins.iter_mut().zip(&votes) {
                if *v == most {
                    *win += chance / tied;
                }
            }
        }
        wins
    }

    #[test]
    fn agrees_with_every_sequence_of_votes() {
        for policy in [
            &[1.0][..],
            &[0.3, 0.7],
            &[0.2, 0.5, 0.3],
            &[0.1, 0.0, 0.4, 0.2, 0.3],
        ] {
            for n in 1..=8 {
                let pairs = enumerated(policy, n);
                for (want, got) in pairs.iter().zip(winners(policy, n)) {
                    assert!(
                        (want - got).abs() < 1e-13,
                        "{policy:?} N = {n}: {got} not {want}"
                    );
                }
            }
        }
    }

    #[test]
    fn agrees_with_every_subset_of_ballots() {
        for counts in [
            &[7][..],
            &[3, 4],
            &[2, 2, 3],
            &[1, 1, 1, 1, 5],
            &[4, 1, 3, 2],
        ] {
            let ballots: Vec<usize> = (0..counts.len()).flat_map(|y| vec![y; counts[y]]).collect();
            for n in 1..=ballots.len() {
                let (mut want, mut subsets) = (vec![0.0; counts.len()], 0.0);
                for set in (0u32..1 << ballots.len()).filter(|s| s.count_ones() as usize == n) {
                    let mut votes = vec![0; counts.len()];
                    for (i, y) in ballots.iter().enumerate() {
                        votes[*y] += set >> i & 1;
                    }
                    let most = votes.iter().copied().max().unwrap_or(0);
                    let tied = votes.iter().filter(|v| **v == most).count() as f64;
                    for (want, v) in want.iter_mut().zip(&votes) {
                        *want += f64::from(*v == most) / tied;
                    }
                    subsets += 1.0;
                }
                for (want, got) in want.iter().zip(winners_of_counts(counts, n)) {
                    let want = want / subsets;
                    assert!(
                        (want - got).abs() < 1e-13,
                        "{counts:?} N = {n}: {got} not {want}"
                    );
                }
            }
        }
        let large = winners_of_counts(&[600, 300, 100], 200);
        assert!(large[0] > 0.999 && (large.iter().sum::<f64>() - 1.0).abs() < 1e-12);
    }

    #[test]
    fn someone_wins_however_many_vote() {
        for n in [1, 2, 17, 64, 200] {
            let sum: f64 = winners(&[0.1, 0.2, 0.3, 0.15, 0.25], n).iter().sum();
            assert!((sum - 1.0).abs() < 1e-12, "N = {n}: {sum}");
        }
        let edge = winners(&[0.5, 0.5], MAX_VOTES);
        assert!((edge[0] - 0.5).abs() < 1e-12);
    }

    #[test]
    fn ties_of_forty_answers_are_shared() {
        let policy = vec![1.0 / 40.0; 40];
        for win in winners(&policy, 12) {
            assert!((win * 40.0 - 1.0).abs() < 1e-12);
        }
    }

    #[test]
    fn the_rule_is_exact_for_its_degree() {
        for n in 1..=30 {
            let sum: f64 = unit_rule(n)
                .iter()
                .map(|(s, w)| w * s.powi(2 * n as i32 - 1))
                .sum();
            assert!((sum * 2.0 * n as f64 - 1.0).abs() < 1e-12, "{n}");
        }
    }
}
