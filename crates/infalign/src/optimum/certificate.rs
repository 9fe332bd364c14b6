//! How far from the best policy a given one can be.
//!
//! For concave W every policy h satisfies W(h) ≤ W(f) + ∫ Φ_f (h − f) (derived: the tangent lies above). Maximising the right side minus
//! β KL(h) over h gives β log ∫e^{Φ_f/β}, so
//!
//! J* − J(f) ≤ β log∫e^{Φ_f/β} − ∫Φ_f f + β KL(f) = β KL(f ‖ h_f), h_f ∝ e^{Φ_f/β},
//!
//! and the last form is summed as β ∫ f (δ − 1 + e^{−δ}), δ = log f − log h_f, whose terms are nowhere negative.

use std::sync::Arc;

use super::newton::State;
use crate::{deployment::Deployment, design::Certificate, law::Law, procedure::Shape};

/// The duality gap at a policy, an upper bound of J* − J(f) for concave W.
#[must_use]
pub(super) fn gap(state: &State, beta: f64) -> f64 {
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

pub(super) fn of(
    deployment: &Deployment,
    state: &State,
    beta: f64,
    starts: usize,
    agreeing: usize,
) -> Certificate {
    Certificate {
        gap: (deployment.shape() == Shape::Concave).then(|| gap(state, beta)),
        stationarity: state.residual(beta).1,
        starts,
        agreeing,
    }
}
