//! The whole way, stage by stage; and what it would cost.

use std::path::{Path, PathBuf};

use infalign::{design::Design, evaluation::Evaluation};
use infalign_data::{Existing, Fingerprint, Identity, RunDir};
use infalign_lm::Device;
use infalign_train::{Interrupt, rl::BaseRollouts};

use crate::{
    ask::Questions,
    config::{Config, TAVERN},
    error::Result,
    judges::Judge,
    stages::{
        base, calibration, designs, evaluate, report, rollouts,
        train::{self, Common, Watched},
    },
    variants::Variant,
};

/// Whom a run tells, and what may stop it.
pub struct Around<'a> {
    /// Told in a few words what is being done.
    pub say: &'a mut dyn FnMut(&str),
    /// Makes the watcher of a policy's training, of its name and number of steps.
    pub watch: &'a mut dyn FnMut(&str, u64) -> Watched,
    /// Whether to stop.
    pub interrupt: &'a Interrupt,
    /// Seconds since 1970.
    pub clock: fn() -> f64,
    /// Where models run.
    pub device: Device,
    /// Its name, for fingerprints: numbers differ between devices.
    pub device_name: String,
}

impl Around<'_> {
    pub(crate) fn tell(&mut self, what: &str) {
        (self.say)(what);
    }

    pub(crate) fn watch(&mut self, name: &str, steps: u64) -> Watched {
        (self.watch)(name, steps)
    }

    pub(crate) fn fingerprint(&self, inputs: Fingerprint) -> Result<Fingerprint> {
        Ok(inputs.bytes("device", self.device_name.as_bytes()))
    }
}

/// What a run came to.
#[derive(Debug)]
pub struct Finished {
    /// What was measured.
    pub evaluation: Evaluation,
    /// What was predicted.
    pub designs: Vec<Design>,
    /// The policies.
    pub variants: Vec<Variant>,
    /// The page.
    pub report: PathBuf,
}

/// What a run would do.
#[derive(Debug, Clone, PartialEq)]
pub struct Estimated {
    /// Tokens sampled from the base.
    pub base_tokens: u64,
    /// Tokens sampled and learned from in training.
    pub training_tokens: u64,
    /// Tokens sampled in measuring.
    pub evaluation_tokens: u64,
    /// Policies.
    pub policies: usize,
    /// Bytes on disk, about.
    pub disk: u64,
}

/// Does everything that is not done yet in `runs/<name>`.
///
/// # Errors
/// What any stage said: what was done before it stands, and the same command goes on from there. [`crate::Error::Interrupted`] after Ctrl-C.
pub fn run(
    config: &Config,
    runs: &Path,
    name: &str,
    existing: Existing,
    around: &mut Around<'_>,
) -> Result<Finished> {
    let named = files(config);
    let inputs: Vec<&Path> = named.iter().map(PathBuf::as_path).collect();
    let identity = Identity {
        version: env!("CARGO_PKG_VERSION"),
        seed: config.seed,
        config,
        inputs: &inputs,
    };
    let mut dir = RunDir::open(runs, name, &identity, existing)?;
    stages(&mut dir, config, name, around)
}

fn stages(
    dir: &mut RunDir,
    config: &Config,
    name: &str,
    around: &mut Around<'_>,
) -> Result<Finished> {
    let device = around.device.clone();
    let base = base::open(dir, config, &device)?;
    let questions = Questions::read(config, &base.folder)?;
    let c = &config.calibration;
    let samples = c.rollouts + c.check;
    let rows = rollouts::sharded(dir, around, config, &base, ("rollouts", &questions.training, samples))?;
    let drawn = drawn(dir, &questions, config)?;
    let fitted = dir.file("reward-model");
    let mut judges = Vec::new();
    for text in std::iter::once(&config.reward.train_on).chain(&config.reward.judges) {
        judges.push(Judge::open(text, &fitted, &device)?);
    }
    around.tell("rewards");
    let rewards = calibration::rewards(dir, &mut judges[0], &questions.training, &rows, drawn)?;
    let calibrators = calibration::calibrate(dir, config, &base.name, &questions.training, &rewards)?;
    let (designs, variants) = designs::designs(dir, config, &rewards)?;
    let base_rollouts = BaseRollouts {
        tokens: rows.iter().map(|r| r.tokens[..c.rollouts].to_vec()).collect(),
        rewards: rewards.iter().map(|r| r[..c.rollouts].to_vec()).collect(),
    };
    let common = Common {
        config,
        base: &base,
        questions: &questions,
        calibrators: &calibrators,
        base_rollouts: &base_rollouts,
    };
    let mut trained = Vec::new();
    for variant in &variants {
        trained.push(train::train(dir, around, &common, &mut judges[0], variant)?);
    }
    let held_out = (config, &base, questions.held_out.as_slice());
    let of_base = evaluate::sampled(dir, around, held_out, &mut judges, None)?;
    let mut of_policies = Vec::new();
    for variant in &variants {
        of_policies.push(evaluate::sampled(dir, around, held_out, &mut judges, Some(variant))?);
    }
    around.tell("measuring");
    let pairs = variants.iter().zip(&of_policies);
    let evaluation = evaluate::measure(
        dir,
        &evaluate::Measured {
            config,
            base_name: &base.name,
            questions: &questions,
            table: &rewards,
            judges: evaluate::named(&judges, config.reward.threshold),
            base: &of_base,
            policies: pairs.clone().zip(trained).map(|((v, s), t)| (v, s, t)).collect(),
        },
    )?;
    around.tell("report");
    report::report(
        dir,
        &report::Told {
            config,
            name,
            base_name: &base.name,
            questions: &questions,
            evaluation: evaluation.clone(),
            designs: designs.clone(),
            base: &of_base,
            policies: pairs.collect(),
        },
    )?;
    Ok(Finished {
        evaluation,
        designs,
        report: dir.file(report::REPORT),
        variants,
    })
}

/// The outputs of all shards.
fn drawn(dir: &RunDir, questions: &Questions, config: &Config) -> Result<Fingerprint> {
    let mut drawn = Fingerprint::new();
    for number in 0..questions.training.len().div_ceil(config.calibration.shard) {
        drawn = drawn.stage(dir, &format!("rollouts/{number:05}"))?;
    }
    Ok(drawn)
}

/// The files that a configuration names, whose contents decide the result.
fn files(config: &Config) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = Vec::new();
    if config.prompts.file != TAVERN {
        files.push(config.prompts.file.clone().into());
    }
    files.extend(config.prompts.held_out_file.clone());
    if config.fits() && config.reward.fit.preferences != TAVERN {
        files.push(config.reward.fit.preferences.clone().into());
    }
    files
}

/// What a run of this configuration would do, from the lengths that are possible at most.
#[must_use]
pub fn estimate(config: &Config, training: usize, held_out: usize, model_bytes: u64) -> Estimated {
    let longest = config.sampling.max_tokens as u64;
    let (c, d, t) = (&config.calibration, &config.design, &config.train);
    let policies = d.rewards.len() * d.kl.len() * d.seeds.len();
    let base = training * (c.rollouts + c.check);
    let steps = t.steps * t.prompts as u64 * t.samples as u64;
    let measured = held_out * config.evaluate.samples * (policies + 1);
    let tokens = base as u64 * longest + measured as u64 * longest;
    Estimated {
        base_tokens: base as u64 * longest,
        training_tokens: steps * longest * policies as u64,
        evaluation_tokens: measured as u64 * longest,
        policies,
        // Texts and tokens of a response are about 8 bytes a token; a policy in training has two checkpoints of weights and moments.
        disk: tokens * 8 + model_bytes * (policies as u64 + 6),
    }
}
