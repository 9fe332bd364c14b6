//! How far from the best policy a given one can be.
//!
//! **G convex** (best-of-N): W is concave in the density, so every policy h satisfies W(h) ≤ W(f) + ∫ `Φ_f` (h − f) (derived: the tangent lies above).
//! Maximising the right side minus β KL(h) over h gives `β log ∫e^{Φ_f/β}`, so
//!
//! ```text
//! J* − J(f) ≤ β log∫e^{Φ_f/β} − ∫Φ_f f + β KL(f) = β KL(f ‖ h_f), h_f ∝ e^{Φ_f/β},
//! ```
//!
//! and the last form is summed as β ∫ f (δ − 1 + e^{−δ}), δ = log f − log `h_f`, whose terms are nowhere negative.
//!
//! **G concave** (worst-of-N): W is convex in the density, but the problem is concave in the *quantile function* q = F⁻¹ (derived): with t the
//! policy's own rank, W = ∫₀¹ G(q(t)) g(t) dt and −KL = ∫₀¹ log q′(t) dt. So a stationary policy is the best one, and the tangent in q gives a
//! bound: for any other quantile function q̃, with δ = q̃ − q ∈ \[−u, 1−u\] at u = q(t),
//!
//! J(q̃) − J(q) ≤ ∫ δ \[g(F) g(u) − β (log f)′(u)\] dt (integrating β∫ δ′/q′ dt by parts; its boundary terms are not positive),
//!
//! and the bracket is −β R′(u) for the residual R = log f − `Φ_f`/β, since Φ′ = g(F) g(u). Hence
//!
//! J* − J(f) ≤ β ∫ f · (u if R rises, 1 − u if it falls) |dR|,
//!
//! summed over neighbouring nodes with the larger of the two weights.

use std::sync::Arc;

use super::newton::State;
use crate::{deployment::Deployment, design::Certificate, law::Law, procedure::Shape};

/// An upper bound of J* − J(f) where W is concave in the density.
#[must_use]
pub(super) fn density_gap(state: &State, beta: f64) -> f64 {
    let tilt: Vec<f64> = state.phi.iter().map(|p| p / beta).collect();
    let response = Law::from_log_tilt(Arc::clone(state.law.grid()), &tilt);
    let weights = state.law.grid().weights().iter().zip(state.law.density());
    let logs = state.law.log_density().iter().zip(response.log_density());
    let sum: f64 = weights
        .zip(logs)
        .map(|((w, f), (y, h))| {
            let d = y - h;
            // δ − 1 + e^{−δ}, by series where it cancels.
            let term = if d.abs() < 1e-4 {
                d * d * (0.5 - d / 6.0)
            } else {
                d + (-d).exp_m1()
            };
            w * f * term
        })
        .sum();
    beta * sum
}

/// An upper bound of J* − J(f) where G is concave, so that the problem is concave in the quantile function.
#[must_use]
pub(super) fn quantile_gap(state: &State, beta: f64) -> f64 {
    let (residual, _) = state.residual(beta);
    let nodes = state.law.grid().nodes();
    let density = state.law.density();
    let mut sum = 0.0;
    for i in 1..nodes.len() {
        let rise = residual[i] - residual[i - 1];
        let weight = |i: usize| {
            let reach = if rise > 0.0 {
                nodes[i].below()
            } else {
                nodes[i].above()
            };
            density[i] * reach
        };
        let weight = weight(i - 1).max(weight(i));
        if weight > 0.0 {
            sum += weight * rise.abs();
        }
    }
    beta * sum
}

pub(super) fn of(
    deployment: &Deployment,
    state: &State,
    beta: f64,
    starts: usize,
    agreeing: usize,
) -> Certificate {
    Certificate {
        gap: match deployment.shape() {
            Shape::Concave => Some(density_gap(state, beta)),
            Shape::Convex => Some(quantile_gap(state, beta)),
            Shape::Unknown => None,
        },
        stationarity: state.residual(beta).1,
        starts,
        agreeing,
    }
}
