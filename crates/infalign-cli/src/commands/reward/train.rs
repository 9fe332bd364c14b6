//! `infalign reward train`: preferences to a reward model's folder.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use infalign_data::{Fingerprint, Outcome as Stage, RunDir};
use infalign_lm::{AdamWConfig, Folder};
use infalign_reward::{Dress, Reading};
use infalign_train::{
    Habits, Interrupt, Outcome, Schedule, Surroundings, Telemetry, order,
    preference::{self, Pair, PreferenceRun, Settings, Start, evaluate, judge},
    telemetry::Progress,
    write_reward_model,
};
use serde::Serialize;

use super::{dress, eval, pairs};
use crate::{
    args::RewardTrain,
    commands::training,
    error::{Error, Result},
    machine, print,
};

const OUTPUTS: [&str; 4] = [
    "model.safetensors",
    "config.json",
    "evaluation.json",
    "metrics.jsonl",
];

/// Everything typed on which the result depends, for `config.toml`.
#[derive(Debug, Serialize)]
struct Config<'a> {
    command: &'static str,
    model: &'a Path,
    data: &'a Path,
    steps: Option<u64>,
    epochs: Option<f64>,
    batch_size: usize,
    accumulate: usize,
    margins: bool,
    label_smoothing: f64,
    centring: f64,
    eos: bool,
    dress: Dress,
    skip_bad_rows: bool,
    validation: f64,
    validation_every: Option<u64>,
    device: &'a str,
    dtype: &'static str,
    schedule: Schedule,
    adamw: AdamWConfig,
    /// SHA-256 of every file that goes in.
    inputs: BTreeMap<String, String>,
}

impl<'a> Config<'a> {
    fn new(args: &'a RewardTrain) -> Result<Self> {
        if let Some(epochs) = args.epochs.filter(|e| !(e.is_finite() && *e > 0.0)) {
            return Err(Error::Usage(format!(
                "--epochs {epochs}: expected a number above 0"
            )));
        }
        if !(0.0..1.0).contains(&args.validation) {
            return Err(Error::Usage(format!(
                "--validation {}: expected a fraction from 0 to below 1",
                args.validation
            )));
        }
        let mut files = training::model_files(&args.model)?;
        files.push(args.data.clone());
        let mut inputs = BTreeMap::new();
        for path in files {
            inputs.insert(path.display().to_string(), Fingerprint::of_file(&path)?);
        }
        let config = Self {
            command: "reward train",
            model: &args.model,
            data: &args.data,
            steps: args.steps,
            epochs: args.epochs,
            batch_size: args.batch_size,
            accumulate: args.accumulate,
            margins: args.margins,
            label_smoothing: args.label_smoothing,
            centring: args.centring,
            eos: args.eos,
            dress: dress(args.dress),
            skip_bad_rows: args.skip_bad_rows,
            validation: args.validation,
            validation_every: args.validation_every,
            device: &args.machine.device,
            dtype: args.machine.dtype.precision().name(),
            schedule: Schedule {
                peak: args.learning_rate,
                warmup: training::warmup(&args.warmup)?,
                decay: args.decay.falling(),
                ..Schedule::default()
            },
            adamw: AdamWConfig {
                weight_decay: args.weight_decay,
                ..AdamWConfig::default()
            },
            inputs,
        };
        // Out of range is better said before anything is read or written.
        config
            .settings(args.steps.unwrap_or(1_000_000), args.seed)
            .resolve()?;
        Ok(config)
    }

    fn settings(&self, steps: u64, seed: u64) -> Settings {
        Settings {
            steps,
            batch_size: self.batch_size,
            accumulate: self.accumulate,
            label_smoothing: self.label_smoothing,
            centring: self.centring,
            validation_every: self.validation_every.unwrap_or((steps / 10).max(1)),
            seed,
            schedule: self.schedule,
            adamw: self.adamw,
        }
    }
}

pub(super) fn run(args: &RewardTrain) -> Result<()> {
    let device = machine::open(&args.machine)?;
    let folder = Folder::open(&args.model)?;
    let reading = Reading::new(&folder, dress(args.dress), args.eos)?;
    let start = Start::Folder(Box::new(folder.clone()), device);
    start.spec()?;
    let config = Config::new(args)?;
    let inputs: Vec<PathBuf> = config.inputs.keys().map(PathBuf::from).collect();
    let inputs: Vec<&Path> = inputs.iter().map(PathBuf::as_path).collect();
    let mut dir = training::open(&args.out, args.seed, args.overwrite, &config, &inputs)?;
    let interrupt = training::interrupt()?;
    let fingerprint = Fingerprint::new()
        .value("config", &config)?
        .value("seed", &args.seed)?;
    let done = dir.stage("train", &fingerprint, &OUTPUTS, |dir| {
        let all = pairs::pairs(&args.data, &reading, args.margins, args.skip_bad_rows)?;
        let pairs = split(all, args.validation, args.seed);
        learn(&config, dir, &interrupt, args, (&folder, &start), pairs)
    });
    match done {
        Ok(Stage::Skipped) => {
            print::note(&format!("{}: done before, unchanged", args.out.display()));
        }
        Ok(Stage::Done) => {}
        Err(error) => {
            // A corrected command finds the place as it was, unless there is work to lose.
            if error.exit_code() == 2 && !training::saved(&dir) {
                dir.abandon()?;
            }
            return Err(error);
        }
    }
    let path = dir.file("evaluation.json");
    let text = std::fs::read_to_string(&path)
        .map_err(|source| infalign_data::Error::Read { path, source })?;
    match serde_json::from_str(&text).unwrap_or_default() {
        Some(found) => eval::tell(&found, args.format),
        None => print::text("nothing was held out, so nothing is known of the accuracy\n"),
    }
}

/// Learned and held out: the held-out prompts are the first ones of an order that the seed decides, so that no prompt is on both sides.
fn split(pairs: Vec<Pair>, validation: f64, seed: u64) -> (Vec<Pair>, Vec<Pair>) {
    let prompts = pairs.iter().map(|p| p.prompt + 1).max().unwrap_or(0);
    let count = u32::try_from(prompts).unwrap_or(u32::MAX);
    // Another order than the pairs' own.
    let mut places = vec![0; count as usize];
    for (place, prompt) in order::permutation(count, seed, u64::MAX)
        .into_iter()
        .enumerate()
    {
        places[prompt as usize] = place;
    }
    let held_out = (validation * prompts as f64).ceil() as usize;
    let learned = |pair: &Pair| places[pair.prompt as usize] >= held_out;
    pairs.into_iter().partition(learned)
}

fn learn(
    config: &Config<'_>,
    dir: &RunDir,
    interrupt: &Interrupt,
    args: &RewardTrain,
    (folder, start): (&Folder, &Start),
    (learned, held_out): (Vec<Pair>, Vec<Pair>),
) -> Result<()> {
    let epoch = learned.len() as f64 / args.batch_size.max(1) as f64;
    let steps = match (args.steps, args.epochs) {
        (Some(steps), _) => steps,
        (None, epochs) => ((epochs.unwrap_or(1.0) * epoch).round() as u64).max(1),
    };
    let settings = config.settings(steps, args.seed);
    let habits = Habits {
        save_every: args.save_every.unwrap_or(steps / 10).max(1),
        save_seconds: training::SAVE_SECONDS,
        keep: args.keep,
        recompute: false,
    };
    print::note(&format!(
        "{} pairs to learn from, {} held out; {steps} steps of {} pairs ({:.2} epochs)",
        learned.len(),
        held_out.len(),
        args.batch_size,
        steps as f64 / epoch
    ));
    let mut watch = |done: u64| {
        if done > 0 {
            print::note(&format!("going on after step {done}"));
        }
        let style = training::style(args.machine.quiet);
        Telemetry::new().with(Progress::new(
            std::io::stderr(),
            style,
            steps,
            done,
            training::clock(),
        ))
    };
    let outcome = preference::train(PreferenceRun {
        start,
        pairs: &learned,
        held_out: &held_out,
        settings: &settings,
        habits: &habits,
        around: Surroundings {
            directory: dir.path(),
            watch: &mut watch,
            interrupt,
            clock: training::clock,
        },
    })?;
    let model = match outcome {
        Outcome::Interrupted { step } => {
            return Err(Error::Interrupted(format!(
                "saved after step {step} of {steps} in {}; the same command goes on from there",
                args.out.display()
            )));
        }
        Outcome::Done(model) => model,
    };
    let found = match held_out.iter().any(|pair| !pair.tie) {
        true => Some(evaluate(&judge(&model, &held_out)?)?),
        false => None,
    };
    let json = serde_json::to_vec_pretty(&found).map_err(std::io::Error::from)?;
    infalign_data::write_atomic(dir.file("evaluation.json"), |f| f.write_all(&json))?;
    let companions = Some(folder.path());
    write_reward_model(&model, companions, folder.tokenizer()?, dir.path())?;
    Ok(())
}
