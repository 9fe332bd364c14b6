//! Stage `rollouts`: responses of the base to every training prompt, in shards of whole prompts; a killed run draws again only the shard it was at.
//!
//! Of a prompt's responses the first K calibrate, the next `check` check the calibration, and the rest are judged by the annotators of a reward
//! model that the run fits: no response serves two of these.

use std::path::Path;

use infalign_data::{Fingerprint, Metadata, RolloutRow, RunDir, read_rollouts, write_rollouts};
use infalign_lm::sample::Sampling;

use super::{
    base::Base,
    source::{Drawn, Missing, Source, list},
};
use crate::{
    ask::Question,
    config::Config,
    error::{Error, Result},
    run::Around,
    seeds::seed,
};

/// How a configuration draws, for one part of the run.
pub(crate) fn sampling(config: &Config, part: &str) -> Sampling {
    Sampling {
        temperature: config.sampling.temperature,
        max_tokens: config.sampling.max_tokens,
        stop: config.sampling.stop.clone(),
        seed: seed(config.seed, part),
        ..Sampling::default()
    }
}

/// Everything that decides a shard of rollouts.
fn inputs(
    base: &Base,
    questions: &[Question],
    samples: usize,
    sampling: &Sampling,
) -> Result<Fingerprint> {
    let mut inputs = base
        .fingerprint
        .clone()
        .value("sampling", sampling)?
        .value("samples", &samples)?;
    for q in questions {
        inputs = inputs
            .bytes(&q.prompt.id, q.text.as_bytes())
            .value("tokens", &q.prompt.tokens)?
            .value("turns", &q.of_a_chat())?;
    }
    Ok(inputs)
}

/// Draws `samples` responses to each question in shards under `folder`, or reads those that are there.
///
/// A shard of which a server left prompts unanswered is put off; the others are drawn, unless it answered none of a shard, and the same command asks
/// for the missing prompts alone.
///
/// # Errors
/// [`Error::Unanswered`] after the last shard.
pub(crate) fn sharded(
    dir: &mut RunDir,
    around: &Around<'_>,
    config: &Config,
    base: &mut Base,
    (folder, questions, samples): (&str, &[Question], usize),
) -> Result<Vec<RolloutRow>> {
    let sampling = sampling(config, folder);
    let shards = questions.len().div_ceil(config.calibration.shard);
    let mut all = Vec::with_capacity(questions.len());
    let mut missing = Vec::new();
    for (number, questions) in questions.chunks(config.calibration.shard).enumerate() {
        let name = format!("{folder}/{number:05}.parquet");
        let inputs = inputs(base, questions, samples, &sampling)?;
        let what = format!("{folder}: shard {} of {shards}", number + 1);
        let wanted = (questions, samples, &sampling);
        let done = dir.stage(&format!("{folder}/{number:05}"), &inputs, &[&name], |dir| {
            around.tell(&what);
            whole(dir, &name, &mut base.source, wanted, &inputs.hex())
        });
        match done {
            Ok(done) => around.tell_skipped(done, &what),
            Err(Error::Unanswered { missing: some, .. }) => {
                let gone = some.len() == questions.len();
                missing.extend(some);
                if gone {
                    break; // a server that answers nothing is not asked for the rest
                }
                continue;
            }
            Err(error) => return Err(error),
        }
        all.extend(read_rollouts(dir.file(&name))?.0);
    }
    base.source.close();
    let listed = format!("{folder}/missing.jsonl");
    all_answered(dir, &listed, missing, questions.len())?;
    Ok(all)
}

/// Draws a shard and writes it.
///
/// # Errors
/// [`Error::Unanswered`], with what was answered kept beside the shard's place.
pub(crate) fn whole(
    dir: &RunDir,
    name: &str,
    source: &mut Source,
    (questions, samples, sampling): (&[Question], usize, &Sampling),
    mark: &str,
) -> Result<()> {
    let part = dir.file(&format!("{name}.part"));
    match source.rows(questions, samples, sampling, (&part, mark))? {
        Drawn::Whole(rows) => {
            write(dir, name, &rows)?;
            remove(&part)
        }
        Drawn::Without(missing) => Err(Error::Unanswered {
            of: questions.len(),
            list: part,
            missing,
        }),
    }
}

/// Lists what was not answered, and says so; or removes an earlier list.
///
/// # Errors
/// [`Error::Unanswered`] unless nothing is missing.
pub(crate) fn all_answered(
    dir: &RunDir,
    name: &str,
    missing: Vec<Missing>,
    of: usize,
) -> Result<()> {
    let path = dir.file(name);
    if missing.is_empty() {
        return remove(&path);
    }
    dir.write(name, |out| out.write_all(list(&missing).as_bytes()))?;
    Err(Error::Unanswered {
        of,
        list: path,
        missing,
    })
}

fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            Err(infalign_data::Error::Write {
                path: path.to_owned(),
                source,
            }
            .into())
        }
        _ => Ok(()),
    }
}

/// Writes a shard, with its folder.
pub(crate) fn write(dir: &RunDir, name: &str, rows: &[RolloutRow]) -> Result<()> {
    write_shard(&dir.file(name), rows, &Metadata::default())
}

/// Writes rows with what is to be said of them, and the folder.
pub(crate) fn write_shard(path: &Path, rows: &[RolloutRow], about: &Metadata) -> Result<()> {
    make_folder(path)?;
    Ok(write_rollouts(path, rows, about)?)
}

/// Makes the folder that a file goes into.
pub(crate) fn make_folder(path: &Path) -> Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|source| infalign_data::Error::Write {
            path: folder.to_owned(),
            source,
        })?;
    }
    Ok(())
}
