//! `infalign sample --policy`: responses of a policy behind HTTP, printed, or into a shard that a killed command completes.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::IsTerminal,
    path::Path,
    time::{Duration, Instant},
};

use infalign_data::{Metadata, RolloutRow, Turns, read_prompts, read_rollouts, write_rollouts};
use infalign_remote::{
    Key, MissingPrompt, Patience, Prompt, RemotePolicy, Rollout, SampleError, Sampling,
};
use infalign_train::Interrupt;
use serde_json::json;

use crate::{
    args::{Format, Sample},
    error::{Error, Result},
    print,
};

/// How often a growing shard is written.
const SAVED_EVERY: Duration = Duration::from_secs(20);

/// Opens the policy at `ADDRESS[#MODEL]`.
pub(in crate::commands) fn open(
    address: &str,
    dialect: Option<&str>,
    patience: Patience,
) -> Result<RemotePolicy> {
    let key = Key::from_environment()?;
    Ok(RemotePolicy::at(address, key, dialect, patience)?)
}

pub(super) fn run(args: &Sample, address: &str) -> Result<()> {
    let settings = settings(args);
    settings.validate()?;
    let asked = asked(args)?;
    if asked.is_empty() {
        return Err(Error::Usage(
            "no prompt; give some, or a file of them with --prompts".to_owned(),
        ));
    }
    if !(args.deadline > 0.0 && args.deadline < 1e7) {
        return Err(Error::Usage(format!(
            "--deadline {}: expected seconds above 0",
            args.deadline
        )));
    }
    let patience = Patience {
        deadline: Duration::from_secs_f64(args.deadline),
        most_in_flight: args.in_flight,
        ..Patience::default()
    };
    let policy = open(address, args.dialect.as_deref(), patience)?;
    let about = policy.describe();
    print::note(&format!(
        "{} at {} ({}); log-probabilities are of {:?}",
        about.model,
        about.address,
        about.server,
        policy.log_probs_of(&settings)
    ));
    match &args.out {
        Some(file) => into_shard(args, &policy, &settings, &asked, file),
        None => printed(args, &policy, &settings, &asked),
    }
}

fn settings(args: &Sample) -> Sampling {
    let plain = Sampling::default();
    Sampling {
        temperature: args.temperature.unwrap_or(plain.temperature),
        top_k: args.top_k.unwrap_or(plain.top_k),
        top_p: args.top_p.unwrap_or(plain.top_p),
        min_p: args.min_p.unwrap_or(plain.min_p),
        max_tokens: args.max_tokens.unwrap_or(plain.max_tokens),
        stop: args.stop.clone(),
        ignore_eos: args.ignore_eos,
        seed: args.seed,
        ..plain
    }
}

/// Ids and prompts; an id stands for one prompt.
fn asked(args: &Sample) -> Result<Vec<(String, Turns)>> {
    let typed = args.prompt.iter().enumerate();
    let mut asked: Vec<(String, Turns)> = typed
        .map(|(number, text)| (number.to_string(), Turns::Text(text.clone())))
        .collect();
    if let Some(file) = &args.prompts {
        for row in read_prompts(file)? {
            let row = row?;
            asked.push((row.id, row.prompt));
        }
    }
    Ok(asked)
}

/// Where each id stands.
fn places(asked: &[(String, Turns)]) -> BTreeMap<&str, usize> {
    asked
        .iter()
        .enumerate()
        .map(|(at, (id, _))| (id.as_str(), at))
        .collect()
}

/// Hands every prompt's rollout to `take`, and lists what has none.
fn draw(
    policy: &RemotePolicy,
    (prompts, n, settings): (&[&(String, Turns)], usize, &Sampling),
    mut take: impl FnMut(Rollout) -> Result<()>,
) -> Result<Vec<MissingPrompt>> {
    let mut missing = Vec::new();
    let jobs = prompts.iter().map(|(id, turns)| Prompt {
        id: id.clone(),
        form: turns.clone().into(),
    });
    let done = policy.sample(jobs, n, settings, |end| match end {
        Ok(rollout) => take(rollout),
        Err(prompt) => {
            missing.push(prompt);
            Ok(())
        }
    });
    match done {
        Ok(()) => Ok(missing),
        Err(SampleError::Remote(error)) => Err(error.into()),
        Err(SampleError::Each(error)) => Err(error),
    }
}

/// The end: nothing is missing, or everything that is, is named.
fn ended(missing: &[MissingPrompt], of: usize, remedy: &str) -> Result<()> {
    if missing.is_empty() {
        return Ok(());
    }
    for prompt in missing {
        print::note(&prompt.to_string());
    }
    Err(Error::Unanswered(format!(
        "{} of {of} prompts have no responses after all tries; {remedy}",
        missing.len()
    )))
}

/// Prints in the order in which prompts are whole.
fn printed(
    args: &Sample,
    policy: &RemotePolicy,
    settings: &Sampling,
    asked: &[(String, Turns)],
) -> Result<()> {
    let format = args.format.unwrap_or(if std::io::stdout().is_terminal() {
        Format::Text
    } else {
        Format::Json
    });
    let all: Vec<_> = asked.iter().collect();
    let of = policy.log_probs_of(settings);
    let places = places(asked);
    let missing = draw(policy, (&all, args.n, settings), |rollout| {
        let prompt = places
            .get(rollout.prompt_id.as_str())
            .map(|&at| &asked[at].1);
        for (index, response) in rollout.responses.iter().enumerate() {
            match format {
                Format::Text => print::text(format_args!("{}\n\n", response.text))?,
                Format::Json => print::json_line(&json!({
                    "prompt_id": rollout.prompt_id,
                    "index": index,
                    "prompt": prompt,
                    "text": response.text,
                    "tokens": response.token_ids,
                    "log_probs": response.token_log_probs,
                    "log_probs_of": of,
                    "finish_reason": if response.truncated { "length" } else { "stop" },
                }))?,
            }
        }
        Ok(())
    })?;
    ended(&missing, asked.len(), "ask for them again")
}

/// Completes a shard.
fn into_shard(
    args: &Sample,
    policy: &RemotePolicy,
    settings: &Sampling,
    asked: &[(String, Turns)],
    file: &Path,
) -> Result<()> {
    let about: Metadata = [
        ("policy", policy.model().to_owned()),
        (
            "sampling",
            json!({"n": args.n, "settings": settings}).to_string(),
        ),
        (
            "log_probs_of",
            json!(policy.log_probs_of(settings)).to_string(),
        ),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into();
    let mut rows: Vec<RolloutRow> = Vec::new();
    if file.exists() {
        let (found, before) = read_rollouts(file)?;
        if before != about {
            return Err(Error::Usage(format!(
                "{} holds responses of another policy or sampling; name another file, or remove it",
                file.display()
            )));
        }
        rows = found;
    }
    let known: BTreeSet<&str> = rows.iter().map(|row| row.prompt_id.as_str()).collect();
    let open: Vec<_> = asked
        .iter()
        .filter(|(id, _)| !known.contains(id.as_str()))
        .collect();
    if !rows.is_empty() {
        print::note(&format!(
            "{}: {} of {} prompts are there",
            file.display(),
            asked.len() - open.len(),
            asked.len()
        ));
    }
    let interrupt = Interrupt::install(|_| print::note("\nstopping: saving what is there"))?;
    let mut saved = Instant::now();
    let places = places(asked);
    let drawn = draw(policy, (&open, args.n, settings), |rollout| {
        let prompt = places
            .get(rollout.prompt_id.as_str())
            .map(|&at| &asked[at].1);
        rows.push(rollout.into_row(prompt.map(infalign_serve::prompt_key).unwrap_or_default()));
        if interrupt.requested() {
            return Err(Error::Interrupted(format!(
                "stopped with {} of {} prompts in {}; the same command asks for the others",
                rows.len(),
                asked.len(),
                file.display()
            )));
        }
        if saved.elapsed() > SAVED_EVERY {
            write_rollouts(file, &rows, &about)?;
            saved = Instant::now();
        }
        Ok(())
    });
    // In the order of the prompts, whatever the server did first.
    rows.sort_by_key(|row| places.get(row.prompt_id.as_str()));
    if !rows.is_empty() {
        write_rollouts(file, &rows, &about)?;
    }
    ended(&drawn?, asked.len(), "the same command asks for them alone")
}
