//! The 16-point Gauss–Legendre rule on \[−1,1\]: nodes, weights, running integrals, and a resolution test.
//!
//! With Legendre polynomials `P_k`, nodes `x_i` (roots of P₁₆) and weights `w_i`, the polynomial through
//! values `y_i` has coefficients `c_k = (2k+1)/2 Σ_i w_i P_k(x_i) y_i`, and
//! `∫₋₁ˣ P_k = (P_{k+1}(x) − P_{k−1}(x))/(2k+1)`, ∫₋₁ˣ P₀ = x+1. So the running integral at the nodes
//! is a fixed 16×16 matrix times y: exact for polynomials of degree 15.

use std::sync::OnceLock;

/// Nodes per panel.
pub(crate) const ORDER: usize = 16;

/// The rule and its matrices.
pub(crate) struct Rule {
    /// Nodes in (−1,1), increasing.
    pub(crate) nodes: [f64; ORDER],
    /// Weights; they sum to 2.
    pub(crate) weights: [f64; ORDER],
    /// `running[j][i]` = `∫₋₁^{x_i} ℓ_j`: column-major, so that the product vectorises over i.
    pub(crate) running: [[f64; ORDER]; ORDER],
    /// `running_above[j][i]` = `∫_{x_i}^1 ℓ_j`.
    pub(crate) running_above: [[f64; ORDER]; ORDER],
    /// Rows that give the two highest Legendre coefficients.
    pub(crate) tail: [[f64; ORDER]; 2],
    /// Barycentric weights for interpolation between the nodes.
    pub(crate) barycentric: [f64; ORDER],
}

/// `P_0(x) … P_{ORDER}(x)`.
fn legendre(x: f64) -> [f64; ORDER + 1] {
    let mut p = [1.0; ORDER + 1];
    p[1] = x;
    for k in 1..ORDER {
        let kf = k as f64;
        p[k + 1] = ((2.0 * kf + 1.0) * x * p[k] - kf * p[k - 1]) / (kf + 1.0);
    }
    p
}

fn build() -> Rule {
    let n = ORDER as f64;
    let mut nodes = [0.0; ORDER];
    let mut weights = [0.0; ORDER];
    for i in 0..ORDER {
        // Newton from the classical starting value; P' from the recurrence.
        let mut x = -(std::f64::consts::PI * (i as f64 + 0.75) / (n + 0.5)).cos();
        let mut slope = 1.0;
        for _ in 0..8 {
            let p = legendre(x);
            slope = n * (x * p[ORDER] - p[ORDER - 1]) / (x * x - 1.0);
            x -= p[ORDER] / slope;
        }
        nodes[i] = x;
        weights[i] = 2.0 / ((1.0 - x * x) * slope * slope);
    }
    let at: Vec<[f64; ORDER + 1]> = nodes.iter().map(|&x| legendre(x)).collect();
    let mut running = [[0.0; ORDER]; ORDER];
    for j in 0..ORDER {
        for i in 0..ORDER {
            let mut sum = 0.5 * (nodes[i] + 1.0);
            for k in 1..ORDER {
                sum += 0.5 * at[j][k] * (at[i][k + 1] - at[i][k - 1]);
            }
            running[j][i] = weights[j] * sum;
        }
    }
    // By the rule's symmetry ∫_{x_i}^1 ℓ_j is the integral below the mirrored node of the mirrored ℓ.
    let mut running_above = [[0.0; ORDER]; ORDER];
    for j in 0..ORDER {
        for i in 0..ORDER {
            running_above[j][i] = running[ORDER - 1 - j][ORDER - 1 - i];
        }
    }
    let mut tail = [[0.0; ORDER]; 2];
    for (row, k) in tail.iter_mut().zip([ORDER - 2, ORDER - 1]) {
        for i in 0..ORDER {
            row[i] = 0.5 * (2.0 * k as f64 + 1.0) * weights[i] * at[i][k];
        }
    }
    let mut barycentric = [0.0; ORDER];
    for i in 0..ORDER {
        let sign = if i % 2 == 0 { 1.0 } else { -1.0 };
        barycentric[i] = sign * ((1.0 - nodes[i] * nodes[i]) * weights[i]).sqrt();
    }
    Rule {
        nodes,
        weights,
        running,
        running_above,
        tail,
        barycentric,
    }
}

/// The rule, computed once.
pub(crate) fn rule() -> &'static Rule {
    static RULE: OnceLock<Rule> = OnceLock::new();
    RULE.get_or_init(build)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integrates_powers_exactly() {
        let r = rule();
        for k in 0..32 {
            let got: f64 = r
                .nodes
                .iter()
                .zip(r.weights)
                .map(|(x, w)| w * x.powi(k))
                .sum();
            let want = if k % 2 == 0 {
                2.0 / f64::from(k + 1)
            } else {
                0.0
            };
            assert!((got - want).abs() < 1e-14, "x^{k}: {got} against {want}");
        }
    }

    #[test]
    fn running_integral_of_the_exponential() {
        let r = rule();
        let y = r.nodes.map(f64::exp);
        for i in 0..ORDER {
            let got: f64 = (0..ORDER).map(|j| r.running[j][i] * y[j]).sum();
            assert!((got - (r.nodes[i].exp() - (-1f64).exp())).abs() < 1e-14);
        }
    }
}
