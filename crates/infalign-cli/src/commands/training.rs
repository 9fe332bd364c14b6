//! What `pretrain` and `sft` share: the output folder, settings as typed, the run with its progress line, the model and the summary at its end.

use std::{
    collections::BTreeMap,
    io::IsTerminal,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use infalign_data::{Existing, Fingerprint, Identity, Outcome as Stage, RunDir};
use infalign_lm::{AdamWConfig, Device, Folder, TokenIds, Tokenizer};
use infalign_train::{
    ADAPTER_FILES, Base, Habits, Interrupt, Lora, MODEL_FILES, Outcome, Policy, Request, Schedule,
    Surroundings, Telemetry, Warmup,
    supervised::{self, Data, Settings},
    telemetry::{Progress, Style},
    write_adapter, write_model,
};
use serde::Serialize;

use crate::{
    args::{Format, Training},
    error::{Error, Result},
    print::{self, Table},
};

/// The most tokens of a sequence where nothing is typed.
const CONTEXT: usize = 1024;
/// Seconds between two checkpoints at most.
pub(super) const SAVE_SECONDS: f64 = 600.0;
/// The fraction held out where nothing is typed.
const VALIDATION: f64 = 0.01;

/// Everything typed on which the result depends, for `config.toml`.
#[derive(Debug, Serialize)]
pub(super) struct Config<'a, C> {
    command: &'static str,
    #[serde(flatten)]
    of_the_command: C,
    steps: Option<u64>,
    epochs: Option<f64>,
    batch_size: usize,
    accumulate: usize,
    context: Option<usize>,
    validation: Option<f64>,
    validation_every: Option<u64>,
    validation_rows: usize,
    merge: bool,
    device: &'a str,
    dtype: &'static str,
    schedule: Schedule,
    adamw: AdamWConfig,
    lora: Option<Lora>,
    /// SHA-256 of every file that goes in.
    inputs: BTreeMap<String, String>,
}

impl<'a, C: Serialize> Config<'a, C> {
    /// Of flags, all in range; `rate` is the learning rate where none is typed.
    pub(super) fn new(
        command: &'static str,
        of_the_command: C,
        args: &'a Training,
        rate: f64,
        inputs: &[PathBuf],
    ) -> Result<Self> {
        let lora = args.lora_r.map(|rank| Lora {
            rank,
            alpha: args.lora_alpha.unwrap_or(2.0 * rank as f64),
            targets: args.lora_targets.clone(),
        });
        if let Some(epochs) = args.epochs.filter(|e| !(e.is_finite() && *e > 0.0)) {
            return Err(Error::Usage(format!(
                "--epochs {epochs}: expected a number above 0"
            )));
        }
        let mut hashes = BTreeMap::new();
        for path in inputs {
            hashes.insert(path.display().to_string(), Fingerprint::of_file(path)?);
        }
        let config = Self {
            command,
            of_the_command,
            steps: args.steps,
            epochs: args.epochs,
            batch_size: args.batch_size,
            accumulate: args.accumulate,
            context: args.context,
            validation: args.validation,
            validation_every: args.validation_every,
            validation_rows: args.validation_rows,
            merge: args.merge,
            device: &args.machine.device,
            dtype: args.machine.dtype.precision().name(),
            schedule: Schedule {
                peak: args.learning_rate.unwrap_or(rate),
                warmup: warmup(&args.warmup)?,
                decay: args.decay.falling(),
                floor: args.floor,
            },
            adamw: AdamWConfig {
                beta1: args.beta1,
                beta2: args.beta2,
                eps: args.eps,
                weight_decay: args.weight_decay,
                clip: (args.clip != 0.0).then_some(args.clip),
            },
            lora,
            inputs: hashes,
        };
        // Out of range is better said before anything is read or written.
        config
            .settings(args.steps.unwrap_or(1_000_000), args)
            .resolve()?;
        Ok(config)
    }

    fn settings(&self, steps: u64, args: &Training) -> Settings {
        Settings {
            steps,
            batch_size: self.batch_size,
            accumulate: self.accumulate,
            validation_every: self.validation_every.unwrap_or((steps / 10).max(1)),
            validation_rows: self.validation_rows,
            seed: args.seed,
            schedule: self.schedule,
            adamw: self.adamw,
        }
    }

    /// The adapters to train.
    pub(super) fn lora(&self) -> Option<Lora> {
        self.lora.clone()
    }

    /// Opens the output folder, does the work unless it is done, and prints the summary.
    pub(super) fn run(
        &self,
        args: &Training,
        work: impl FnOnce(&RunDir, &Interrupt) -> Result<()>,
    ) -> Result<()> {
        let inputs: Vec<PathBuf> = self.inputs.keys().map(PathBuf::from).collect();
        let inputs: Vec<&Path> = inputs.iter().map(PathBuf::as_path).collect();
        let mut dir = open(&args.out, args.seed, args.overwrite, self, &inputs)?;
        let interrupt = interrupt()?;
        let files: &[&str] = if self.lora.is_some() && !self.merge {
            &ADAPTER_FILES
        } else {
            &MODEL_FILES
        };
        let outputs = [files, &["metrics.jsonl"]].concat();
        let fingerprint = Fingerprint::new()
            .value("config", self)?
            .value("seed", &args.seed)?;
        let done = dir.stage("train", &fingerprint, &outputs, |dir| work(dir, &interrupt));
        match done {
            Ok(Stage::Skipped) => {
                print::note(&format!("{}: done before, unchanged", args.out.display()));
            }
            Ok(Stage::Done) => {}
            Err(error) => {
                // A corrected command finds the place as it was, unless there is work to lose.
                if error.exit_code() == 2 && !saved(&dir) {
                    dir.abandon()?;
                }
                return Err(error);
            }
        }
        summary(&dir, args)
    }

    /// Trains, and writes the model or its adapters into the output folder.
    pub(super) fn learn(
        &self,
        dir: &RunDir,
        interrupt: &Interrupt,
        args: &Training,
        policy: &Policy,
        data: &Data,
        (tokenizer, tokens): (&Tokenizer, &TokenIds),
    ) -> Result<()> {
        let epoch = data.training.steps_of_an_epoch(args.batch_size)?;
        let steps = match (args.steps, args.epochs) {
            (Some(steps), _) => steps,
            (None, epochs) => ((epochs.unwrap_or(1.0) * epoch as f64).round() as u64).max(1),
        };
        let settings = self.settings(steps, args);
        let habits = Habits {
            save_every: args.save_every.unwrap_or(steps / 10).max(1),
            save_seconds: SAVE_SECONDS,
            keep: args.keep,
            recompute: args.checkpoint_activations,
        };
        let parameters: usize = policy
            .spec()
            .tensors()
            .iter()
            .map(infalign_lm::TensorRule::len)
            .sum();
        let held_out = data.validation.as_ref().map_or(0, supervised::Rows::count);
        let adapters = self.lora.as_ref().map_or_else(String::new, |lora| {
            format!(" frozen beside adapters of rank {}", lora.rank)
        });
        print::note(&format!(
            "{} parameters{adapters}; {} rows to learn from, {held_out} held out; {steps} steps of {} sequences ({:.2} epochs)",
            counted(parameters),
            data.training.count(),
            args.batch_size,
            steps as f64 / epoch as f64
        ));
        let style = style(args.machine.quiet);
        let mut watch = |done: u64| {
            if done > 0 {
                print::note(&format!("going on after step {done}"));
            }
            Telemetry::new().with(Progress::new(
                std::io::stderr(),
                style,
                steps,
                done,
                clock(),
            ))
        };
        let around = Surroundings {
            directory: dir.path(),
            watch: &mut watch,
            interrupt,
            clock,
        };
        match supervised::train(policy, data, &settings, &habits, around)? {
            Outcome::Interrupted { step } => Err(Error::Interrupted(format!(
                "saved after step {step} of {steps} in {}; the same command goes on from there",
                args.out.display()
            ))),
            Outcome::Done(session) if self.lora.is_some() && !self.merge => {
                let base = policy.folder().map(|f| f.path().display().to_string());
                let base = base.unwrap_or_default();
                Ok(write_adapter(session.model(), &base, dir.path())?)
            }
            Outcome::Done(session) => {
                write_model(session.model(), policy, tokenizer, tokens, dir.path())?;
                Ok(())
            }
        }
    }
}

/// Ctrl-C, told once.
pub(super) fn interrupt() -> Result<Interrupt> {
    Ok(Interrupt::install(|request| match request {
        Request::Stop => {
            print::note("\nstopping: finishing the step, then saving; again to end at once");
        }
        Request::Abort => {}
    })?)
}

/// How progress is shown.
pub(super) fn style(quiet: bool) -> Style {
    match (quiet, std::io::stderr().is_terminal()) {
        (true, _) => Style::Quiet,
        (false, true) => Style::Terminal { columns: columns() },
        (false, false) => Style::Plain,
    }
}

/// Whether there is a checkpoint.
pub(super) fn saved(dir: &RunDir) -> bool {
    let entries = std::fs::read_dir(dir.file("checkpoints"));
    entries.is_ok_and(|mut entries| entries.next().is_some())
}

/// A model folder's files on which a run depends.
pub(super) fn model_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let entries = std::fs::read_dir(folder).map_err(|source| infalign_data::Error::Read {
        path: folder.to_owned(),
        source,
    })?;
    for entry in entries {
        let path = entry
            .map_err(|source| infalign_data::Error::Read {
                path: folder.to_owned(),
                source,
            })?
            .path();
        let name = path
            .file_name()
            .and_then(|n| n.to_str())
            .unwrap_or_default();
        let weights = name.starts_with("model") && name.contains(".safetensors");
        let words = matches!(
            name,
            "config.json"
                | "tokenizer.json"
                | "tokenizer_config.json"
                | "special_tokens_map.json"
                | "generation_config.json"
                | "chat_template.jinja"
                | "chat_template.json"
        );
        if (weights || words) && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// The context: as typed, else the model's, but not more than is usual.
pub(super) fn context(args: &Training, most: usize) -> Result<usize> {
    match args.context {
        Some(n) if n == 0 || n > most => Err(Error::Usage(format!(
            "--context {n}: the model takes from 1 to {most} tokens"
        ))),
        Some(n) => Ok(n),
        None => Ok(most.min(CONTEXT)),
    }
}

/// Prepares rows with the typed fraction held out; where none is typed and there is a single document, without.
pub(super) fn held_out<T>(
    args: &Training,
    make: impl Fn(f64) -> infalign_train::Result<T>,
) -> Result<T> {
    match (args.validation, make(args.validation.unwrap_or(VALIDATION))) {
        (None, Err(infalign_train::Error::OneDocument)) => {
            print::note("one document only: nothing is held out");
            Ok(make(0.0)?)
        }
        (_, made) => Ok(made?),
    }
}

/// The policy of a folder.
pub(super) fn from_folder(
    folder: &Folder,
    lora: Option<Lora>,
    seed: u64,
    device: Device,
) -> Result<Policy> {
    if folder.spec().head != infalign_lm::Head::CausalLm {
        return Err(infalign_lm::Error::WrongHead {
            found: folder.spec().head,
            needed: "a language model",
        }
        .into());
    }
    Ok(Policy {
        base: Base::Folder(Box::new(folder.clone())),
        lora,
        seed,
        device,
    })
}

/// Opens the folder that `--out` names.
pub(super) fn open(
    out: &Path,
    seed: u64,
    overwrite: bool,
    config: &impl Serialize,
    inputs: &[&Path],
) -> Result<RunDir> {
    let refused = || {
        Error::Usage(format!(
            "--out {}: name a folder of letters, digits, `-`, `_` and `.`",
            out.display()
        ))
    };
    let name = out
        .file_name()
        .and_then(|n| n.to_str())
        .ok_or_else(refused)?;
    let parent = out.parent().unwrap_or(Path::new(""));
    let identity = Identity {
        version: env!("CARGO_PKG_VERSION"),
        seed,
        config,
        defaults: None,
        inputs,
        root: Path::new(""),
    };
    let existing = if overwrite {
        Existing::Overwrite
    } else {
        Existing::Resume
    };
    RunDir::open(parent, name, &identity, existing).map_err(|error| {
        // Here the folder is chosen by --out.
        let told = error.to_string().replace("--name", "--out");
        match error {
            infalign_data::Error::RunName { .. } => refused(),
            infalign_data::Error::Locked { .. } => Error::Busy(told),
            infalign_data::Error::ConfigDiffers { keys, .. } => Error::Usage(format!(
                "{} holds another run (differs in: {}); use another --out or --overwrite",
                out.display(),
                differences(keys)
            )),
            infalign_data::Error::NotARun { .. } | infalign_data::Error::InputInRun { .. } => {
                Error::Usage(told)
            }
            other => other.into(),
        }
    })
}

/// The first differences, without the hashes of files.
fn differences(keys: Vec<String>) -> String {
    const SHOWN: usize = 5;
    let mut told: Vec<String> = Vec::new();
    let (files, settings): (Vec<String>, Vec<String>) =
        keys.into_iter().partition(|key| key.starts_with("inputs."));
    told.extend(settings);
    let changed = |key: &String| !key.contains(": unset then, ") && !key.ends_with(", unset now");
    // A file that only one of the runs reads follows from the settings.
    for key in files.iter().filter(|key| changed(key)) {
        let file = key.trim_start_matches("inputs.").rsplit_once(": ");
        let file = file.map_or("a file", |(file, _)| file);
        told.push(format!("the content of {file}"));
    }
    let more = told.len().saturating_sub(SHOWN);
    told.truncate(SHOWN);
    if more > 0 {
        told.push(format!("{more} more"));
    }
    if told.is_empty() {
        told.push("the files that it reads".to_owned());
    }
    told.join(", ")
}

#[derive(Serialize)]
struct Summary {
    out: String,
    steps: u64,
    loss: Option<f64>,
    validation_loss: Option<f64>,
}

/// What the last record says.
fn summary(dir: &RunDir, args: &Training) -> Result<()> {
    let path = dir.file("metrics.jsonl");
    let text = std::fs::read_to_string(&path)
        .map_err(|source| infalign_data::Error::Read { path, source })?;
    let last = text.lines().next_back().unwrap_or_default();
    let last: serde_json::Value = serde_json::from_str(last).unwrap_or_default();
    let number = |name: &str| last.get(name).and_then(serde_json::Value::as_f64);
    let summary = Summary {
        out: args.out.display().to_string(),
        steps: last
            .get("step")
            .and_then(serde_json::Value::as_u64)
            .unwrap_or(0),
        loss: number("loss"),
        validation_loss: number("validation/loss"),
    };
    match args.format {
        Format::Json => print::json(&summary),
        Format::Text => {
            let mut table = Table::new(&["model", "steps", "last loss", "validation loss"]);
            let nats = |x: Option<f64>| x.map_or_else(|| "–".to_owned(), |x| format!("{x:.4}"));
            table.row([
                summary.out,
                summary.steps.to_string(),
                nats(summary.loss),
                nats(summary.validation_loss),
            ]);
            print::text(table)
        }
    }
}

pub(super) fn warmup(text: &str) -> Result<Warmup> {
    if let Ok(steps) = text.parse() {
        return Ok(Warmup::Steps(steps));
    }
    text.parse().map(Warmup::Fraction).map_err(|_| {
        Error::Usage(format!(
            "--warmup {text}: expected a number of steps (100), or a fraction of all (0.02)"
        ))
    })
}

/// 812, 58.1 k, 5.8 M, 1.1 G.
fn counted(n: usize) -> String {
    let x = n as f64;
    match x {
        x if x < 1e3 => n.to_string(),
        x if x < 1e6 => format!("{:.1} k", x / 1e3),
        x if x < 1e9 => format!("{:.1} M", x / 1e6),
        x => format!("{:.1} G", x / 1e9),
    }
}

/// Width of the terminal, by the habit of shells.
fn columns() -> usize {
    let told = std::env::var("COLUMNS").ok().and_then(|c| c.parse().ok());
    told.unwrap_or(80)
}

/// Seconds since 1970.
pub(super) fn clock() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0.0, |t| t.as_secs_f64())
}
