//! A run of a few steps with the embedded task's policy, and what is left of it.

use std::{fs, path::Path, sync::Arc};

use infalign::{
    Transform,
    calibration::{Calibrator, RankRule},
};
use infalign_lm::{
    AdamWConfig, Decoder, Device, DeviceName, Folder, Precision, open_device, sample::Sampling,
};
use tempfile::TempDir;

use crate::{
    Base, Decay, Habits, Interrupt, Metrics, Outcome, Policy, Schedule, Sink, Surroundings,
    Telemetry, Warmup,
    error::Result,
    rl::{
        BaseRollouts, Budget, Draws, HeldOut, KlEstimator, ObjectiveSpec, Price, Prompt, Rollout,
        Session, Settings, Shape, Task, draw, train,
    },
};

pub(super) fn device() -> Device {
    let cpu: DeviceName = "cpu".parse().unwrap();
    open_device(cpu, Precision::F32).unwrap()
}

/// A raw reward of a text, and Φ unless it stays raw.
pub(super) type Trained = (fn(&str) -> f32, Option<Arc<dyn Transform>>);

/// Rollouts of the base for each training prompt.
const K: usize = 6;
const TRAINING: usize = 4;
const HELD_OUT: usize = 2;

/// The policy, prompts, and the base's rollouts.
pub(super) struct Tiny {
    _folder: TempDir,
    policy: Policy,
    training: Vec<Prompt>,
    held_out: Vec<Prompt>,
    rollouts: Vec<Vec<Rollout>>,
}

/// Its reward: in eighths, with ties.
pub(super) fn reward(text: &str) -> f32 {
    let vowels = text.bytes().filter(|b| b"aeiou".contains(b)).count();
    vowels as f32 / 8.0 - 0.5
}

/// A strictly increasing function of it that keeps neither distances nor scale.
pub(super) fn bent(text: &str) -> f32 {
    let r = f64::from(reward(text));
    (r.powi(3) + 2.0 * r) as f32
}

impl Tiny {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        infalign_tavern::write_policy(folder.path()).unwrap();
        let opened = Folder::open(folder.path()).unwrap();
        let prompts: Vec<Prompt> = infalign_tavern::prompts()
            .into_iter()
            .take(TRAINING + HELD_OUT)
            .map(|p| Prompt {
                id: p.id.into(),
                tokens: opened.tokenizer().unwrap().encode(&p.text, true).unwrap(),
            })
            .collect();
        let (training, held_out) = prompts.split_at(TRAINING);
        let policy = Policy {
            base: Base::Folder(Box::new(opened)),
            lora: None,
            seed: 0,
            device: device(),
        };
        let mut tiny = Self {
            _folder: folder,
            training: training.to_vec(),
            held_out: held_out.to_vec(),
            policy,
            rollouts: Vec::new(),
        };
        tiny.rollouts = tiny.drawn();
        tiny
    }

    fn drawn(&self) -> Vec<Vec<Rollout>> {
        let folder = self.policy.folder().unwrap();
        let sampling = Sampling {
            seed: 77,
            ..settings().sampling
        };
        let draws = Draws {
            sampling: &sampling,
            eos: &folder.tokens().eos,
            tokenizer: folder.tokenizer().unwrap(),
            cache_bytes: 1 << 24,
        };
        let prompts: Vec<&Prompt> = self.training.iter().collect();
        draw(&mut self.policy.begin().unwrap(), &prompts, 0..K, draws).unwrap()
    }

    /// Trains in `directory`, with the rewards of `reward`; stops after a step if asked to.
    pub(super) fn run(
        &self,
        directory: &Path,
        settings: &Settings,
        (reward, transform): Trained,
        stop: Option<u64>,
    ) -> Result<Outcome<Session>> {
        let rewards: Vec<Vec<f32>> = self
            .rollouts
            .iter()
            .map(|group| group.iter().map(|r| reward(&r.text)).collect())
            .collect();
        let calibrators = rewards
            .iter()
            .map(|r| Calibrator::new(r, RankRule::MidRank).unwrap())
            .collect();
        let shape = match transform {
            Some(transform) => Shape::transformed(transform, calibrators),
            None => Shape::raw(calibrators),
        };
        let tokens = |group: &Vec<Rollout>| group.iter().map(|r| r.tokens.clone()).collect();
        let base_rollouts = BaseRollouts {
            tokens: self.rollouts.iter().map(tokens).collect(),
            rewards,
        };
        let mut raw =
            |asked: &[(usize, &str)]| Ok(asked.iter().map(|(_, text)| reward(text)).collect());
        let mut task = Task {
            policy: &self.policy,
            prompts: &self.training,
            held_out: &self.held_out,
            rewards: &mut raw,
            shape: &shape,
            base_rollouts: Some(&base_rollouts),
        };
        let interrupt = Interrupt::new();
        let mut watch = |_| match stop {
            Some(step) => Telemetry::new().with(StopAfter(step, interrupt.clone())),
            None => Telemetry::new(),
        };
        let habits = Habits {
            save_every: 1000,
            save_seconds: 1e9,
            keep: 2,
            recompute: false,
        };
        let around = Surroundings {
            directory,
            watch: &mut watch,
            interrupt: &interrupt,
            clock: || 0.0,
        };
        train(&mut task, settings, &habits, around)
    }

    /// Runs to the end in a folder of its own.
    pub(super) fn whole(&self, settings: &Settings, reward: Trained) -> (TempDir, Session) {
        let folder = tempfile::tempdir().unwrap();
        let session = done(self.run(folder.path(), settings, reward, None).unwrap());
        (folder, session)
    }
}

/// Six steps of two prompts with four short responses.
pub(super) fn settings() -> Settings {
    Settings {
        steps: 6,
        prompts: 2,
        samples: 4,
        accumulate: 1,
        warm_start: 0,
        objective: ObjectiveSpec::named("rloo").unwrap(),
        kl: KlEstimator::Exact,
        price: Price::Budget(Budget {
            kl: 0.2,
            beta: 0.2,
            hold: 1,
            gain: 0.1,
            brake: 0.0,
        }),
        reward: "test".to_owned(),
        sampling: Sampling {
            max_tokens: 8,
            seed: 5,
            ..Sampling::default()
        },
        held_out: HeldOut {
            every: 2,
            prompts: HELD_OUT,
            samples: 2,
        },
        seed: 9,
        schedule: Schedule {
            peak: 2e-3,
            warmup: Warmup::Steps(1),
            decay: Decay::Cosine,
            floor: 0.1,
        },
        adamw: AdamWConfig {
            weight_decay: 0.0,
            ..AdamWConfig::default()
        },
        cache_bytes: 1 << 24,
    }
}

/// Stops a run after a step.
struct StopAfter(u64, Interrupt);

impl Sink for StopAfter {
    fn append(&mut self, metrics: &Metrics) -> Result<()> {
        if metrics.step == self.0 {
            let _ = self.1.request();
        }
        Ok(())
    }
}

pub(super) fn done(outcome: Outcome<Session>) -> Session {
    match outcome {
        Outcome::Done(session) => *session,
        Outcome::Interrupted { step } => unreachable!("stopped at {step}"),
    }
}

/// All weights of a model.
pub(super) fn weights(model: &Decoder) -> Vec<f32> {
    let names = model.leaf_names();
    names
        .iter()
        .flat_map(|name| model.values(name).unwrap())
        .collect()
}

/// Those of the policy, to the bit.
pub(super) fn bits(session: &Session) -> Vec<u32> {
    weights(session.policy())
        .into_iter()
        .map(f32::to_bits)
        .collect()
}

pub(super) fn metrics(folder: &TempDir) -> String {
    fs::read_to_string(folder.path().join("metrics.jsonl")).unwrap()
}
