//! `infalign calibrate --rewards`: files of rewards become a calibration table and its diagnostics while they stream by.

mod ids;
mod picked;

use std::{path::PathBuf, time::Instant};

use infalign::{
    TransformSpec,
    calibration::{TableSummary, TableTotals, sort_rows},
    design::{Budget, Question, design},
    evaluation::{CalibrationDiagnostics, Planned, diagnose},
};
use infalign_data::{
    CalibrationOf, CalibrationSink, ReadOptions, RewardBatch, stream_rewards, write_atomic,
    write_calibration_stream,
};
use infalign_report::{calibration_plots, calibration_words};
use serde::Serialize;

use self::{ids::Ids, picked::Picked};
use crate::{
    args::{Calibrate, Format},
    error::{Error, Result},
    print::{self, Table},
    resolve,
};

/// What the design is asked where nothing is typed.
const PROCEDURES: [&str; 2] = ["best-of:4", "worst-of:4"];

/// What was found.
#[derive(Debug, Serialize)]
struct Found {
    rewards: Vec<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    calibration: Option<PathBuf>,
    table: TableSummary,
    /// Of the prompts that were looked at closely; absent where none leaves rewards to check with.
    #[serde(skip_serializing_if = "Option::is_none")]
    diagnostics: Option<CalibrationDiagnostics>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    plots: Vec<PathBuf>,
}

pub(super) fn run(args: &Calibrate) -> Result<()> {
    check(args)?;
    if args.stage.machine.quiet {
        print::hush();
    }
    let planned = planned(args)?;
    let begun = Instant::now();
    let mut gone = Gone::default();
    match &args.out {
        None => gone.through(args, None)?,
        Some(out) => {
            let column = args.columns.reward_column.as_deref();
            let of = CalibrationOf {
                base_policy: args
                    .base
                    .clone()
                    .unwrap_or_else(|| "the policy that drew the rewarded responses".to_owned()),
                reward: column.unwrap_or("rewards").to_owned(),
                sampling: "as recorded".to_owned(),
            };
            write_calibration_stream(out, &of, |sink| gone.through(args, Some(sink)))?;
        }
    }
    let table = gone.totals.finish();
    let seconds = begun.elapsed().as_secs_f64();
    print::note(&format!(
        "{} rewards of {} prompts in {seconds:.2} s, {:.1} M/s",
        table.rewards,
        table.prompts,
        table.rewards as f64 / seconds / 1e6
    ));
    let prompts = gone.picked.prompts(args.check);
    if prompts.len() < table.prompts {
        print::note(&format!(
            "diagnostics of {} prompts, picked by their ids",
            prompts.len()
        ));
    }
    let seed = args.stage.place.seed.unwrap_or(0);
    let diagnostics = diagnose(&prompts, &planned, seed)?;
    let found = Found {
        plots: plots(args, diagnostics.as_ref())?,
        rewards: args.rewards.clone(),
        calibration: args.out.clone(),
        table,
        diagnostics,
    };
    match args.stage.format {
        Format::Json => print::json(&found),
        Format::Text => tell(&found),
    }
}

/// Refuses what is of the main job.
fn check(args: &Calibrate) -> Result<()> {
    let place = &args.stage.place;
    if place.set.is_empty() && place.name.is_none() && !place.overwrite {
        return resolve::budgets(&[args.kl]);
    }
    Err(Error::Usage(
        "--set, --name and --overwrite are of the main job: with --rewards, use --out".to_owned(),
    ))
}

/// What is kept of the rewards as they stream by.
#[derive(Default)]
struct Gone {
    totals: TableTotals,
    ids: Ids,
    picked: Picked,
}

impl Gone {
    fn through(&mut self, args: &Calibrate, sink: Option<&mut CalibrationSink<'_>>) -> Result<()> {
        let options = options(args);
        let mut sink = sink;
        let mut before = 0;
        for file in &args.rewards {
            stream_rewards(
                file,
                &options,
                before,
                |batch: &mut RewardBatch| -> Result<()> {
                    before += batch.prompts() as u64;
                    for prompt in 0..batch.prompts() {
                        let hash = self.ids.insert(batch.id(prompt));
                        self.picked
                            .insert(hash, batch.id(prompt), batch.rewards(prompt));
                    }
                    for (k, rows) in batch.runs_mut() {
                        sort_rows(rows, k);
                        self.totals.insert(rows, k);
                    }
                    match &mut sink {
                        Some(sink) => Ok(sink.append(batch)?),
                        None => Ok(()),
                    }
                },
            )?;
        }
        self.ids.finish(&args.rewards, &options)
    }
}

fn options(args: &Calibrate) -> ReadOptions {
    ReadOptions {
        prompt_column: args.columns.prompt_column.clone(),
        reward_column: args.columns.reward_column.clone(),
        ..ReadOptions::default()
    }
}

/// The designs whose K is asked: the transforms as typed, else the one that is recommended.
fn planned(args: &Calibrate) -> Result<Vec<Planned>> {
    let mut planned = Vec::new();
    let typed = resolve::transforms(&args.transforms)?;
    let procedures: Vec<&str> = match args.procedures.as_slice() {
        [] => PROCEDURES.to_vec(),
        typed => typed.iter().map(String::as_str).collect(),
    };
    for text in procedures {
        let procedure = resolve::procedure(text)?;
        let transforms = if typed.is_empty() {
            let question = Question::new(procedure.clone(), Budget::Kl(args.kl));
            resolve::transforms(&[design(&question)?.recommended.transform])?
        } else {
            typed.clone()
        };
        for transform in transforms {
            if let TransformSpec::Ready(transform) = transform {
                planned.push(Planned {
                    transform,
                    procedure: procedure.clone(),
                    kl: args.kl,
                });
            }
        }
    }
    Ok(planned)
}

/// One picture for each diagnostic.
fn plots(args: &Calibrate, found: Option<&CalibrationDiagnostics>) -> Result<Vec<PathBuf>> {
    let (Some(folder), Some(diagnostics)) = (&args.plots, found) else {
        return Ok(Vec::new());
    };
    std::fs::create_dir_all(folder).map_err(|source| infalign_data::Error::Write {
        path: folder.clone(),
        source,
    })?;
    let mut written = Vec::new();
    for (name, svg) in calibration_plots(diagnostics)? {
        let path = folder.join(format!("{name}.svg"));
        write_atomic(&path, |out| out.write_all(svg.as_bytes()))?;
        written.push(path);
    }
    Ok(written)
}

fn tell(found: &Found) -> Result<()> {
    let table = &found.table;
    print::text(format_args!(
        "{} prompts with {} rewards each; {:.1}% of the pairs of a prompt tie; {} prompts without any difference\n",
        table.prompts,
        if table.fewest == table.most {
            table.most.to_string()
        } else {
            format!("{} to {}", table.fewest, table.most)
        },
        100.0 * table.tie_share,
        table.flat_prompts,
    ))?;
    match &found.diagnostics {
        None => print::note("no prompt leaves rewards to check with; lower --check"),
        Some(diagnostics) => {
            let words = calibration_words(diagnostics);
            print::text(format_args!("{}\n", words.summary))?;
            let mut facts = Table::new(&["", ""]);
            for (name, value) in words.facts {
                facts.row([name, value]);
            }
            let spread: Vec<String> = words
                .spread
                .iter()
                .map(|(at, v)| format!("{at} {v}"))
                .collect();
            facts.row(["Spread of a prompt's rewards".to_owned(), spread.join(", ")]);
            print::text(facts)?;
            let mut needed =
                Table::new(&["transform", "procedure", "KL", "K needed", "this K costs"]);
            for row in words.needed {
                needed.row([row.transform, row.procedure, row.kl, row.k, row.cost]);
            }
            print::text(needed)?;
        }
    }
    for plot in &found.plots {
        print::text(format_args!("plot: {}\n", plot.display()))?;
    }
    match &found.calibration {
        Some(path) => print::text(format_args!("calibration: {}\n", path.display())),
        None => Ok(()),
    }
}
