//! The whole way, stage by stage; and what it would cost.

use std::path::{Path, PathBuf};

use infalign::{design::Design, evaluation::Evaluation};
use infalign_data::{Existing, Fingerprint, Identity, Kind, Outcome, RunDir};
use infalign_lm::Device;
use infalign_train::{Interrupt, rl::BaseRollouts};

use crate::{
    ask::Questions,
    config::{Config, TAVERN},
    error::Result,
    judges::Judge,
    stages::{
        base, calibration, designs,
        distill::{self, Distilled},
        evaluate, fit, report, rollouts,
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

    /// Says so where a stage had been done before.
    pub(crate) fn tell_skipped(&mut self, outcome: Outcome, what: &str) {
        if outcome == Outcome::Skipped {
            self.tell(&format!("{what}: done before, unchanged"));
        }
    }

    pub(crate) fn watch(&mut self, name: &str, steps: u64) -> Watched {
        (self.watch)(name, steps)
    }

    pub(crate) fn fingerprint(&self, inputs: Fingerprint) -> Result<Fingerprint> {
        Ok(inputs.bytes("device", self.device_name.as_bytes()))
    }
}

/// How far a run goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Until {
    /// Rollouts of the base.
    Rollouts,
    /// Rewards, calibration and design.
    Design,
    /// Training sets for supervised trainers instead of policies: weighted, or resampled to so many rows for each prompt.
    Distill(Option<usize>),
    /// All policies are trained.
    Training,
    /// Samples, rewards and `results.json`.
    Evaluation,
    /// The page.
    Report,
}

/// What a run came to.
#[derive(Debug)]
pub struct Finished {
    /// The run directory.
    pub directory: PathBuf,
    /// What was predicted.
    pub designs: Vec<Design>,
    /// The policies.
    pub variants: Vec<Variant>,
    /// Training sets that were written.
    pub distilled: Vec<Distilled>,
    /// What was measured.
    pub evaluation: Option<Evaluation>,
    /// The page.
    pub report: Option<PathBuf>,
}

impl Finished {
    /// The answer as JSON: what was measured, else what is designed.
    #[must_use]
    pub fn answer(&self) -> serde_json::Value {
        let value = match &self.evaluation {
            Some(evaluation) => serde_json::to_value(evaluation),
            None if !self.distilled.is_empty() => serde_json::to_value(&self.distilled),
            None => serde_json::to_value(&self.designs),
        };
        value.unwrap_or_default()
    }
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
    until: Until,
    around: &mut Around<'_>,
) -> Result<Finished> {
    let named = files(config);
    let inputs: Vec<&Path> = named.iter().map(PathBuf::as_path).collect();
    let identity = Identity {
        version: env!("CARGO_PKG_VERSION"),
        seed: config.seed,
        config,
        inputs: &inputs,
        root: config.root(),
    };
    let mut dir = RunDir::open(runs, name, &identity, existing)?;
    let ended = stages(&mut dir, config, (name, until), around);
    if ended.as_ref().is_err_and(|e| e.kind() == Kind::User) && !has_begun(&dir) {
        // A file that cannot be used is only known now; the corrected one is not to be refused for the sake of this run.
        dir.abandon()?;
    }
    ended
}

/// Whether anything was computed: the embedded policy is only copied.
fn has_begun(dir: &RunDir) -> bool {
    dir.manifest()
        .stages
        .keys()
        .any(|stage| stage != base::FOLDER)
}

fn stages(
    dir: &mut RunDir,
    config: &Config,
    (name, until): (&str, Until),
    around: &mut Around<'_>,
) -> Result<Finished> {
    let device = around.device.clone();
    let base = base::open(dir, config, &device)?;
    let questions = Questions::read(config, &base.folder)?;
    let c = &config.calibration;
    let samples = c.rollouts + c.check;
    let rows = rollouts::sharded(
        dir,
        around,
        config,
        &base,
        ("rollouts", &questions.training, samples),
    )?;
    let drawn = drawn(dir, &questions, config)?;
    let mut finished = Finished {
        directory: dir.path().to_owned(),
        designs: Vec::new(),
        variants: Vec::new(),
        distilled: Vec::new(),
        evaluation: None,
        report: None,
    };
    if until == Until::Rollouts {
        return Ok(finished);
    }
    let fitted = fit::fit(dir, around, config, &base, &questions)?;
    let mut judges = Vec::new();
    for text in config.rewards() {
        judges.push(Judge::open(text, config, &fitted, &device)?);
    }
    around.tell("rewards");
    let rewards = calibration::rewards(dir, &mut judges[0], &questions.training, &rows, drawn)?;
    let calibrators =
        calibration::calibrate(dir, config, &base.name, &questions.training, &rewards)?;
    let (designs, variants) = designs::designs(dir, config, &rewards)?;
    finished.designs = designs;
    finished.variants = variants.clone();
    let duels = evaluate::duels(config, &variants)?;
    if let Until::Distill(resample) = until {
        finished.distilled =
            distill::distilled(dir, config, &rows, &rewards, (&variants, resample))?;
        return Ok(finished);
    }
    if until == Until::Design {
        return Ok(finished);
    }
    let base_rollouts = BaseRollouts {
        tokens: rows
            .iter()
            .map(|r| r.tokens[..c.rollouts].to_vec())
            .collect(),
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
    if until == Until::Training {
        return Ok(finished);
    }
    let held_out = (config, &base, questions.held_out.as_slice());
    let of_base = evaluate::sampled(dir, around, held_out, &mut judges, None)?;
    let mut of_policies = Vec::new();
    for variant in &variants {
        of_policies.push(evaluate::sampled(
            dir,
            around,
            held_out,
            &mut judges,
            Some(variant),
        )?);
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
            judges: evaluate::named(&judges, config),
            duels,
            base: &of_base,
            policies: pairs
                .clone()
                .zip(trained)
                .map(|((v, s), t)| (v, s, t))
                .collect(),
        },
    )?;
    finished.evaluation = Some(evaluation.clone());
    if until == Until::Evaluation {
        return Ok(finished);
    }
    around.tell("report");
    report::report(
        dir,
        &report::Told {
            config,
            name,
            base_name: &base.name,
            questions: &questions,
            evaluation,
            designs: finished.designs.clone(),
            base: &of_base,
            policies: pairs.collect(),
        },
    )?;
    finished.report = Some(dir.file(report::REPORT));
    Ok(finished)
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
