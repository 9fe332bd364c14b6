//! Panels of Gauss–Legendre nodes in log-odds: the unit interval with both ends magnified.
//!
//! With s = log(u/(1−u)) and du = u(1−u) ds, everything that happens within 10⁻¹⁹ of an end happens
//! on a scale of one unit of s, so a few dozen panels integrate best-of-4096, e^{±200u}/10⁻⁵ and
//! u^{100000} alike. A panel that does not resolve an integrand is halved until it does. Kinks and
//! jumps (table knots, rejection thresholds) are panel edges.

use super::gauss::{ORDER, Rule, rule};
use crate::Quantile;

/// Share of an integral that the two highest Legendre coefficients of a panel may carry before it is halved.
/// They bound the error of running integrals; the integral itself, exact to degree 31, is far better.
const RESOLUTION: f64 = 1e-10;
/// Halvings of one panel that are worth trying: beyond, features are below 10⁻⁵ of a unit of s.
const DEPTH: usize = 18;
/// Reach in s of the ordinary grid (e⁻⁴⁴ ≈ 8·10⁻²⁰) and of the wide one (the range of f64).
const REACH: f64 = 44.0;
const WIDE_REACH: f64 = 700.0;

/// Quadrature nodes over u ∈ (0,1), clustered at both ends.
#[derive(Debug, Clone)]
pub struct Grid {
    /// Panel edges in s, increasing; one more than there are panels.
    edges: Vec<f64>,
    /// Nodes, ORDER to a panel, increasing.
    nodes: Vec<Quantile>,
    /// ∫ y du ≈ Σ weights · y.
    weights: Vec<f64>,
    /// weights / Gauss weight: the factor of running integrals.
    scale: Vec<f64>,
}

impl Grid {
    /// The ordinary grid with extra panel edges at `breakpoints` (values of u; ends are ignored).
    #[must_use]
    pub fn new(breakpoints: &[f64]) -> Self {
        Self::with_reach(breakpoints, REACH)
    }

    /// A grid that reaches to the ends of f64, for densities that grow without bound at an end.
    #[must_use]
    pub fn wide(breakpoints: &[f64]) -> Self {
        Self::with_reach(breakpoints, WIDE_REACH)
    }

    fn with_reach(breakpoints: &[f64], reach: f64) -> Self {
        let mut edges = Vec::new();
        let mut s = 0.0;
        while s < reach {
            edges.push(s);
            s += if s < 12.0 {
                1.0
            } else if s < REACH {
                2.0
            } else {
                8.0
            };
        }
        edges.push(reach);
        edges.extend(edges.clone().iter().map(|s| -s));
        edges.extend(
            breakpoints
                .iter()
                .map(|&u| Quantile::new(u).logit())
                .filter(|s| s.abs() < reach),
        );
        edges.sort_by(f64::total_cmp);
        edges.dedup_by(|b, a| (*b - *a).abs() < 1e-12);
        Self::from_edges(edges)
    }

    fn from_edges(edges: Vec<f64>) -> Self {
        let Rule {
            nodes: x,
            weights: w,
            ..
        } = rule();
        let panels = edges.len() - 1;
        let mut grid = Self {
            edges,
            nodes: Vec::with_capacity(panels * ORDER),
            weights: Vec::with_capacity(panels * ORDER),
            scale: Vec::with_capacity(panels * ORDER),
        };
        for panel in 0..panels {
            let (a, b) = (grid.edges[panel], grid.edges[panel + 1]);
            let (middle, half) = (0.5 * (a + b), 0.5 * (b - a));
            for i in 0..ORDER {
                let q = Quantile::from_logit(middle + half * x[i]);
                let scale = half * q.below() * q.above();
                grid.nodes.push(q);
                grid.scale.push(scale);
                grid.weights.push(scale * w[i]);
            }
        }
        grid
    }

    /// Nodes, increasing in u.
    #[must_use]
    pub fn nodes(&self) -> &[Quantile] {
        &self.nodes
    }

    /// Quadrature weights with respect to du.
    #[must_use]
    pub fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// Number of nodes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Never true: a grid has panels.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// ∫₀¹ y du for values y at the nodes.
    #[must_use]
    pub fn integrate(&self, y: &[f64]) -> f64 {
        dot(&self.weights, y)
    }

    /// ∫₀¹ y z du.
    #[must_use]
    pub fn inner(&self, y: &[f64], z: &[f64]) -> f64 {
        let mut sum = 0.0;
        for ((w, a), b) in self.weights.iter().zip(y).zip(z) {
            sum += w * a * b;
        }
        sum
    }

    /// `∫₀^{u_i} y du` at every node, and the whole integral. Accurate relative to what has been summed so far.
    pub fn running_below(&self, y: &[f64], out: &mut [f64]) -> f64 {
        let Rule {
            weights, running, ..
        } = rule();
        let mut carry = 0.0;
        for ((y, scale), out) in y
            .as_chunks::<ORDER>()
            .0
            .iter()
            .zip(self.scale.as_chunks::<ORDER>().0)
            .zip(out.as_chunks_mut::<ORDER>().0)
        {
            let mut sums = [carry; ORDER];
            for j in 0..ORDER {
                let t = y[j] * scale[j];
                carry += weights[j] * t;
                for i in 0..ORDER {
                    sums[i] += running[j][i] * t;
                }
            }
            *out = sums;
        }
        carry
    }

    /// `∫_{u_i}^1 y du` at every node, and the whole integral; summed from the upper end, so that small values there
    /// keep their digits.
    pub fn running_above(&self, y: &[f64], out: &mut [f64]) -> f64 {
        let Rule {
            weights, running, ..
        } = rule();
        let mut carry = 0.0;
        for ((y, scale), out) in y
            .as_chunks::<ORDER>()
            .0
            .iter()
            .zip(self.scale.as_chunks::<ORDER>().0)
            .zip(out.as_chunks_mut::<ORDER>().0)
            .rev()
        {
            let mut sums = [carry; ORDER];
            for j in 0..ORDER {
                let t = y[j] * scale[j];
                carry += weights[j] * t;
                // By the rule's symmetry ∫_{x_i}^1 ℓ_j = running[n−1−j][n−1−i].
                let column = &running[ORDER - 1 - j];
                for i in 0..ORDER {
                    sums[i] += column[ORDER - 1 - i] * t;
                }
            }
            *out = sums;
        }
        carry
    }

    /// Whether y is resolved on every panel, relative to ∫|y|.
    #[must_use]
    pub fn resolves(&self, y: &[f64]) -> bool {
        let total = self.total(y);
        (0..self.edges.len() - 1).all(|p| self.panel_tail(p, y) <= RESOLUTION * total)
    }

    /// The grid with every panel halved that does not resolve y; `None` when all do.
    #[must_use]
    pub fn halved_where_coarse(&self, y: &[f64]) -> Option<Self> {
        let total = self.total(y);
        let mut edges = Vec::with_capacity(self.edges.len() + 8);
        let mut halved = false;
        for p in 0..self.edges.len() - 1 {
            let (a, b) = (self.edges[p], self.edges[p + 1]);
            edges.push(a);
            if self.panel_tail(p, y) > RESOLUTION * total {
                edges.push(0.5 * (a + b));
                halved = true;
            }
        }
        edges.push(self.edges[self.edges.len() - 1]);
        halved.then(|| Self::from_edges(edges))
    }

    /// The grid refined until `y`, evaluated afresh on each refinement, is resolved.
    #[must_use]
    pub fn refined(mut self, mut y: impl FnMut(&Self) -> Vec<f64>) -> Self {
        for _ in 0..DEPTH {
            let values = y(&self);
            match self.halved_where_coarse(&values) {
                Some(finer) => self = finer,
                None => break,
            }
        }
        self
    }

    /// The value at u of the panelwise polynomial through y (barycentric). Outside the grid's reach: the end node's value.
    #[must_use]
    pub fn interpolate(&self, y: &[f64], u: Quantile) -> f64 {
        let Rule {
            nodes: x,
            barycentric,
            ..
        } = rule();
        let s = u.logit();
        let panels = self.edges.len() - 1;
        if s <= self.edges[0] {
            return y[0];
        }
        if s >= self.edges[panels] {
            return y[y.len() - 1];
        }
        let panel = self.edges.partition_point(|&e| e <= s) - 1;
        let (a, b) = (self.edges[panel], self.edges[panel + 1]);
        let t = (2.0 * s - a - b) / (b - a);
        let values = &y[panel * ORDER..(panel + 1) * ORDER];
        let (mut top, mut bottom) = (0.0, 0.0);
        for i in 0..ORDER {
            let d = t - x[i];
            if d.abs() < 1e-15 {
                return values[i];
            }
            let c = barycentric[i] / d;
            top += c * values[i];
            bottom += c;
        }
        top / bottom
    }

    fn total(&self, y: &[f64]) -> f64 {
        self.weights.iter().zip(y).map(|(w, y)| w * y.abs()).sum()
    }

    /// Size of the two highest Legendre coefficients of y du/ds on a panel, in units of the integral.
    fn panel_tail(&self, panel: usize, y: &[f64]) -> f64 {
        let span = panel * ORDER..(panel + 1) * ORDER;
        let (y, scale) = (&y[span.clone()], &self.scale[span]);
        let mut sum = 0.0;
        for row in &rule().tail {
            let c: f64 = row
                .iter()
                .zip(y)
                .zip(scale)
                .map(|((r, y), s)| r * y * s)
                .sum();
            sum += c.abs();
        }
        sum
    }
}

/// Σ a b.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    // Four partial sums let the loop vectorise; the order of summation is fixed.
    let (a4, a1) = a.as_chunks::<4>();
    let (b4, b1) = b.as_chunks::<4>();
    let mut sums = [0.0; 4];
    for (a, b) in a4.iter().zip(b4) {
        for i in 0..4 {
            sums[i] += a[i] * b[i];
        }
    }
    let rest: f64 = a1.iter().zip(b1).map(|(a, b)| a * b).sum();
    (sums[0] + sums[1]) + (sums[2] + sums[3]) + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(grid: &Grid, f: impl Fn(Quantile) -> f64) -> Vec<f64> {
        grid.nodes().iter().map(|&q| f(q)).collect()
    }

    #[test]
    fn integrates_both_ends() {
        let grid = Grid::new(&[]);
        for n in [0.0, 0.5, 1.0, 4.0, 64.0, 4096.0, 1e5] {
            let below = values(&grid, |q| q.power(n).below());
            let above = values(&grid, |q| q.flip().power(n).below());
            for y in [below, above] {
                let got = grid.integrate(&y);
                assert!((got * (n + 1.0) - 1.0).abs() < 1e-12, "n = {n}: {got}");
            }
        }
    }

    #[test]
    fn running_integrals_meet_in_the_middle() {
        let grid = Grid::new(&[0.3]);
        let y = values(&grid, |q| 3.0 * q.below() * q.below());
        let (mut below, mut above) = (vec![0.0; grid.len()], vec![0.0; grid.len()]);
        let total = grid.running_below(&y, &mut below);
        assert!((total - 1.0).abs() < 1e-14);
        assert!((grid.running_above(&y, &mut above) - 1.0).abs() < 1e-14);
        for ((q, b), a) in grid.nodes().iter().zip(&below).zip(&above) {
            let u = q.below();
            assert!((b / u.powi(3) - 1.0).abs() < 1e-9 || (b - u.powi(3)).abs() < 1e-25);
            assert!((a + b - 1.0).abs() < 1e-13);
        }
    }

    #[test]
    fn refinement_finds_a_narrow_peak() {
        let peak = |q: Quantile| (-((q.below() - 0.37) / 1e-4).powi(2)).exp();
        // As a law's density is: relative to its largest value at a node, so that some node sees it.
        let seen = |g: &Grid| {
            let log = values(g, |q| -((q.below() - 0.37) / 1e-4).powi(2));
            let top = log.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            log.iter().map(|l| (l - top).exp()).collect::<Vec<_>>()
        };
        let grid = Grid::new(&[]).refined(seen);
        let y = values(&grid, peak);
        assert!(grid.resolves(&y));
        let want = 1e-4 * std::f64::consts::PI.sqrt();
        assert!((grid.integrate(&y) / want - 1.0).abs() < 1e-12);
    }

    #[test]
    fn interpolates_between_nodes() {
        let grid = Grid::new(&[]);
        let y = values(&grid, |q| q.below().sqrt());
        for u in [1e-9, 0.1, 0.5, 0.999_999] {
            assert!((grid.interpolate(&y, Quantile::new(u)) / u.sqrt() - 1.0).abs() < 1e-12);
        }
    }
}
