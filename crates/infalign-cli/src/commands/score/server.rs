//! `infalign score --policy`: log-probabilities of given responses by a policy behind HTTP.

use std::{collections::BTreeMap, convert::Infallible};

use infalign_data::{ScoringRow, Turns, read_scoring};
use infalign_remote::{LikelihoodJob, MissingPrompt, Patience, RemotePolicy, SampleError};
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

/// Rows that are asked for together: enough to keep a server busy, few enough to be held.
const TOGETHER: usize = 256;

pub(super) fn run(args: &Score, address: &str, format: Format) -> Result<()> {
    let policy = open(address, None, Patience::default())?;
    let mut rows = read_scoring(&args.data)?;
    let mut table = (format == Format::Text)
        .then(|| Table::new(&["prompt", "response", "tokens", "log π", "per token"]));
    let (mut without, mut first) = (0, None);
    loop {
        let some: Vec<ScoringRow> = rows
            .by_ref()
            .take(TOGETHER)
            .collect::<Result<_, infalign_data::Error>>()?;
        if some.is_empty() {
            break;
        }
        let (lines, missing) = scored(&policy, &some)?;
        without += some.iter().map(|r| r.responses.len()).sum::<usize>() - lines.len();
        first = first.or(missing);
        for line in lines {
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
    }
    if let Some(table) = table {
        print::text(table.numbers())?;
    }
    match first {
        None => Ok(()),
        Some(first) => Err(Error::Unanswered(format!(
            "{without} responses have no log-probability after all tries; the first fault: {}",
            first.given_up
        ))),
    }
}

/// What a policy says of the responses of some rows, in their order, and the first that it did not answer. A job's name is its place, since rows
/// may share an id.
fn scored(
    policy: &RemotePolicy,
    rows: &[ScoringRow],
) -> Result<(Vec<Line>, Option<MissingPrompt>)> {
    let prompts = rows
        .iter()
        .enumerate()
        .map(|(r, row)| (r.to_string(), row.prompt.clone()));
    let prompts = Kept::of(|each| policy.tokenise(prompts, true, each))?;
    let name = |r: usize, n: usize| format!("{r}/{n}");
    let texts = rows.iter().enumerate().flat_map(|(r, row)| {
        let texts = row.responses.iter().filter(|_| row.tokens.is_none());
        texts
            .enumerate()
            .map(move |(n, text)| (name(r, n), Turns::Text(text.clone())))
    });
    let mut responses = Kept::of(|each| policy.tokenise(texts, false, each))?;
    for (r, row) in rows.iter().enumerate() {
        // A row with tokens has one response.
        if let Some(tokens) = &row.tokens {
            responses.found.insert(name(r, 0), tokens.clone());
        }
    }
    let jobs = responses.found.into_iter().filter_map(|(id, response)| {
        let prompt = prompts.found.get(id.split('/').next()?)?.clone();
        Some(LikelihoodJob {
            id,
            prompt,
            response,
        })
    });
    let told = Kept::of(|each| {
        policy.log_probs(jobs, |end| {
            each(end.map(|scored| (scored.id, scored.log_probs)))
        })
    })?;
    let mut lines = Vec::new();
    for (r, row) in rows.iter().enumerate() {
        for (n, response) in row.responses.iter().enumerate() {
            let Some(log_probs) = told.found.get(&name(r, n)) else {
                continue;
            };
            lines.push(Line {
                prompt_id: row.id.clone(),
                index: row.index + n as u64,
                response: response.clone(),
                tokens: log_probs.len(),
                log_prob: log_probs.iter().sum(),
            });
        }
    }
    let mut missing = [prompts.missing, responses.missing, told.missing]
        .into_iter()
        .flatten();
    Ok((lines, missing.next()))
}
