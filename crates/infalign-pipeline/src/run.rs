//! The whole way, stage by stage; and what it would cost.

use std::{
    collections::BTreeMap,
    num::NonZero,
    path::{Path, PathBuf},
};

use infalign::{calibration::Calibrator, design::Design, evaluation::Evaluation};
use infalign_data::{Existing, Fingerprint, Identity, Kind, Outcome, RunDir};
use infalign_lm::{Device, Folder};
use infalign_train::{Interrupt, rl::BaseRollouts};

use crate::{
    ask::Questions,
    config::{Config, TAVERN, Trainer},
    error::{Error, Result},
    judges::{self, Judge},
    stages::{
        base::{self, Base},
        calibration, designs,
        distill::{self, Distilled, Rollouts},
        evaluate::{self, Whom},
        fit,
        handover::{self, HandedOver},
        report, rollouts, side_by_side,
        source::Source,
        train::{self, Common, Trained, Watched},
    },
    variants::Variant,
};

/// Whom a run tells, and what may stop it.
pub struct Around<'a> {
    /// Told in a few words what is being done, from whichever thread does it.
    pub say: &'a (dyn Fn(&str) + Sync),
    /// Makes the watcher of a policy's training, of its name and number of steps, on the thread that trains it.
    pub watch: &'a (dyn Fn(&str, u64) -> Watched + Sync),
    /// Whether to stop.
    pub interrupt: &'a Interrupt,
    /// Seconds since 1970.
    pub clock: fn() -> f64,
    /// Policies that another trainer made: name to folder or address.
    pub trained: BTreeMap<String, String>,
    /// Where models run.
    pub device: Device,
    /// Its name, for fingerprints: numbers differ between devices.
    pub device_name: String,
    /// Policies that are trained at a time; none for what suits the model and the device. It decides nothing but the time.
    pub side_by_side: Option<NonZero<usize>>,
}

impl Around<'_> {
    pub(crate) fn tell(&self, what: &str) {
        (self.say)(what);
    }

    /// Says so where a stage had been done before.
    pub(crate) fn tell_skipped(&self, outcome: Outcome, what: &str) {
        if outcome == Outcome::Skipped {
            self.tell(&format!("{what}: done before, unchanged"));
        }
    }

    pub(crate) fn watch(&self, name: &str, steps: u64) -> Watched {
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
    /// What another trainer is to train.
    pub handed_over: Vec<HandedOver>,
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
            None if !self.handed_over.is_empty() => serde_json::to_value(&self.handed_over),
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
    around: &Around<'_>,
) -> Result<Finished> {
    let named = files(config);
    let inputs: Vec<&Path> = named.iter().map(PathBuf::as_path).collect();
    let defaults = Config::default();
    let identity = Identity {
        version: env!("CARGO_PKG_VERSION"),
        seed: config.seed,
        config,
        defaults: Some(&defaults),
        inputs: &inputs,
        root: config.root(),
    };
    if config.asks().0 || !config.evaluate.compare.is_empty() {
        // A rubric that cannot be used is known before anything is drawn.
        config.judge_options()?;
    }
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
    around: &Around<'_>,
) -> Result<Finished> {
    let device = around.device.clone();
    let mut base = base::open(dir, config, &device)?;
    let questions = Questions::read(config, base.folder())?;
    handover::check(config, &questions.training)?;
    let c = &config.calibration;
    let samples = c.rollouts + c.check;
    let rows = rollouts::sharded(
        dir,
        around,
        config,
        &mut base,
        ("rollouts", &questions.training, samples),
    )?;
    let drawn = drawn(dir, &questions, config)?;
    let mut finished = Finished {
        directory: dir.path().to_owned(),
        designs: Vec::new(),
        variants: Vec::new(),
        distilled: Vec::new(),
        handed_over: Vec::new(),
        evaluation: None,
        report: None,
    };
    if until == Until::Rollouts {
        return Ok(finished);
    }
    let fitted = fit::fit(dir, around, config, &mut base, &questions)?;
    let mut rewarding = Vec::new();
    for text in config.rewards() {
        rewarding.push(Judge::open(text, config, &fitted, &device)?);
    }
    around.tell("rewards");
    let rewards = calibration::rewards(dir, &mut rewarding[0], &questions.training, &rows, drawn)?;
    let calibrators =
        calibration::calibrate(dir, config, &base.name, &questions.training, &rewards)?;
    let (designs, variants) = designs::designs(dir, config, &rewards)?;
    finished.designs = designs;
    finished.variants = variants.clone();
    let duels = evaluate::duels(config, &variants)?;
    let rollouts = Rollouts {
        folder: base.folder(),
        questions: &questions.training,
        rows: &rows,
        rewards: &rewards,
    };
    if let Until::Distill(resample) = until {
        finished.distilled = distill::distilled(dir, config, &rollouts, (&variants, resample))?;
        return Ok(finished);
    }
    if until == Until::Design {
        return Ok(finished);
    }
    let mut policies = if config.train.trainer == Trainer::Infalign {
        let with = (&rollouts, calibrators.as_slice());
        trained_here(
            dir,
            around,
            config,
            (&base, &questions, &variants),
            with,
            &mut rewarding[0],
        )?
    } else {
        finished.handed_over = handed_over(dir, config, &base, &rollouts, &variants)?;
        trained_elsewhere(config, around, &variants)?
    };
    if until == Until::Training {
        return Ok(finished);
    }
    if policies.is_empty() {
        return Ok(finished);
    }
    let held_out = questions.held_out.as_slice();
    let of_base = evaluate::sampled(
        dir,
        around,
        (config, &mut base, held_out),
        &mut rewarding,
        Whom::Base,
    )?;
    let mut of_policies = Vec::new();
    for policy in &mut policies {
        let whom = Whom::Policy(policy.variant, &mut policy.source, policy.made.clone());
        let here = (config, &mut base, held_out);
        of_policies.push(evaluate::sampled(dir, around, here, &mut rewarding, whom)?);
    }
    let pairs = policies.iter().map(|p| p.variant).zip(&of_policies);
    let mut comparing = Vec::new();
    for text in &config.evaluate.compare {
        comparing.push(judges::comparing(text, config, &fitted)?);
    }
    let met: Vec<_> = pairs.clone().collect();
    let with = (config, held_out);
    let pairwise = evaluate::compared(dir, around, with, &mut comparing, &of_base, &met)?;
    around.tell("measuring");
    let evaluation = evaluate::measure(
        dir,
        &evaluate::Measured {
            config,
            base_name: &base.name,
            questions: &questions,
            table: &rewards,
            judges: evaluate::named(&rewarding, config),
            duels,
            base: &of_base,
            policies: pairs
                .clone()
                .zip(&policies)
                .map(|((v, s), p)| (v, s, p.trained.clone()))
                .collect(),
            pairwise,
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

/// A policy to measure.
struct Measured<'a> {
    variant: &'a Variant,
    trained: Trained,
    source: Source,
    /// The stage that made it.
    made: Option<String>,
}

/// Trains every variant.
fn trained_here<'a>(
    dir: &mut RunDir,
    around: &Around<'_>,
    config: &Config,
    (base, questions, variants): (&Base, &Questions, &'a [Variant]),
    (rollouts, calibrators): (&Rollouts<'_>, &[Calibrator]),
    judge: &mut Judge,
) -> Result<Vec<Measured<'a>>> {
    let k = config.calibration.rollouts;
    let base_rollouts = BaseRollouts {
        tokens: rollouts
            .rows
            .iter()
            .map(|r| r.tokens[..k].to_vec())
            .collect(),
        rewards: rollouts.rewards.iter().map(|r| r[..k].to_vec()).collect(),
    };
    let common = Common {
        config,
        base: base.here()?,
        inputs: &base.fingerprint,
        questions,
        calibrators,
        base_rollouts: &base_rollouts,
    };
    let trained = side_by_side::trained(dir, around, &common, judge, variants)?;
    variants
        .iter()
        .zip(trained)
        .map(|(variant, trained)| {
            let place = train::folder(variant);
            let folder = Folder::open(dir.file(&place))?;
            Ok(Measured {
                variant,
                trained,
                source: Source::of_folder(folder, &around.device),
                made: Some(place),
            })
        })
        .collect()
}

/// Writes everything that the configured trainer needs.
fn handed_over(
    dir: &mut RunDir,
    config: &Config,
    base: &Base,
    rollouts: &Rollouts<'_>,
    variants: &[Variant],
) -> Result<Vec<HandedOver>> {
    let weights = match base.folder() {
        Some(folder) => folder.path().display().to_string(),
        None => {
            let own = config.at(&config.policy.weights);
            if own.is_dir() {
                own.display().to_string()
            } else {
                config.policy.weights.clone()
            }
        }
    };
    // The trainer starts elsewhere.
    let weights = std::fs::canonicalize(&weights).map_or(weights, |p| p.display().to_string());
    let common = handover::Common {
        config,
        trainer: config.train.trainer,
        weights: &weights,
        rollouts,
    };
    variants
        .iter()
        .map(|variant| handover::hand_over(dir, &common, variant))
        .collect()
}

/// The policies that were named as trained.
fn trained_elsewhere<'a>(
    config: &Config,
    around: &Around<'_>,
    variants: &'a [Variant],
) -> Result<Vec<Measured<'a>>> {
    let names: Vec<&str> = variants.iter().map(|v| v.name.as_str()).collect();
    if let Some(name) = around.trained.keys().find(|n| !names.contains(&n.as_str())) {
        return Err(Error::Config {
            place: format!("--trained {name}"),
            why: format!(
                "no policy of this run has that name; they are {}",
                names.join(", ")
            ),
        });
    }
    let named = |v: &'a Variant| Some((v, around.trained.get(&v.name)?));
    variants
        .iter()
        .filter_map(named)
        .map(|(variant, place)| {
            Ok(Measured {
                variant,
                trained: Trained {
                    beta: variant.beta,
                    landing: None,
                },
                source: Source::open(place, config, &around.device)?,
                made: None,
            })
        })
        .collect()
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
