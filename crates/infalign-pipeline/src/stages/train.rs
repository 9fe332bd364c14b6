//! Stages `policies/…`: one KL-regularised RL run for each variant, put exactly on its budget at the end.

use std::{fs, path::PathBuf, sync::Arc};

use infalign::calibration::Calibrator;
use infalign_data::{Fingerprint, RunDir};
use infalign_lm::AdamWConfig;
use infalign_train::{
    Decay, Habits, Interrupt, Outcome, Policy, Schedule, Surroundings, Telemetry, Warmup,
    rl::{
        self, BaseRollouts, Budget, HeldOut, KlEstimator, Landing, ObjectiveSpec, Price,
        RawRewards, Settings, Shape, Task,
    },
    write_model,
};
use serde::{Deserialize, Serialize};

use super::{
    base::Here, read_json, remove_checkpoints, rollouts::sampling, source::CACHE, write_json_at,
};
use crate::{
    ask::Questions,
    config::Config,
    error::{Error, Result},
    judges::Judge,
    run::Around,
    seeds::seed,
    variants::Variant,
};

const MODEL: &str = "model.safetensors";
const SUMMARY: &str = "training.json";
const METRICS: &str = "metrics.jsonl";

/// What training came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Trained {
    /// β at the end.
    pub(crate) beta: f64,
    /// What landing did, where there is a budget.
    pub(crate) landing: Option<Landing>,
}

/// What all variants share.
pub(crate) struct Common<'a> {
    pub(crate) config: &'a Config,
    pub(crate) base: &'a Here,
    /// What decides the base.
    pub(crate) inputs: &'a Fingerprint,
    pub(crate) questions: &'a Questions,
    pub(crate) calibrators: &'a [Calibrator],
    pub(crate) base_rollouts: &'a BaseRollouts,
}

/// Where a variant lies in the run.
pub(crate) fn folder(variant: &Variant) -> String {
    format!("policies/{}", variant.slug)
}

/// A variant's stage: what goes in, what comes out, where it lies.
pub(crate) struct Plan<'a> {
    variant: &'a Variant,
    settings: Settings,
    pub(crate) inputs: Fingerprint,
    outputs: [String; 4],
    /// Its folder's name in the run, which is the stage's, and its path.
    pub(crate) place: String,
    directory: PathBuf,
}

impl<'a> Plan<'a> {
    /// Of a variant that `judge` gives rewards to.
    pub(crate) fn new(
        dir: &RunDir,
        around: &Around<'_>,
        common: &Common<'_>,
        judge: &Judge,
        variant: &'a Variant,
    ) -> Result<Self> {
        let settings = settings(common.config, variant)?;
        let place = folder(variant);
        let inputs = judge.fingerprint(
            common
                .inputs
                .clone()
                .stage(dir, "calibration")?
                .stage(dir, "design")?
                .value("settings", &settings)?
                .value("land", &common.config.train.land)?
                .value("variant", &(&variant.reward, variant.kl, variant.beta))?,
        );
        Ok(Self {
            variant,
            settings,
            inputs: around.fingerprint(inputs)?,
            outputs: [MODEL, "config.json", METRICS, SUMMARY].map(|n| format!("{place}/{n}")),
            directory: dir.file(&place),
            place,
        })
    }

    /// The files that it writes, by their names in the run.
    pub(crate) fn outputs(&self) -> [&str; 4] {
        self.outputs.each_ref().map(String::as_str)
    }

    /// What is told of it.
    pub(crate) fn what(&self) -> String {
        format!("training {}", self.variant.name)
    }

    /// What training came to, once it is done; nothing is left to resume from.
    pub(crate) fn done(&self) -> Result<Trained> {
        remove_checkpoints(&self.directory)?;
        read_json(&self.directory.join(SUMMARY))
    }
}

/// Trains a variant: all outputs are written when it returns. `rewards` are of questions, by their numbers, and responses.
pub(crate) fn train(
    around: &Around<'_>,
    common: &Common<'_>,
    interrupt: &Interrupt,
    rewards: &mut dyn RawRewards,
    plan: &Plan<'_>,
) -> Result<()> {
    let Common {
        config,
        base: here,
        questions,
        calibrators,
        base_rollouts,
        inputs: _,
    } = common;
    let Plan {
        variant,
        settings,
        directory,
        ..
    } = plan;
    fs::create_dir_all(directory).map_err(|source| infalign_data::Error::Write {
        path: directory.clone(),
        source,
    })?;
    let calibrators = calibrators.to_vec();
    let shape = match &variant.transform {
        Some(transform) => Shape::transformed(Arc::clone(transform), calibrators),
        None => Shape::raw(calibrators),
    };
    let (training, held_out) = (questions.of_training(), questions.of_held_out());
    let policy = Policy {
        seed: variant.seed,
        ..here.policy.clone()
    };
    let mut task = Task {
        policy: &policy,
        prompts: &training,
        held_out: &held_out,
        rewards,
        shape: &shape,
        base_rollouts: Some(base_rollouts),
    };
    let habits = Habits {
        save_every: config.train.save_every.max(1),
        save_seconds: 60.0,
        keep: 2,
        recompute: config.train.recompute,
    };
    let outcome = {
        let watched = around.watch(&variant.name, settings.steps);
        let mut watch = move |step: u64| watched(step);
        rl::train(
            &mut task,
            settings,
            &habits,
            Surroundings {
                directory,
                watch: &mut watch,
                interrupt,
                clock: around.clock,
            },
        )?
    };
    let session = match outcome {
        Outcome::Done(session) => session,
        Outcome::Interrupted { step } => {
            return Err(Error::Interrupted {
                at: vec![(variant.name.clone(), step)],
            });
        }
    };
    let (model, landing) = match settings.price.budget() {
        Some(budget) if config.train.land => {
            let (model, landing) = session.land(&task, settings, budget)?;
            (model, Some(landing))
        }
        _ => (session.policy().clone(), None),
    };
    let (tokenizer, tokens) = (here.folder.tokenizer()?, here.folder.tokens());
    write_model(&model, &here.policy, tokenizer, tokens, directory)?;
    let trained = Trained {
        beta: session.beta(),
        landing,
    };
    write_json_at(&directory.join(SUMMARY), &trained)
}

/// A variant's settings.
pub(crate) fn settings(config: &Config, variant: &Variant) -> Result<Settings> {
    let t = &config.train;
    let mut objective = ObjectiveSpec::named(&t.objective)?;
    if t.epochs > 0 {
        objective = objective.with_epochs(t.epochs);
    }
    let price = match t.beta {
        Some(beta) => Price::Beta(beta),
        None => Price::Budget(Budget {
            kl: variant.kl,
            beta: variant.beta,
            hold: t.steps / 4,
            gain: t.gain,
            brake: t.brake,
        }),
    };
    // The same draws for every variant of a seed: differences between policies are then of the reward.
    let part = format!("train/{}", variant.seed);
    Ok(Settings {
        steps: t.steps,
        prompts: t.prompts,
        samples: t.samples,
        accumulate: t.accumulate,
        objective,
        warm_start: t.warm_start,
        kl: match t.kl.as_str() {
            "k1" => KlEstimator::K1,
            "k3" => KlEstimator::K3,
            _ => KlEstimator::Exact,
        },
        price,
        reward: variant.reward.clone(),
        sampling: sampling(config, &part),
        held_out: HeldOut {
            every: t.held_out_every.max(1),
            prompts: 32,
            samples: 8,
        },
        seed: seed(config.seed, &part),
        schedule: Schedule {
            peak: t.learning_rate,
            warmup: Warmup::Fraction(t.warmup),
            decay: Decay::Cosine,
            floor: t.floor,
        },
        adamw: AdamWConfig {
            weight_decay: 0.0,
            clip: (t.clip > 0.0).then_some(t.clip),
            ..AdamWConfig::default()
        },
        cache_bytes: CACHE,
    })
}

/// The watching side of a run.
pub(crate) type Watched = Box<dyn Fn(u64) -> Telemetry>;
