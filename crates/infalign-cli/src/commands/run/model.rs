//! The main job with a model: configuration, run directory, progress on standard error, and the answer.

use std::{
    collections::BTreeMap,
    io::IsTerminal,
    num::NonZero,
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use infalign_data::Existing;
use infalign_lm::Device;
use infalign_pipeline::{
    Around, Config, Until, config, config::Trainer, estimate, run as pipeline,
};
use infalign_train::{
    Interrupt, Request, Telemetry,
    telemetry::{Board, Style},
};

use super::summary;
use crate::{
    args::{Format, Machine, Place},
    error::{Error, Result},
    machine, print,
};

/// What was typed.
pub(super) struct Job<'a> {
    pub(super) config: Option<&'a Path>,
    pub(super) place: &'a Place,
    pub(super) trained: &'a [String],
    pub(super) machine: &'a Machine,
    pub(super) format: Format,
    pub(super) dry: bool,
    pub(super) side_by_side: Option<NonZero<usize>>,
    pub(super) until: Until,
}

pub(super) fn run(job: &Job<'_>) -> Result<()> {
    let mut config = config::read(job.config, &job.place.set)?;
    if let Some(seed) = job.place.seed {
        config.seed = seed;
    }
    let trained = trained(job.trained, &config)?;
    let device = machine::open(job.machine)?;
    if job.dry {
        return dry(job, &config, &device);
    }
    let name = name(job.config, job.place);
    let existing = if job.place.overwrite {
        Existing::Overwrite
    } else {
        Existing::Resume
    };
    let board = Board::new(std::io::stderr(), style(job.machine.quiet));
    let told = board.clone();
    let interrupt = Interrupt::install(move |request| match request {
        Request::Stop => told.aside(|| {
            print::note("\nstopping: finishing the step, then saving; again to end at once");
        }),
        Request::Abort => {}
    })?;
    let say = |what: &str| board.aside(|| print::note(what));
    let watch = |name: &str, steps: u64| -> Box<dyn Fn(u64) -> Telemetry> {
        let (board, name) = (board.clone(), name.to_owned());
        Box::new(move |done| {
            if done > 0 {
                board.aside(|| print::note(&format!("{name}: going on after step {done}")));
            }
            Telemetry::new().with(board.line(&name, steps, done, clock()))
        })
    };
    let around = Around {
        say: &say,
        watch: &watch,
        interrupt: &interrupt,
        clock,
        trained,
        device,
        device_name: format!("{} {:?}", job.machine.device, job.machine.dtype),
        side_by_side: job.side_by_side,
    };
    let finished = pipeline(
        &config,
        &job.place.runs,
        &name,
        existing,
        job.until,
        &around,
    )?;
    match job.format {
        Format::Json => print::json(&finished.answer()),
        Format::Text => summary::print(&finished, &config, &typed(job)),
    }
}

/// How progress is shown.
fn style(quiet: bool) -> Style {
    match (quiet, std::io::stderr().is_terminal()) {
        (true, _) => Style::Quiet,
        (false, true) => Style::Terminal { columns: 100 },
        (false, false) => Style::Plain,
    }
}

/// The configuration and its run as they were typed.
fn typed(job: &Job<'_>) -> String {
    let Place {
        set,
        name,
        runs,
        seed,
        overwrite: _,
    } = job.place;
    let mut words: Vec<String> = job.config.iter().map(|c| c.display().to_string()).collect();
    words.extend(set.iter().flat_map(|s| ["--set".to_owned(), s.clone()]));
    words.extend(name.iter().flat_map(|n| ["--name".to_owned(), n.clone()]));
    if runs != Path::new("runs") {
        words.extend(["--runs".to_owned(), runs.display().to_string()]);
    }
    words.extend(
        seed.iter()
            .flat_map(|s| ["--seed".to_owned(), s.to_string()]),
    );
    let words = words.iter().map(String::as_str);
    shlex::try_join(words).unwrap_or_default()
}

/// Names and places of policies that another trainer made; a relative folder is the working directory's.
fn trained(typed: &[String], config: &Config) -> Result<BTreeMap<String, String>> {
    if !typed.is_empty() && config.train.trainer == Trainer::Infalign {
        return Err(Error::Usage(
            "--trained: the policies of this run are trained here; set train.trainer to the trainer that made them".to_owned(),
        ));
    }
    let mut found = BTreeMap::new();
    for text in typed {
        let (name, place) = text.split_once('=').ok_or_else(|| {
            Error::Usage(format!(
                "--trained {text}: write NAME=FOLDER or NAME=http://…"
            ))
        })?;
        let folder = std::path::absolute(place)
            .map_or_else(|_| place.to_owned(), |p| p.display().to_string());
        let is_address = place.contains("://");
        let place = if is_address { place.to_owned() } else { folder };
        if found.insert(name.to_owned(), place).is_some() {
            return Err(Error::Usage(format!("--trained {name}: it is given twice")));
        }
    }
    Ok(found)
}

/// The configuration's name, else the embedded task's.
pub(in crate::commands) fn name(config: Option<&Path>, place: &Place) -> String {
    let stem = config
        .and_then(Path::file_name)
        .and_then(|n| n.to_str())
        .and_then(|n| n.split('.').next())
        .filter(|s| !s.is_empty());
    match &place.name {
        Some(name) => name.clone(),
        None => stem.unwrap_or(config::TAVERN).to_owned(),
    }
}

/// What would be done, and its size.
fn dry(job: &Job<'_>, config: &Config, device: &Device) -> Result<()> {
    let plan = estimate(config, device, job.side_by_side, clock)?;
    match job.format {
        Format::Json => print::json(&plan),
        Format::Text => summary::plan(&plan, config),
    }
}

fn clock() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0.0, |d| d.as_secs_f64())
}
