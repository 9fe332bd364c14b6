//! The inference-time win rate averaged over frozen tables: the rank-conditional sum of the folder's head.
//!
//! In log-odds s = log(v/(1−v)) the means shift the place, log-odds of F = s + log `m_L` − log `m_R`. So with Γ(s) = G(1/(1+e^{−s})) and
//! Gauss rules (m, w) for both means
//!
//! ```text
//! 1 − W = ∫ g(v) v(1−v) Σ_b Bin(b; K, v) Σ_ij w_i w_j Γ(s + log m_{L,i} − log m_{R,j}) ds
//! ```
//!
//! where the sum over the Beta laws of v has been exchanged for the binomial law of b given v (derived:
//! Beta(v; b+1, K−b+1)/(K+1) = Bin(b; K, v)). Panels of 16 Gauss nodes in s reach over all but 2·10⁻⁶ of T(p)'s mass and are
//! halved where they do not resolve the integrand; Γ is a table of cubics.

use super::dirichlet::{PowerSums, Rule};
use crate::{
    Quantile,
    numeric::gauss::{ORDER, rule},
    procedure::{At, Procedure},
};

/// Mass of T(p) that is left out at either end.
const TAIL: f64 = 1e-6;
/// Largest error of the table of Γ.
const TABLE_ERROR: f64 = 1e-6;
/// Weight of a binomial term, relative to the largest, below which the sum ends.
const NEGLIGIBLE: f64 = 1e-6;
/// Size of the two highest Legendre coefficients above which a panel is halved; the integral is far more accurate.
const RESOLUTION: f64 = 1e-4;

/// Γ between the two ends of T(p)'s mass, by cubic Hermite pieces.
pub(super) struct Curve<'a> {
    procedure: &'a dyn Procedure,
    low: f64,
    high: f64,
    per_unit: f64,
    /// Coefficients in the piece's own coordinate on \[0,1\].
    pieces: Vec<[f64; 4]>,
}

impl<'a> Curve<'a> {
    /// The curve of a rank-based procedure.
    pub(super) fn new(procedure: &'a dyn Procedure) -> Self {
        let low = place(|s| output(procedure, s).below() < TAIL);
        let high = place(|s| output(procedure, s).above() > TAIL);
        let mut count = (8.0 * (high - low)).clamp(64.0, 512.0) as usize;
        loop {
            let curve = Self::with_pieces(procedure, (low, high), count);
            if count > 20_000 || curve.error() < TABLE_ERROR {
                return curve;
            }
            count *= 2;
        }
    }

    fn with_pieces(procedure: &'a dyn Procedure, (low, high): (f64, f64), count: usize) -> Self {
        let step = (high - low) / count as f64;
        let knots: Vec<(f64, f64)> = (0..=count)
            .map(|i| {
                let s = low + step * i as f64;
                (output(procedure, s).below(), step * slope(procedure, s))
            })
            .collect();
        let pieces = knots
            .windows(2)
            .map(|w| {
                let ((ya, da), (yb, db)) = (w[0], w[1]);
                let rise = yb - ya;
                [ya, da, 3.0 * rise - 2.0 * da - db, da + db - 2.0 * rise]
            })
            .collect();
        Self {
            procedure,
            low,
            high,
            per_unit: 1.0 / step,
            pieces,
        }
    }

    /// Γ(s).
    fn at(&self, s: f64) -> f64 {
        let x = (s - self.low) * self.per_unit;
        if x <= 0.0 {
            return 0.0;
        }
        let i = x as usize;
        let Some([a, b, c, d]) = self.pieces.get(i) else {
            return 1.0;
        };
        let t = x - i as f64;
        a + t * (b + t * (c + t * d))
    }

    /// The largest error at the middles of a sample of the pieces.
    fn error(&self) -> f64 {
        let step = 1.0 / self.per_unit;
        (0..self.pieces.len())
            .step_by(2)
            .map(|i| {
                let s = self.low + step * (i as f64 + 0.5);
                (self.at(s) - output(self.procedure, s).below()).abs()
            })
            .fold(0.0, f64::max)
    }
}

/// H and its complement at log-odds s of F.
fn output(procedure: &dyn Procedure, s: f64) -> Quantile {
    let q = Quantile::from_logit(s);
    procedure.cdf(&At {
        u: q,
        f: q,
        anchors: &[],
    })
}

/// g(v) v(1−v): the density of T(p) in log-odds.
fn slope(procedure: &dyn Procedure, s: f64) -> f64 {
    let q = Quantile::from_logit(s);
    let g = procedure.density(&At {
        u: q,
        f: q,
        anchors: &[],
    });
    g * q.below() * q.above()
}

/// The log-odds where `before` turns false, to a thousandth.
fn place(before: impl Fn(f64) -> bool) -> f64 {
    let (mut low, mut high) = (-700.0, 700.0);
    while high - low > 1e-3 {
        let middle = 0.5 * (low + high);
        if before(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
    0.5 * (low + high)
}

/// The Gauss rules of `m_L` and `m_R` for every rank b.
struct Means {
    left: Vec<Rule>,
    right: Vec<Rule>,
}

impl Means {
    fn new(t: &[f64]) -> Self {
        let rules = |order: &mut dyn Iterator<Item = &f64>| {
            let mut sums = PowerSums::new(t.len());
            let rule = |&t: &f64| {
                sums.insert(t);
                sums.rule()
            };
            order.map(rule).collect::<Vec<Rule>>()
        };
        let left = rules(&mut t.iter());
        let mut right = rules(&mut t.iter().rev());
        right.reverse();
        Self { left, right }
    }

    /// E Γ at log-odds s of v, given rank b.
    fn given_rank(&self, curve: &Curve<'_>, b: usize, s: f64) -> f64 {
        let mut sum = 0.0;
        for (left, w) in self.left[b].points() {
            let inner: f64 = self.right[b]
                .points()
                .map(|(right, w)| w * curve.at(s + left - right))
                .sum();
            sum += w * inner;
        }
        sum
    }

    /// E Γ at log-odds s of v: the binomial sum over ranks, outwards from its largest term.
    fn given_place(&self, curve: &Curve<'_>, s: f64) -> f64 {
        let k = self.left.len() - 1;
        let odds = s.exp();
        let mode = (((k + 1) as f64) * Quantile::from_logit(s).below()) as usize;
        let mode = mode.min(k);
        let (mut mass, mut sum) = (1.0, self.given_rank(curve, mode, s));
        let mut term = 1.0;
        for b in mode..k {
            term *= (k - b) as f64 / (b + 1) as f64 * odds;
            if term < NEGLIGIBLE {
                break;
            }
            mass += term;
            sum += term * self.given_rank(curve, b + 1, s);
        }
        term = 1.0;
        for b in (1..=mode).rev() {
            term *= b as f64 / (k - b + 1) as f64 / odds;
            if term < NEGLIGIBLE {
                break;
            }
            mass += term;
            sum += term * self.given_rank(curve, b - 1, s);
        }
        sum / mass
    }
}

/// E W^T over frozen tables, for tilts `t_0..t_K`.
pub(super) fn win_rate(curve: &Curve<'_>, t: &[f64]) -> f64 {
    let means = Means::new(t);
    let count = ((curve.high - curve.low) / 11.0).ceil().max(2.0);
    let width = (curve.high - curve.low) / count;
    let panels = (0..count as usize).map(|i| {
        let low = curve.low + width * i as f64;
        panel(curve, &means, (low, low + width), 6)
    });
    let (lost, mass) = panels.fold((0.0, 0.0), |sum, x| (sum.0 + x.0, sum.1 + x.1));
    1.0 - lost / mass
}

/// ∫ over one panel of what is lost, and of T(p)'s density.
fn panel(curve: &Curve<'_>, means: &Means, (a, b): (f64, f64), depth: usize) -> (f64, f64) {
    let (middle, half) = (0.5 * (a + b), 0.5 * (b - a));
    let rule = rule();
    let mut lost = [0.0; ORDER];
    let (mut sum, mut mass) = (0.0, 0.0);
    for ((lost, x), w) in lost.iter_mut().zip(&rule.nodes).zip(&rule.weights) {
        let s = middle + half * x;
        let density = half * slope(curve.procedure, s);
        mass += w * density;
        // What weighs less than the tails that were left out is not worth its binomial sum.
        if density > TAIL {
            *lost = density * means.given_place(curve, s);
            sum += w * *lost;
        }
    }
    let tail: f64 = rule
        .tail
        .iter()
        .map(|row| row.iter().zip(&lost).map(|(r, y)| r * y).sum::<f64>().abs())
        .sum();
    if tail > RESOLUTION && depth > 0 {
        let left = panel(curve, means, (a, middle), depth - 1);
        let right = panel(curve, means, (middle, b), depth - 1);
        return (left.0 + right.0, left.1 + right.1);
    }
    (sum, mass)
}
