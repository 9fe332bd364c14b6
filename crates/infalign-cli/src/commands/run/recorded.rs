//! `infalign run --rollouts`: the main job on recorded rollouts, in a run directory that survives being killed.
//!
//! Stages: `calibration` (every prompt's rewards, sorted), `measure` (designs and measured win rates), `report` (one HTML file). Each is done once;
//! a killed run goes on where it was.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use infalign::{
    Procedure, TransformSpec,
    design::Design,
    recorded::{self, PromptRewards, Question, Recorded},
};
use infalign_data::{
    Calibration, Existing, Fingerprint, Identity, Outcome, ReadOptions, RewardTable, RunDir,
    read_table, write_calibration,
};
use infalign_report::{Meta, recorded_report};
use serde::Serialize;

use crate::{
    args::{Format, Run},
    error::{Error, Result},
    print, resolve,
};

const CALIBRATION: &str = "calibration.parquet";
const DESIGN: &str = "design.json";
const RESULTS: &str = "eval/results.json";
const REPORT: &str = "report.html";
/// What is measured where nothing is typed.
const PROCEDURES: [&str; 2] = ["best-of:4", "worst-of:4"];
const KLS: [f64; 4] = [0.1, 0.25, 0.5, 1.0];

/// The flags with what is taken where nothing is typed.
struct Asked<'a> {
    args: &'a Run,
    rollouts: &'a Path,
    procedures: Vec<String>,
    kl: Vec<f64>,
    seed: u64,
}

/// What decides a run's results; kept as `config.toml`.
#[derive(Debug, Serialize)]
struct Config<'a> {
    rollouts: &'a Path,
    prompt_column: Option<&'a str>,
    reward_column: Option<&'a str>,
    gold_columns: &'a [String],
    procedures: &'a [String],
    kl: &'a [f64],
    transforms: &'a [String],
}

pub(super) fn run(args: &Run, rollouts: &Path) -> Result<()> {
    if args.machine.quiet {
        print::hush();
    }
    let typed = |list: &[String], default: &[&str]| match list {
        [] => default.iter().map(|&t| t.to_owned()).collect(),
        list => list.to_vec(),
    };
    let asked = Asked {
        args,
        rollouts,
        procedures: typed(&args.procedures, &PROCEDURES),
        kl: if args.kl.is_empty() {
            KLS.to_vec()
        } else {
            args.kl.clone()
        },
        seed: args.place.seed.unwrap_or(0),
    };
    // Everything typed is checked before anything is written.
    let procedures = asked
        .procedures
        .iter()
        .map(|p| resolve::procedure(p))
        .collect::<Result<Vec<_>>>()?;
    let transforms = resolve::transforms(&args.transforms)?;
    resolve::budgets(&asked.kl)?;
    let name = match &args.place.name {
        Some(name) => name.clone(),
        None => default_name(rollouts),
    };
    let config = Config {
        rollouts,
        prompt_column: args.columns.prompt_column.as_deref(),
        reward_column: args.columns.reward_column.as_deref(),
        gold_columns: &args.gold_column,
        procedures: &asked.procedures,
        kl: &asked.kl,
        transforms: &args.transforms,
    };
    let table = read(rollouts, args)?;
    let named = resolve::files(&asked.procedures, &args.transforms)?;
    let inputs: Vec<&Path> = std::iter::once(rollouts)
        .chain(named.iter().map(PathBuf::as_path))
        .collect();
    let identity = Identity {
        version: env!("CARGO_PKG_VERSION"),
        seed: asked.seed,
        config: &config,
        defaults: None,
        inputs: &inputs,
        root: Path::new(""),
    };
    let existing = if args.place.overwrite {
        Existing::Overwrite
    } else {
        Existing::Resume
    };
    let mut dir = RunDir::open(&args.place.runs, &name, &identity, existing)?;
    let results = match stages(&mut dir, &asked, &config, &table, (procedures, transforms)) {
        Ok(results) => results,
        Err(error) => {
            // A table that cannot be measured is only known now; the corrected command finds the place as it was.
            if error.exit_code() == 2 {
                dir.abandon()?;
            }
            return Err(error);
        }
    };
    match args.format {
        Format::Json => print::json(&results),
        Format::Text => print::recorded(&results, &dir.file(REPORT)),
    }
}

/// Does what is not done yet.
fn stages(
    dir: &mut RunDir,
    asked: &Asked<'_>,
    config: &Config<'_>,
    table: &RewardTable,
    (procedures, transforms): (Vec<Arc<dyn Procedure>>, Vec<TransformSpec>),
) -> Result<Recorded> {
    let mut source = Fingerprint::new()
        .file("rollouts", asked.rollouts)?
        .value("config", config)?
        .value("seed", &asked.seed)?;
    for file in resolve::files(&asked.procedures, &asked.args.transforms)? {
        source = source.file(&file.display().to_string(), &file)?;
    }
    stage(dir, "calibration", &source, &[CALIBRATION], |dir| {
        let base = "the policy that drew the recorded rollouts";
        let calibration = Calibration::new(table, 0, base, "as recorded")?;
        Ok(write_calibration(dir.file(CALIBRATION), &calibration)?)
    })?;
    stage(dir, "measure", &source, &[DESIGN, RESULTS], |dir| {
        let columns = table.columns().to_vec();
        let question = Question {
            procedures,
            kls: asked.kl.clone(),
            transforms,
            columns,
            seed: asked.seed,
        };
        let (results, designs) = recorded::run(&prompts(table), &question)?;
        write_json(dir, DESIGN, &designs)?;
        write_json(dir, RESULTS, &results)
    })?;
    let results: Recorded = read_json(&dir.file(RESULTS))?;
    let inputs = Fingerprint::new().stage(dir, "measure")?;
    stage(dir, "report", &inputs, &[REPORT], |dir| {
        let designs: Vec<Design> = read_json(&dir.file(DESIGN))?;
        let page = recorded_report(&results, &designs, &meta(asked, dir))?;
        Ok(dir.write(REPORT, |out| out.write_all(page.as_bytes()))?)
    })?;
    Ok(results)
}

fn default_name(rollouts: &Path) -> String {
    let stem = rollouts
        .file_name()
        .and_then(|n| n.to_str())
        .and_then(|n| n.split('.').next());
    stem.filter(|s| !s.is_empty())
        .unwrap_or("rollouts")
        .to_owned()
}

fn read(path: &Path, args: &Run) -> Result<RewardTable> {
    let options = ReadOptions {
        prompt_column: args.columns.prompt_column.clone(),
        reward_column: args.columns.reward_column.clone(),
        gold_columns: args.gold_column.clone(),
        ..ReadOptions::default()
    };
    Ok(read_table(path, &options)?)
}

/// Does a stage, or says that it was done.
fn stage(
    dir: &mut RunDir,
    name: &str,
    inputs: &Fingerprint,
    outputs: &[&str],
    work: impl FnOnce(&RunDir) -> Result<()>,
) -> Result<()> {
    if dir.stage(name, inputs, outputs, work)? == Outcome::Skipped {
        print::note(&format!("{name}: done before, unchanged"));
    }
    Ok(())
}

fn prompts(table: &RewardTable) -> Vec<PromptRewards<'_>> {
    (0..table.prompts())
        .map(|prompt| PromptRewards {
            id: table.id(prompt),
            columns: (0..table.columns().len())
                .map(|column| table.rewards(column, prompt))
                .collect(),
        })
        .collect()
}

fn write_json(dir: &RunDir, name: &str, value: &impl Serialize) -> Result<()> {
    Ok(dir.write(name, |mut out| {
        serde_json::to_writer_pretty(&mut out, value)?;
        out.write_all(b"\n")
    })?)
}

fn read_json<T: serde::de::DeserializeOwned>(path: &PathBuf) -> Result<T> {
    let bytes = std::fs::read(path).map_err(|source| infalign_data::Error::Read {
        path: path.clone(),
        source,
    })?;
    serde_json::from_slice(&bytes).map_err(|e| {
        Error::Usage(format!(
            "{}: {e}; delete it and run again, or use --overwrite",
            path.display()
        ))
    })
}

/// What the report says of how to make it again.
fn meta(asked: &Asked<'_>, dir: &RunDir) -> Meta {
    let args = asked.args;
    let mut command = vec!["infalign run".to_owned()];
    let mut flag = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            command.push(format!("--{name} {}", quoted(&value)));
        }
    };
    flag("rollouts", Some(asked.rollouts.display().to_string()));
    flag("prompt-column", args.columns.prompt_column.clone());
    flag("reward-column", args.columns.reward_column.clone());
    flag(
        "gold-column",
        (!args.gold_column.is_empty()).then(|| args.gold_column.join(",")),
    );
    for procedure in &asked.procedures {
        flag("procedure", Some(procedure.clone()));
    }
    let kls: Vec<String> = asked.kl.iter().map(ToString::to_string).collect();
    flag("kl", Some(kls.join(",")));
    flag(
        "transforms",
        (!args.transforms.is_empty()).then(|| args.transforms.join(",")),
    );
    flag("seed", Some(asked.seed.to_string()));
    let mut entries = vec![
        ("Command".to_owned(), command.join(" ")),
        (
            "Version".to_owned(),
            format!("infalign {}", env!("CARGO_PKG_VERSION")),
        ),
    ];
    for (input, hash) in &dir.manifest().inputs {
        entries.push((format!("SHA-256 of {input}"), hash.clone()));
    }
    let title = asked
        .rollouts
        .file_name()
        .map_or_else(String::new, |n| n.to_string_lossy().into_owned());
    Meta { title, entries }
}

/// An argument as a shell would take it.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:,=+".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}
