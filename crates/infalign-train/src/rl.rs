//! CTRL's third step (arXiv 2412.19792, algorithm 1): KL-regularised RL on a raw, calibrated or transformed reward, in one loop of many objectives.
//!
//! ```text
//! maximise  E_x E_{y~π} [ R(x, y) ] − β KL(π ‖ p),        R = r, Ĉ or Φ(Ĉ)
//! ```
//!
//! **Everything is in nats**: what is minimised is KL − R/β, so that every reward at the same KL budget gives gradients of the same size (the
//! optimum's log density against the base is R/β − log Z), and one learning rate and one clipping norm serve them all.
//!
//! A step draws `samples` responses to each of `prompts` prompts (`rollout`), gives them rewards (`shape`), lets the objective make of
//! them what every token's loss is ([`objective`], one file each), and follows the gradient. The price β is fixed, or moved by a controller
//! until the held-out KL is the budget (`price`); at the end the policy can be put exactly there (`land`).
//!
//! Every draw is a function of the settings and the step, and a checkpoint holds all the rest.

mod critic;
mod kl;
mod land;
mod measure;
pub mod objective;
mod price;
mod rollout;
mod session;
mod settings;
mod shape;
mod weights;

pub use kl::KlEstimator;
pub use land::Landing;
pub use measure::{HeldOutKl, held_out_kl};
pub use objective::ObjectiveSpec;
pub use price::{Budget, Controller, Price};
pub use rollout::{Draws, Prompt, Rollout, draw};
pub use session::Session;
pub use settings::{HeldOut, Settings};
pub use shape::Shape;
pub use weights::{BaseRollouts, density};

use crate::{
    Checkpoints, Habits, Metrics, Outcome, Policy, Rates, Surroundings,
    driver::{Course, Training, drive},
    error::Result,
};

/// Raw rewards of responses: of each, the number of its prompt among the training prompts and its text.
pub trait RawRewards {
    /// One finite reward for each.
    ///
    /// # Errors
    /// Whatever the reward says; the step is then not taken.
    fn raw(&mut self, asked: &[(usize, &str)]) -> Result<Vec<f32>>;
}

impl<F: FnMut(&[(usize, &str)]) -> Result<Vec<f32>>> RawRewards for F {
    fn raw(&mut self, asked: &[(usize, &str)]) -> Result<Vec<f32>> {
        self(asked)
    }
}

/// What a run learns from.
pub struct Task<'a> {
    /// The policy before its first step; also the base p.
    pub policy: &'a Policy,
    /// Prompts to train on.
    pub prompts: &'a [Prompt],
    /// Prompts on which the KL is measured.
    pub held_out: &'a [Prompt],
    /// The rewards of new responses.
    pub rewards: &'a mut dyn RawRewards,
    /// What they become.
    pub shape: &'a Shape,
    /// The base's rollouts of the training prompts; only `projection` needs them.
    pub base_rollouts: Option<&'a BaseRollouts>,
}

/// Trains from the newest checkpoint of the directory where there is one.
///
/// # Errors
/// Settings out of range, a checkpoint of another configuration, a reward's complaint, numbers that left the range, or the disk's refusal; the
/// newest checkpoint then stands.
pub fn train(
    task: &mut Task<'_>,
    settings: &Settings,
    habits: &Habits,
    around: Surroundings<'_>,
) -> Result<Outcome<Session>> {
    let rates = settings.resolve()?;
    let course = Course {
        steps: settings.steps,
        observed_every: Some(settings.held_out.every),
    };
    let ended = drive(&course, habits, around, |checkpoint| {
        let session = match checkpoint {
            Some(checkpoint) => Session::resume(task, settings, checkpoint)?,
            None => Session::begin(task, settings)?,
        };
        Ok(Reinforced {
            session,
            task,
            settings,
            rates,
            habits,
        })
    })?;
    Ok(ended.map(|run| run.session))
}

/// A session with what it learns from.
struct Reinforced<'r, 'a> {
    session: Session,
    task: &'r mut Task<'a>,
    settings: &'r Settings,
    rates: Rates,
    habits: &'r Habits,
}

impl Training for Reinforced<'_, '_> {
    fn step(&self) -> u64 {
        self.session.step()
    }

    fn advance(&mut self) -> Result<(Metrics, usize)> {
        self.session
            .advance(self.task, self.settings, &self.rates, self.habits)
    }

    fn observe(&mut self, metrics: Metrics) -> Result<Metrics> {
        self.session
            .observe_held_out(self.task, self.settings, metrics)
    }

    fn save(&self, checkpoints: &Checkpoints) -> Result<()> {
        self.session.save(checkpoints, self.settings)
    }
}

#[cfg(test)]
mod tests;
