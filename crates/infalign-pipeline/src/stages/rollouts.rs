//! Stage `rollouts`: responses of the base to every training prompt, in shards of whole prompts; a killed run draws again only the shard it was at.
//!
//! Of a prompt's responses the first K calibrate, the next `check` check the calibration, and the rest are judged by the annotators of a reward
//! model that the run fits: no response serves two of these.

use infalign_data::{Fingerprint, RolloutRow, RunDir, read_rollouts, write_rollouts};
use infalign_lm::{Decoder, Head, sample::Sampling};
use infalign_train::rl::{Draws, Prompt, Rollout, draw};

use crate::{
    ask::Question, config::Config, error::Result, run::Around, seeds::seed,
    stages::base::BasePolicy,
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

/// Opens the base for sampling.
pub(crate) fn model(base: &BasePolicy) -> Result<Decoder> {
    let mut model = Decoder::open(&base.folder, Head::CausalLm, 0, &base.policy.device)?;
    model.freeze();
    Ok(model)
}

/// Everything that decides a shard of rollouts.
fn inputs(
    base: &BasePolicy,
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
            .value("tokens", &q.prompt.tokens)?;
    }
    Ok(inputs)
}

/// Draws `samples` responses to each question in shards under `folder`, or reads those that are there.
pub(crate) fn sharded(
    dir: &mut RunDir,
    around: &mut Around<'_>,
    config: &Config,
    base: &BasePolicy,
    (folder, questions, samples): (&str, &[Question], usize),
) -> Result<Vec<RolloutRow>> {
    let sampling = sampling(config, folder);
    let shards = questions.len().div_ceil(config.calibration.shard);
    let mut all = Vec::with_capacity(questions.len());
    let mut opened: Option<Decoder> = None;
    for (number, questions) in questions.chunks(config.calibration.shard).enumerate() {
        let name = format!("{folder}/{number:05}.parquet");
        let inputs = inputs(base, questions, samples, &sampling)?;
        let what = format!("{folder}: shard {} of {shards}", number + 1);
        let done = dir.stage(&format!("{folder}/{number:05}"), &inputs, &[&name], |dir| {
            around.tell(&what);
            let mut decoder = match opened.take() {
                Some(decoder) => decoder,
                None => model(base)?,
            };
            let rows = rows(&mut decoder, questions, samples, draws(base, &sampling)?)?;
            opened = Some(decoder);
            write(dir, &name, &rows)
        })?;
        around.tell_skipped(done, &what);
        all.extend(read_rollouts(dir.file(&name))?.0);
    }
    Ok(all)
}

/// How the base's tokenizer and end tokens go with a sampling.
pub(crate) fn draws<'a>(base: &'a BasePolicy, sampling: &'a Sampling) -> Result<Draws<'a>> {
    Ok(Draws {
        sampling,
        eos: &base.folder.tokens().eos,
        tokenizer: base.folder.tokenizer()?,
        cache_bytes: CACHE,
    })
}

/// Bytes for keys and values.
pub(crate) const CACHE: usize = 256 << 20;

/// One record for each question.
pub(crate) fn rows(
    model: &mut Decoder,
    questions: &[Question],
    samples: usize,
    draws: Draws<'_>,
) -> Result<Vec<RolloutRow>> {
    let prompts: Vec<&Prompt> = questions.iter().map(|q| &q.prompt).collect();
    let groups = draw(model, &prompts, 0..samples, draws)?;
    let row = |(q, group): (&Question, Vec<Rollout>)| {
        let mut row = RolloutRow {
            prompt_id: q.prompt.id.to_string(),
            prompt: q.text.clone(),
            responses: Vec::with_capacity(group.len()),
            log_probs: Vec::with_capacity(group.len()),
            tokens: Vec::with_capacity(group.len()),
            truncated: Vec::with_capacity(group.len()),
        };
        for r in group {
            row.responses.push(r.text);
            row.log_probs.push(r.log_prob as f32);
            row.tokens.push(r.tokens);
            row.truncated.push(r.truncated);
        }
        row
    };
    Ok(questions.iter().zip(groups).map(row).collect())
}

/// Writes a shard, with its folder.
pub(crate) fn write(dir: &RunDir, name: &str, rows: &[RolloutRow]) -> Result<()> {
    let path = dir.file(name);
    make_folder(&path)?;
    Ok(write_rollouts(path, rows, &Default::default())?)
}

/// Makes the folder that a file goes into.
pub(crate) fn make_folder(path: &std::path::Path) -> Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|source| infalign_data::Error::Write {
            path: folder.to_owned(),
            source,
        })?;
    }
    Ok(())
}
