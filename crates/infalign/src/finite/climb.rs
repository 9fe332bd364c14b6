//! The ascent to a coupled optimum on a finite set: damped Newton steps in log density, from gradients of W alone.
//!
//! At a price β the optimum of J = W − β KL has l = R/β − log Z, l = log(q/p) (\[IA\], arXiv 2412.19792, main theorem). With the
//! residual r and a step l ↦ l + x, all centred under q so that masses keep their sum, the linearised condition is (derived)
//!
//! ```text
//! A x = r,   r = R/β − l,   A x = x − DR[q x]/β,   ⟨a,b⟩ = Σ q a b.
//! ```
//!
//! A is symmetric in ⟨·,·⟩ and positive where J is concave: conjugate gradients need no matrix, only the derivative of R
//! along a direction, which is a difference quotient of two gradients. The first direction, r, is the damped fixed-point
//! iteration; dJ/ds = β⟨r,x⟩ > 0 along every direction used, and steps are halved until J rises.
//!
//! At a KL budget k the same steps are taken on the sphere KL = k (derived): β = ⟨R,l⟩/⟨l,l⟩ is the multiplier that leaves the
//! smallest residual, directions are kept orthogonal to l (dKL = ⟨l,x⟩), and after each step l is rescaled to spend k again.
//!
//! ⟨·,·⟩ does not see a response whose mass has underflowed. Where steps along x gain nothing, the mixture (1−s) q + s q̂ with
//! the best response q̂ ∝ p e^{R/β} is tried, along which dJ/ds = β KL(q‖q̂) + β KL(q̂‖q) at s = 0 (derived).
//!
//! | case | answer |
//! |---|---|
//! | negative curvature (W not concave) | the direction found so far, at first r: still an ascent |
//! | gradients by simulation | r only: quotients of simulated gradients say nothing |
//! | a residual or slope that is NaN | the ascent ends where it is |
//! | J no longer changes by rounding | a full step that lowers ‖r‖ is taken, else the ascent ends |

use super::{
    policy::{FinitePolicy, kl_term, tilt_to_kl},
    set::FiniteProblem,
};

/// What is given: the price of KL or the KL.
#[derive(Debug, Clone, Copy)]
pub(super) enum Goal {
    /// Maximise W − β KL.
    Price(f64),
    /// Maximise W where KL = k.
    Budget(f64),
}

/// Steps before the ascent is given up; a concave problem needs ten to thirty.
const STEPS: usize = 200;
/// Directions of conjugate gradients per step.
const DIRECTIONS: usize = 80;
/// Curvature along a direction, relative to its length, that counts as none or negative.
const FLAT: f64 = 1e-9;
/// Relative step of the difference quotient of R.
const QUOTIENT: f64 = 1e-6;
/// ‖r‖² that counts as stationary: deviations of log q of 10⁻¹².
const STATIONARY: f64 = 1e-24;
/// Times that a step is halved before its path is given up.
const HALVINGS: usize = 40;
/// A change of J that rounding may hide.
const ROUNDING: f64 = 1e-13;

/// A policy on the way up, with W and R there.
#[derive(Debug, Clone)]
pub(super) struct State {
    pub(super) policy: FinitePolicy,
    pub(super) win_rate: f64,
    pub(super) reward: Vec<f64>,
}

impl State {
    pub(super) fn new(problem: &FiniteProblem, policy: FinitePolicy) -> Self {
        Self {
            win_rate: problem.win_rate(&policy),
            reward: problem.gradient(&policy),
            policy,
        }
    }

    pub(super) fn objective(&self, goal: Goal) -> f64 {
        objective(goal, self.win_rate, &self.policy)
    }

    /// The price of KL: as given, or the multiplier of the budget.
    pub(super) fn price(&self, goal: Goal) -> f64 {
        match goal {
            Goal::Price(beta) => beta,
            Goal::Budget(kl) => {
                let metric = Metric::at(&self.policy, None);
                let (r, l) = (
                    metric.centred(&self.reward),
                    metric.centred(self.policy.log_ratio()),
                );
                let beta = metric.inner(&r, &l) / metric.inner(&l, &l);
                let fallback = (metric.inner(&r, &r) / (2.0 * kl)).sqrt();
                if beta > 0.0 {
                    beta
                } else {
                    fallback.max(f64::MIN_POSITIVE)
                }
            }
        }
    }

    /// β KL(q‖q̂) and q̂ ∝ p e^{R/β}: for concave W a bound of what is left to gain.
    pub(super) fn gap(&self, problem: &FiniteProblem, beta: f64) -> (f64, FinitePolicy) {
        let tilt: Vec<f64> = self.reward.iter().map(|r| r / beta).collect();
        let response = FinitePolicy::from_tilt(problem.base(), &tilt);
        let masses = self.policy.masses().iter().zip(response.masses());
        let logs = self.policy.log_ratio().iter().zip(response.log_ratio());
        let terms = masses
            .zip(logs)
            .map(|((q, h), (l, m))| kl_term(*h, *q, l - m));
        (beta * terms.sum::<f64>(), response)
    }

    /// r = R/β − l, centred (and at a budget along the sphere), with the metric it lives in.
    fn residual(&self, goal: Goal, beta: f64) -> (Metric<'_>, Vec<f64>) {
        let sphere = matches!(goal, Goal::Budget(_)).then(|| self.policy.log_ratio());
        let metric = Metric::at(&self.policy, sphere);
        let places = self.reward.iter().zip(self.policy.log_ratio());
        let raw: Vec<f64> = places.map(|(r, l)| r / beta - l).collect();
        let residual = metric.tangent(&raw);
        (metric, residual)
    }
}

fn objective(goal: Goal, win_rate: f64, policy: &FinitePolicy) -> f64 {
    match goal {
        Goal::Price(beta) => win_rate - beta * policy.kl(),
        Goal::Budget(_) => win_rate,
    }
}

/// ⟨a,b⟩ = Σ q a b, and the directions that a step may take.
struct Metric<'a> {
    q: &'a [f64],
    /// l, centred, scaled to length one: the normal of the sphere.
    normal: Option<Vec<f64>>,
}

impl<'a> Metric<'a> {
    fn at(policy: &'a FinitePolicy, sphere: Option<&[f64]>) -> Self {
        let mut metric = Self {
            q: policy.masses(),
            normal: None,
        };
        metric.normal = sphere.map(|l| {
            let mut l = metric.centred(l);
            let length = metric.inner(&l, &l).sqrt().max(f64::MIN_POSITIVE);
            l.iter_mut().for_each(|l| *l /= length);
            l
        });
        metric
    }

    fn inner(&self, a: &[f64], b: &[f64]) -> f64 {
        self.q
            .iter()
            .zip(a)
            .zip(b)
            .map(|((q, a), b)| q * a * b)
            .sum()
    }

    fn centred(&self, a: &[f64]) -> Vec<f64> {
        let mean: f64 = self.q.iter().zip(a).map(|(q, a)| q * a).sum();
        a.iter().map(|a| a - mean).collect()
    }

    fn tangent(&self, a: &[f64]) -> Vec<f64> {
        let mut a = self.centred(a);
        if let Some(normal) = &self.normal {
            let along = self.inner(&a, normal);
            a.iter_mut().zip(normal).for_each(|(a, n)| *a -= along * n);
        }
        a
    }
}

/// Ascends from a policy until it is stationary or rounding hides progress.
pub(super) fn climb(problem: &FiniteProblem, start: FinitePolicy, goal: Goal) -> State {
    let mut state = State::new(problem, start);
    for _ in 0..STEPS {
        let ascent = newton_or_residual(problem, &state, goal);
        match ascent.or_else(|| towards_response(problem, &state, goal)) {
            Some(next) => state = next,
            None => break,
        }
    }
    state
}

/// A step along Newton's direction, or along r where that one gains nothing.
fn newton_or_residual(problem: &FiniteProblem, state: &State, goal: Goal) -> Option<State> {
    let beta = state.price(goal);
    let (metric, r) = state.residual(goal, beta);
    let length = metric.inner(&r, &r);
    if length.is_nan() || length <= STATIONARY {
        return None;
    }
    let along = |x: &[f64]| {
        let slope = beta * metric.inner(&r, x);
        let path = |s: f64| {
            let moved = state.policy.log_ratio().iter().zip(x);
            moved.map(|(l, x)| l + s * x).collect()
        };
        step(problem, state, goal, path, slope, length)
    };
    let exact = problem.procedure().is_exact();
    let newton = exact.then(|| direction(problem, &metric, beta, &r, length));
    newton.and_then(|x| along(&x)).or_else(|| along(&r))
}

/// A step (1−s) q + s q̂ towards q̂ ∝ p e^{R/β}, which brings back responses that q has lost.
fn towards_response(problem: &FiniteProblem, state: &State, goal: Goal) -> Option<State> {
    let beta = state.price(goal);
    let (gap, response) = state.gap(problem, beta);
    if gap.is_nan() || gap <= ROUNDING {
        return None;
    }
    let path = |s: f64| {
        let logs = state.policy.log_ratio().iter().zip(response.log_ratio());
        logs.map(|(l, m)| {
            let top = l.max(*m);
            top + ((1.0 - s) * (l - top).exp() + s * (m - top).exp()).ln()
        })
        .collect()
    };
    // dJ/ds ≥ β KL(q‖q̂), the gap.
    step(problem, state, goal, path, gap, 0.0)
}

/// A x ≈ r by conjugate gradients, cut at negative curvature.
fn direction(
    problem: &FiniteProblem,
    metric: &Metric<'_>,
    beta: f64,
    r: &[f64],
    length: f64,
) -> Vec<f64> {
    // The looser of the two limits keeps Newton's quadratic rate without solving far from the optimum.
    let wanted = length * length.clamp(1e-14, 1e-2);
    let mut x = vec![0.0; r.len()];
    let (mut rest, mut d) = (r.to_vec(), r.to_vec());
    let mut left = length;
    for k in 0..DIRECTIONS.min(r.len()) {
        let bend = curvature(problem, metric, &d);
        let raw: Vec<f64> = d.iter().zip(&bend).map(|(d, b)| d - b / beta).collect();
        let a = metric.tangent(&raw);
        let along = metric.inner(&d, &a);
        if along.is_nan() || along <= FLAT * metric.inner(&d, &d) {
            if k == 0 {
                x.copy_from_slice(r);
            }
            break;
        }
        let share = left / along;
        for i in 0..x.len() {
            x[i] += share * d[i];
            rest[i] -= share * a[i];
        }
        let now = metric.inner(&rest, &rest);
        if now <= wanted {
            break;
        }
        for (d, rest) in d.iter_mut().zip(&rest) {
            *d = rest + now / left * *d;
        }
        left = now;
    }
    x
}

/// D R\[q x\]: the derivative of R as the masses move by q x.
fn curvature(problem: &FiniteProblem, metric: &Metric<'_>, x: &[f64]) -> Vec<f64> {
    let size = x.iter().fold(0.0f64, |m, x| m.max(x.abs()));
    let h = QUOTIENT / size.max(f64::MIN_POSITIVE);
    let at = |h: f64| {
        let moved: Vec<f64> = metric
            .q
            .iter()
            .zip(x)
            .map(|(q, x)| q * (1.0 + h * x))
            .collect();
        problem.gradient_at(&moved)
    };
    let (up, down) = (at(h), at(-h));
    up.iter()
        .zip(&down)
        .map(|(u, d)| (u - d) / (2.0 * h))
        .collect()
}

/// The longest of the steps 1, ½, ¼ … on a path that gains at least a share of what its slope promises.
fn step(
    problem: &FiniteProblem,
    state: &State,
    goal: Goal,
    path: impl Fn(f64) -> Vec<f64>,
    slope: f64,
    length: f64,
) -> Option<State> {
    if slope.is_nan() || slope <= 0.0 {
        return None;
    }
    let before = state.objective(goal);
    let mut s = 1.0;
    for _ in 0..HALVINGS {
        let policy = match goal {
            Goal::Price(_) => Some(FinitePolicy::from_tilt(problem.base(), &path(s))),
            Goal::Budget(kl) => tilt_to_kl(problem.base(), &path(s), kl, "a step")
                .ok()
                .map(|(_, policy)| policy),
        };
        if let Some(policy) = policy {
            let gain = objective(goal, problem.win_rate(&policy), &policy) - before;
            if gain > ROUNDING && gain >= 1e-4 * s * slope {
                return Some(State::new(problem, policy));
            }
            if s == 1.0 && slope < 1e3 * ROUNDING && gain > -ROUNDING {
                let next = State::new(problem, policy);
                let (metric, r) = next.residual(goal, next.price(goal));
                let shorter = metric.inner(&r, &r) < 0.5 * length;
                return shorter.then_some(next);
            }
        }
        s *= 0.5;
    }
    None
}
