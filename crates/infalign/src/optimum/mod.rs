//! The coupled optimum: max over policies of W^T(π) − β KL(π‖p), exactly, in quantile space.
//!
//! The optimum satisfies `f ∝ e^{Φ_f/β}` with `Φ_f = δW/δf` at the optimum itself (\[IA\], arXiv 2412.19792, main theorem): policy and reward
//! depend on each other. \[IA\] calls the iteration between the two infeasible for language models; in quantile space, where
//! everything depends on u alone, it is a concave programme in one function for best-of-N and solved here to rounding.
//!
//! At a KL budget the multiplier β is found by Newton in (log β, log KL), with dKL/dlog β from one more linear solve. Best-of-N is concave in
//! the density and worst-of-N in the quantile function (`certificate.rs`): both have one stationary policy and a computable gap to it. The climb
//! for worst-of-N still starts from three policies, and for procedures of unknown shape from six; the result says how many agree.

mod certificate;
mod newton;
mod starts;

use std::sync::Arc;

use newton::State;

use crate::{
    Error, Result, Warning, deployment::Deployment, design::Certificate, law::Law, numeric::root,
    procedure::Shape, tilted::check_kl, transform::Optimal,
};

/// A win rate this close to 1 cannot be told from 1 when it is compared with ½.
const SATURATION: f64 = 1e-12;

/// The best policy for a procedure at one price of KL, with its evidence.
#[derive(Debug, Clone)]
pub struct Optimum {
    /// The price of KL.
    pub beta: f64,
    /// KL(π‖p) in nats.
    pub kl: f64,
    /// Inference-time win rate W^T.
    pub win_rate: f64,
    /// Win rate of one plain sample.
    pub standard_win_rate: f64,
    /// Why it is believed.
    pub certificate: Certificate,
    /// The law of u under the optimum.
    pub law: Law,
    /// The transform Φ* that ordinary KL-regularised RL reaches it with.
    pub transform: Optimal,
}

/// What is held fixed.
#[derive(Debug, Clone, Copy)]
enum Goal {
    Price,
    Budget,
}

/// Solves for optima of one procedure, each from the one before it.
#[derive(Debug, Clone)]
pub struct Solver {
    deployment: Deployment,
    last: Option<(f64, Law)>,
    /// Starting policies to try where W is not concave.
    starts: usize,
}

impl Solver {
    /// A solver for the procedure of `deployment`.
    #[must_use]
    pub const fn new(deployment: Deployment) -> Self {
        Self {
            deployment,
            last: None,
            starts: starts::ALL,
        }
    }

    /// Tries at most `starts` policies where W is not concave (at least one: the last optimum, when there is one).
    #[must_use]
    pub fn with_starts(mut self, starts: usize) -> Self {
        self.starts = starts.max(1);
        self
    }

    /// The optimum at price β.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] unless 1e-12 ≤ β ≤ 1e6.
    pub fn at_beta(&mut self, beta: f64) -> Result<Optimum> {
        let ok = (1e-12..=1e6).contains(&beta);
        Error::range("beta", beta, ok, "a number between 1e-12 and 1e6")?;
        self.best(Goal::Price, |solver, law| {
            let state = newton::climb(
                &solver.deployment,
                State::new(&solver.deployment, law),
                beta,
            );
            (beta, state)
        })
    }

    /// The optimum that spends `kl` nats.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for a KL that is not positive and finite.
    pub fn at_kl(&mut self, kl: f64) -> Result<Optimum> {
        check_kl(kl)?;
        self.best(Goal::Budget, |solver, law| solver.budget(kl, law))
    }

    /// The caveats that an optimum of this procedure carries.
    #[must_use]
    pub fn warnings(&self, optimum: &Optimum) -> Vec<Warning> {
        let procedure = self.deployment.procedure().to_string();
        let mut warnings = Vec::new();
        let Certificate {
            gap,
            starts,
            agreeing,
            ..
        } = optimum.certificate;
        if gap.is_none() {
            warnings.push(Warning::NoCertificate {
                procedure: procedure.clone(),
                starts,
                agreeing,
            });
        }
        if 1.0 - optimum.win_rate < SATURATION {
            warnings.push(Warning::Saturated {
                procedure,
                kl: optimum.kl,
            });
        }
        warnings
    }

    /// The procedure on the grid in use.
    #[must_use]
    pub const fn deployment(&self) -> &Deployment {
        &self.deployment
    }

    /// The best result over the starts, on a grid that resolves it.
    fn best(&mut self, goal: Goal, solve: impl Fn(&Self, Law) -> (f64, State)) -> Result<Optimum> {
        let mut first: Vec<Law> = self.last.iter().map(|(_, law)| law.clone()).collect();
        let wanted = match self.deployment.shape() {
            Shape::Concave => 1,
            Shape::Convex => self.starts.min(3),
            Shape::Unknown => self.starts,
        };
        first.extend(starts::laws(&self.deployment).take(wanted.saturating_sub(first.len())));
        let solved: Vec<(f64, State)> = first.into_iter().map(|law| solve(self, law)).collect();
        let count = solved.len();
        // At a price J orders the starts; at a budget all spend the same KL (less where W saturates), and W does.
        let value = |(beta, state): &(f64, State)| match goal {
            Goal::Price => state.objective(*beta),
            Goal::Budget => state.win_rate,
        };
        let top = solved.iter().map(value).fold(f64::NEG_INFINITY, f64::max);
        let agreeing = solved.iter().filter(|s| value(s) > top - 1e-9).count();
        let best = solved
            .into_iter()
            .max_by(|a, b| value(a).total_cmp(&value(b)));
        let Some((mut beta, mut state)) = best else {
            return Err(Error::Empty {
                name: "starting policies",
            });
        };
        while let Some(finer) = self
            .deployment
            .refined_for(&state.law)
            .filter(|d| d.grid().len() < 100_000)
        {
            let law = starts::on_grid(&state.law, finer.grid());
            self.deployment = finer;
            self.last = Some((beta, law.clone()));
            (beta, state) = solve(self, law);
        }
        self.last = Some((beta, state.law.clone()));
        Ok(Optimum {
            beta,
            kl: state.kl,
            win_rate: state.win_rate,
            standard_win_rate: state.law.standard_win_rate(),
            certificate: certificate::of(&self.deployment, &state, beta, count, agreeing),
            transform: Optimal::new(
                Arc::clone(self.deployment.grid()),
                &state.phi,
                self.deployment.procedure().anchors(),
            ),
            law: state.law,
        })
    }

    /// β and optimum at a KL budget, from a policy: the budget is raised in stages from one that the policy can be brought near to
    /// by alternation. Ends early where the win rate saturates.
    fn budget(&self, kl: f64, law: Law) -> (f64, State) {
        let warm = self
            .last
            .as_ref()
            .filter(|(_, last)| std::ptr::eq(last.grid().as_ref(), law.grid().as_ref()));
        let near = |at: f64| (at / kl).ln().abs() < STAGE.ln();
        let (mut stage, beta, start) = match warm {
            Some((beta, last)) if near(last.kl()) => (kl, *beta, law),
            _ => {
                let mut stage = kl.min(0.5);
                let mut law = law;
                loop {
                    let (beta, near) = starts::approach(&self.deployment, &law, stage);
                    if self.deployment.loss_rate(&near) > SATURATION || stage < 1e-9 {
                        break (stage, beta, near);
                    }
                    (law, stage) = (near, 0.5 * stage);
                }
            }
        };
        let mut path = Path::new(&self.deployment, beta, start);
        loop {
            path.spend(stage, if stage < kl { 1e-2 } else { 1e-11 });
            if stage >= kl || self.deployment.loss_rate(&path.state.law) < SATURATION {
                return (path.beta, path.state);
            }
            stage = kl.min(STAGE * stage);
        }
    }
}

/// Factor between the KL budgets of a path's stages.
const STAGE: f64 = 2.0;

/// The curve of optima over β, followed along its tangent.
struct Path<'a> {
    deployment: &'a Deployment,
    beta: f64,
    state: State,
    /// dy/d log β and d log KL/d log β, once the state is an optimum.
    tangent: Option<(Vec<f64>, f64)>,
}

impl<'a> Path<'a> {
    fn new(deployment: &'a Deployment, beta: f64, law: Law) -> Self {
        Self {
            deployment,
            beta,
            state: State::new(deployment, law),
            tangent: None,
        }
    }

    /// Moves to the optimum at β = eᵗ.
    fn climb_to(&mut self, t: f64) {
        if let Some((dy, _)) = &self.tangent {
            let law = newton::moved(&self.state.law, dy, t - self.beta.ln());
            self.state = State::new(self.deployment, law);
        }
        self.beta = t.exp();
        self.state = newton::climb(self.deployment, self.state.clone(), self.beta);
        let (dy, slope) = self.state.sensitivity(self.deployment, self.beta);
        self.tangent = Some((dy, slope / self.state.kl));
    }

    /// Moves to the optimum that spends `kl` nats, to a relative `tolerance`.
    fn spend(&mut self, kl: f64, tolerance: f64) {
        let here = self.beta.ln();
        let slope = self.tangent.as_ref().map_or(-1.0, |(_, slope)| *slope);
        let miss = (kl / self.state.kl).ln();
        let guess = if slope < 0.0 {
            here + (miss / slope).clamp(-6.0, 6.0)
        } else {
            here
        };
        let root = root::decreasing(
            |t| {
                self.climb_to(t);
                let slope = self.tangent.as_ref().map_or(-1.0, |(_, slope)| *slope);
                ((self.state.kl / kl).ln(), slope)
            },
            (guess - 12.0, guess + 12.0),
            guess,
            tolerance,
        );
        if root.x.exp() != self.beta {
            self.climb_to(root.x);
        }
    }
}

#[cfg(test)]
mod tests;
