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
//! Every draw is a function of the settings and the step, and a checkpoint holds all the rest: a run that was killed ends with the bytes of one
//! that was left in peace, on the same machine and number of threads.

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

use std::path::Path;

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
    Checkpoints, Metrics, Policy, Sink, Telemetry,
    error::Result,
    supervised::{Habits, Surroundings},
    telemetry::{JsonLines, TensorBoard},
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

/// How a run ended.
#[derive(Debug)]
pub enum Outcome {
    /// All steps are taken.
    Done(Box<Session>),
    /// It was asked to stop, and saved.
    Interrupted {
        /// Steps taken.
        step: u64,
    },
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
) -> Result<Outcome> {
    let Surroundings {
        directory,
        watch,
        interrupt,
        clock,
    } = around;
    let rates = settings.resolve()?;
    let checkpoints = Checkpoints::open(directory.join("checkpoints"), habits.keep)?;
    let (mut session, resumed) = match checkpoints.latest()? {
        Some(checkpoint) => {
            let session = Session::resume(task, settings, &checkpoint)?;
            (session, Some(checkpoint.step))
        }
        None => (Session::begin(task, settings)?, None),
    };
    let (mut record, mut told) = sinks(directory, resumed, clock, watch, session.step())?;
    let mut saved = clock();
    while session.step() < settings.steps {
        let begun = clock();
        let (mut metrics, tokens) = session.advance(task, settings, &rates, habits)?;
        let step = session.step();
        let last = step == settings.steps;
        if last || step.is_multiple_of(settings.held_out.every) {
            metrics = session.observe_held_out(task, settings, metrics)?;
        }
        let now = clock();
        metrics.wall = now;
        let metrics = metrics.timing("tokens_per_second", tokens as f64 / (now - begun).max(1e-9));
        append(&mut record, &mut told, &metrics)?;
        let stop = interrupt.requested();
        let due = step.is_multiple_of(habits.save_every) || now - saved >= habits.save_seconds;
        if last || stop || due {
            record.finish()?;
            session.save(&checkpoints, settings)?;
            saved = clock();
        }
        if stop && !last {
            told.finish()?;
            return Ok(Outcome::Interrupted { step });
        }
    }
    record.finish()?;
    told.finish()?;
    Ok(Outcome::Done(Box::new(session)))
}

fn sinks(
    directory: &Path,
    resumed: Option<u64>,
    clock: fn() -> f64,
    watch: &mut dyn FnMut(u64) -> Telemetry,
    step: u64,
) -> Result<(JsonLines, Telemetry)> {
    let record = JsonLines::open(directory, resumed)?;
    let board = TensorBoard::open(&directory.join("tensorboard"), resumed, clock())?;
    Ok((record, watch(step).with(board)))
}

fn append(record: &mut JsonLines, told: &mut Telemetry, metrics: &Metrics) -> Result<()> {
    record.append(metrics)?;
    told.append(metrics)
}

#[cfg(test)]
mod tests;
