//! `infalign score --policy`: log-probabilities of given responses by a policy behind HTTP.

use std::{collections::BTreeMap, convert::Infallible};

use infalign_data::{Turns, read_scoring};
use infalign_remote::{LikelihoodJob, MissingPrompt, Patience, SampleError};
use serde::Serialize;

use crate::{
    args::{Format, Score},
    commands::sample::server::open,
    error::{Error, Result},
    print::{self, Table},
};

/// A response with what the server says of it.
#[derive(Serialize)]
struct Line {
    prompt_id: String,
    index: u64,
    response: String,
    tokens: usize,
    /// log π(response | prompt) in nats, of the model's own distribution.
    log_prob: f64,
}

/// Keeps what came, and what did not.
struct Kept<T> {
    found: BTreeMap<String, T>,
    missing: Vec<MissingPrompt>,
}

impl<T> Kept<T> {
    /// Everything that `ask` hands over, by its name.
    fn of(
        ask: impl FnOnce(
            &mut dyn FnMut(Result<(String, T), MissingPrompt>) -> Result<(), Infallible>,
        ) -> Result<(), SampleError<Infallible>>,
    ) -> Result<Self> {
        let (mut found, mut missing) = (BTreeMap::new(), Vec::new());
        let asked = ask(&mut |end| {
            match end {
                Ok((id, value)) => drop(found.insert(id, value)),
                Err(one) => missing.push(one),
            }
            Ok(())
        });
        match asked {
            Ok(()) => Ok(Self { found, missing }),
            Err(SampleError::Remote(error)) => Err(error.into()),
            Err(SampleError::Each(never)) => match never {},
        }
    }
}

pub(super) fn run(args: &Score, address: &str, format: Format) -> Result<()> {
    let policy = open(address, None, Patience::default())?;
    let (mut prompts, mut responses, mut lines) = (Vec::new(), Vec::new(), Vec::new());
    let mut known = BTreeMap::new();
    for row in read_scoring(&args.data)? {
        let row = row?;
        for (n, response) in row.responses.iter().enumerate() {
            // A job's name is its place: rows may share an id.
            let name = lines.len().to_string();
            prompts.push((name.clone(), row.prompt.clone()));
            match &row.tokens {
                Some(tokens) => drop(known.insert(name, tokens.clone())),
                None => responses.push((name, Turns::Text(response.clone()))),
            }
            lines.push(Line {
                prompt_id: row.id.clone(),
                index: row.index + n as u64,
                response: response.clone(),
                tokens: 0,
                log_prob: 0.0,
            });
        }
    }
    let of_prompts = Kept::of(|each| policy.tokenise(prompts, true, each))?;
    let mut of_responses = Kept::of(|each| policy.tokenise(responses, false, each))?;
    of_responses.found.extend(known);
    let jobs = of_prompts.found.iter().filter_map(|(name, prompt)| {
        Some(LikelihoodJob {
            id: name.clone(),
            prompt: prompt.clone(),
            response: of_responses.found.get(name)?.clone(),
        })
    });
    let scored = Kept::of(|each| {
        policy.log_probs(jobs, |end| {
            each(end.map(|scored| (scored.id, scored.log_probs)))
        })
    })?;
    let mut table = (format == Format::Text)
        .then(|| Table::new(&["prompt", "response", "tokens", "log π", "per token"]));
    for (number, mut line) in lines.into_iter().enumerate() {
        let Some(log_probs) = scored.found.get(&number.to_string()) else {
            continue;
        };
        line.tokens = log_probs.len();
        line.log_prob = log_probs.iter().sum();
        match &mut table {
            None => print::json_line(&line)?,
            Some(table) => table.row(vec![
                line.prompt_id.clone(),
                line.index.to_string(),
                line.tokens.to_string(),
                format!("{:.4}", line.log_prob),
                format!("{:.4}", line.log_prob / line.tokens.max(1) as f64),
            ]),
        }
    }
    if let Some(table) = table {
        print::text(table.numbers())?;
    }
    let missing: Vec<_> = of_prompts
        .missing
        .iter()
        .chain(&of_responses.missing)
        .chain(&scored.missing)
        .collect();
    let Some(first) = missing.first() else {
        return Ok(());
    };
    Err(Error::Unanswered(format!(
        "{} responses have no log-probability after all tries; the first fault: {}",
        missing.len(),
        first.given_up
    )))
}
