//! Climbs J = W − β KL from a given policy by damped updates in log density.
//!
//! At a stationary point `log f = Φ_f/β − log Z`. With y = log f and the residual `R = y − Φ_f/β`, centred under f, the plain
//! alternation steps by −R; it oscillates with period 2 for best-of-N at small β, because DΦ/β outweighs the identity. Newton's
//! direction d divides that out:
//!
//! (I + K/β) d = −R, K d = −DΦ\[f d\],
//!
//! where K is symmetric in ⟨a,b⟩ = ∫ f a b du and, for concave W, not negative (derived: ⟨d, K d⟩ = −δ²W). So conjugate gradients
//! apply; their first iterate is the damped alternation itself, and they stop at the first direction of negative curvature (non-concave W).
//! The step is halved until J rises by Armijo's rule: J never falls. dJ along d is −β⟨R, d⟩.

use std::sync::Arc;

use crate::{deployment::Deployment, law::Law};

/// ‖R‖ at which a policy counts as stationary: the duality gap is about β‖R‖²/2.
pub(super) const STATIONARY: f64 = 1e-10;
const MAX_STEPS: usize = 200;
const MAX_CONJUGATE: usize = 60;

/// A policy on the climb, with everything that is known at it.
#[derive(Debug, Clone)]
pub(super) struct State {
    pub(super) law: Law,
    /// `Φ_f` at the nodes.
    pub(super) phi: Vec<f64>,
    pub(super) win_rate: f64,
    pub(super) kl: f64,
}

impl State {
    pub(super) fn new(deployment: &Deployment, law: Law) -> Self {
        let output = deployment.output_density(&law);
        let phi = deployment.gradient_with(&law, &output);
        let win_rate = deployment.win_rate_with(&law, &output);
        let kl = law.kl();
        Self {
            law,
            phi,
            win_rate,
            kl,
        }
    }

    pub(super) fn objective(&self, beta: f64) -> f64 {
        self.win_rate - beta * self.kl
    }

    /// R at the nodes and its norm.
    pub(super) fn residual(&self, beta: f64) -> (Vec<f64>, f64) {
        let places = self.law.log_density().iter().zip(&self.phi);
        let mut r: Vec<f64> = places.map(|(y, p)| y - p / beta).collect();
        centre(&self.law, &mut r);
        let norm = inner(&self.law, &r, &r).sqrt();
        (r, norm)
    }

    /// dy/d log β along the path of optima: (I + K/β) dy = −Φ/β, centred; and d KL/d log β = ⟨y, dy⟩.
    pub(super) fn sensitivity(&self, deployment: &Deployment, beta: f64) -> (Vec<f64>, f64) {
        let mut right: Vec<f64> = self.phi.iter().map(|p| -p / beta).collect();
        centre(&self.law, &mut right);
        let dy = solve(deployment, self, beta, &right, 1e-6);
        let slope = inner(&self.law, self.law.log_density(), &dy);
        (dy, slope)
    }
}

/// Climbs to a stationary point at β.
pub(super) fn climb(deployment: &Deployment, mut state: State, beta: f64) -> State {
    for _ in 0..MAX_STEPS {
        let (r, norm) = state.residual(beta);
        if norm < STATIONARY {
            break;
        }
        let right: Vec<f64> = r.iter().map(|r| -r).collect();
        let direction = solve(
            deployment,
            &state,
            beta,
            &right,
            (0.1 * norm).clamp(1e-5, 1e-2),
        );
        let slope = -beta * inner(&state.law, &r, &direction);
        let before = state.objective(beta);
        let mut step = 1.0;
        let mut next = None;
        while step > 1e-6 {
            let law = moved(&state.law, &direction, step);
            let candidate = State::new(deployment, law);
            let gain = candidate.objective(beta) - before;
            // Near the top J is flat to rounding: there a smaller residual counts as progress.
            let flat = slope.abs() < 1e-10 && candidate.residual(beta).1 < 0.5 * norm;
            if gain >= 1e-4 * step * slope && slope > 0.0 || flat {
                next = Some(candidate);
                break;
            }
            step *= 0.5;
        }
        match next {
            Some(candidate) => state = candidate,
            None => break,
        }
    }
    state
}

/// The policy with log density y + step·d.
pub(super) fn moved(law: &Law, direction: &[f64], step: f64) -> Law {
    let places = law.log_density().iter().zip(direction);
    let tilt: Vec<f64> = places.map(|(y, d)| y + step * d).collect();
    Law::from_log_tilt(Arc::clone(law.grid()), &tilt)
}

/// (I + K/β) x = right by conjugate gradients in ⟨·,·⟩, to a relative residual `tolerance`.
fn solve(
    deployment: &Deployment,
    state: &State,
    beta: f64,
    right: &[f64],
    tolerance: f64,
) -> Vec<f64> {
    let law = &state.law;
    let factor = deployment.curvature_factor(law);
    let apply = |x: &[f64]| -> Vec<f64> {
        let k = match &factor {
            Some(factor) => {
                let change: Vec<f64> = law.density().iter().zip(x).map(|(f, x)| f * x).collect();
                deployment.curvature(factor, &change)
            }
            None => difference(deployment, state, x),
        };
        let mut out: Vec<f64> = x.iter().zip(&k).map(|(x, k)| x - k / beta).collect();
        centre(law, &mut out);
        out
    };
    let mut x = vec![0.0; right.len()];
    let mut r = right.to_vec();
    let mut p = r.clone();
    let mut rr = inner(law, &r, &r);
    let goal = rr * tolerance * tolerance;
    for iteration in 0..MAX_CONJUGATE {
        if rr <= goal || rr == 0.0 {
            break;
        }
        let ap = apply(&p);
        let curvature = inner(law, &p, &ap);
        if curvature <= 1e-12 * inner(law, &p, &p) {
            // Negative curvature: the best so far, or the alternation's own step.
            if iteration == 0 {
                x = p;
            }
            break;
        }
        let a = rr / curvature;
        for i in 0..x.len() {
            x[i] += a * p[i];
            r[i] -= a * ap[i];
        }
        let next = inner(law, &r, &r);
        let b = next / rr;
        rr = next;
        for i in 0..p.len() {
            p[i] = r[i] + b * p[i];
        }
    }
    x
}

/// DΦ\[f x\] as a difference quotient of the gradient, for procedures with thresholds.
fn difference(deployment: &Deployment, state: &State, x: &[f64]) -> Vec<f64> {
    let size = x
        .iter()
        .zip(state.law.density())
        .map(|(x, f)| (x * f.min(1.0)).abs())
        .fold(1e-12, f64::max);
    let h = 1e-5 / size;
    let up = deployment.gradient(&moved(&state.law, x, h));
    let down = deployment.gradient(&moved(&state.law, x, -h));
    up.iter()
        .zip(&down)
        .map(|(u, d)| (u - d) / (2.0 * h))
        .collect()
}

/// ⟨a, b⟩ = ∫ f a b du.
pub(super) fn inner(law: &Law, a: &[f64], b: &[f64]) -> f64 {
    let places = law
        .grid()
        .weights()
        .iter()
        .zip(law.density())
        .zip(a.iter().zip(b));
    places.map(|((w, f), (a, b))| w * f * a * b).sum()
}

/// Subtracts the mean under the law.
fn centre(law: &Law, y: &mut [f64]) {
    let mean = law.mean(y);
    for y in y {
        *y -= mean;
    }
}
