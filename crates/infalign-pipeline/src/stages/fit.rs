//! Stage `reward-model`: a reward model trained on preferences (Bradley–Terry), before anything is rewarded.
//!
//! The embedded task's annotators judge responses of the base that serve nothing else: they have a folder and seeds of their own.

use std::{fs, path::PathBuf};

use infalign_data::{Fingerprint, RecordOptions, RunDir, Turns, read_preferences};
use infalign_lm::Folder;
use infalign_reward::{Dress, Reading};
use infalign_train::{
    Decay, Habits, Outcome, Schedule, Surroundings, Warmup,
    preference::{self, Pair, PreferenceRun, Settings, Start},
    write_reward_model,
};

use super::{base::Base, remove_checkpoints, rollouts::sharded, write_json};
use crate::{
    ask::Questions,
    config::{Config, TAVERN},
    error::{Error, Result},
    run::Around,
    seeds::seed,
};

pub(crate) const FOLDER: &str = "reward-model";
const JUDGED: &str = "annotated";
const SUMMARY: &str = "reward-model/fit.json";
/// Responses of each prompt that the embedded task's annotators compare.
const COMPARED: usize = 24;
/// The share of pairs that is held out to judge the reward model by.
const HELD_OUT: usize = 10;

/// Trains the reward model where the configuration wants one; the place where it lies.
pub(crate) fn fit(
    dir: &mut RunDir,
    around: &Around<'_>,
    config: &Config,
    base: &mut Base,
    questions: &Questions,
) -> Result<PathBuf> {
    let place = dir.file(FOLDER);
    if !config.fits() {
        return Ok(place);
    }
    let fit = &config.reward.fit;
    let folder = if fit.model.is_empty() {
        base.here()?.folder.clone()
    } else {
        Folder::open(config.at(&fit.model))?
    };
    let reading = Reading::new(&folder, Dress::Auto, false)?;
    let (pairs, source) = if fit.preferences == TAVERN {
        annotated(dir, around, config, base, questions, &reading)?
    } else {
        recorded(config, &reading)?
    };
    let inputs = source
        .value("fit", fit)?
        .value("seed", &config.seed)?
        .value("base", &base.fingerprint.hex())?;
    let inputs = around.fingerprint(inputs)?;
    let outputs = [
        "model.safetensors",
        "config.json",
        "metrics.jsonl",
        "fit.json",
    ];
    let outputs = outputs.map(|name| format!("{FOLDER}/{name}"));
    let outputs: Vec<&str> = outputs.iter().map(String::as_str).collect();
    let done = dir.stage(FOLDER, &inputs, &outputs, |dir| {
        around.tell(&format!("reward model: {} preferences", pairs.len()));
        train(dir, around, config, &folder, &pairs)
    })?;
    around.tell_skipped(done, "reward model");
    remove_checkpoints(&place)?;
    Ok(place)
}

fn train(
    dir: &RunDir,
    around: &Around<'_>,
    config: &Config,
    folder: &Folder,
    pairs: &[Pair],
) -> Result<()> {
    let fit = &config.reward.fit;
    let place = dir.file(FOLDER);
    fs::create_dir_all(&place).map_err(|source| infalign_data::Error::Write {
        path: place.clone(),
        source,
    })?;
    let (held_out, learned) = pairs.split_at(pairs.len() / HELD_OUT);
    let steps = (learned.len() as f64 * fit.epochs / fit.batch_size as f64)
        .ceil()
        .max(1.0) as u64;
    let settings = Settings {
        steps,
        batch_size: fit.batch_size,
        validation_every: steps.div_ceil(4),
        seed: seed(config.seed, FOLDER),
        schedule: Schedule {
            peak: fit.learning_rate,
            warmup: Warmup::Fraction(0.05),
            decay: Decay::Linear,
            floor: 0.05,
        },
        ..Settings::default()
    };
    let habits = Habits {
        save_every: config.train.save_every.max(1),
        save_seconds: 60.0,
        keep: 2,
        recompute: false,
    };
    let start = Start::Folder(Box::new(folder.clone()), around.device.clone());
    let watched = around.watch("reward model", steps);
    let mut watch = move |step: u64| watched(step);
    let outcome = preference::train(PreferenceRun {
        start: &start,
        pairs: learned,
        held_out,
        settings: &settings,
        habits: &habits,
        around: Surroundings {
            directory: &place,
            watch: &mut watch,
            interrupt: around.interrupt,
            clock: around.clock,
        },
    })?;
    let model = match outcome {
        Outcome::Done(model) => model,
        Outcome::Interrupted { step } => {
            return Err(Error::Interrupted {
                at: vec![("the reward model".to_owned(), step)],
            });
        }
    };
    write_reward_model(&model, Some(folder.path()), folder.tokenizer()?, &place)?;
    let judged = preference::judge(&model, held_out)?;
    write_json(dir, SUMMARY, &preference::evaluate(&judged)?)
}

/// Pairs that the embedded task's annotators judge.
fn annotated(
    dir: &mut RunDir,
    around: &Around<'_>,
    config: &Config,
    base: &mut Base,
    questions: &Questions,
    reading: &Reading,
) -> Result<(Vec<Pair>, Fingerprint)> {
    let asked = (JUDGED, questions.training.as_slice(), COMPARED);
    let rows = sharded(dir, around, config, base, asked)?;
    let samples: Vec<(&str, Vec<&str>)> = rows
        .iter()
        .map(|r| {
            (
                r.prompt.as_str(),
                r.responses.iter().map(String::as_str).collect(),
            )
        })
        .collect();
    let seed = seed(config.seed, "annotators");
    let judged = infalign_tavern::preferences(seed, config.reward.fit.pairs, &samples)?;
    let source = Fingerprint::new().value("preferences", &judged)?;
    let number = |prompt: &str| {
        let at = rows.iter().position(|r| r.prompt == prompt);
        at.unwrap_or(0) as u64
    };
    let pair = |p: &infalign_tavern::Pair| {
        let read = |response: &str| {
            let text = |t: &str| Turns::Text(t.to_owned());
            reading.tokens(&text(&p.prompt), &text(response))
        };
        Ok(Pair {
            prompt: number(&p.prompt),
            chosen: read(&p.chosen)?,
            rejected: read(&p.rejected)?,
            margin: 0.0,
            tie: false,
        })
    };
    let pairs = judged.iter().map(pair).collect::<Result<_>>()?;
    Ok((pairs, source))
}

/// Pairs of a file.
fn recorded(config: &Config, reading: &Reading) -> Result<(Vec<Pair>, Fingerprint)> {
    let fit = &config.reward.fit;
    let file = config.at(&fit.preferences);
    let mut pairs = Vec::new();
    for (number, row) in read_preferences(&file, &RecordOptions::default())?
        .take(fit.pairs)
        .enumerate()
    {
        let row = row?;
        pairs.push(Pair {
            prompt: number as u64,
            chosen: reading.tokens(&row.prompt, &row.chosen)?,
            rejected: reading.tokens(&row.prompt, &row.rejected)?,
            margin: row.margin.unwrap_or(0.0) as f32,
            tie: row.tie,
        });
    }
    let source = Fingerprint::new()
        .file("preferences", &file)?
        .value("pairs", &fit.pairs)?;
    Ok((pairs, source))
}
