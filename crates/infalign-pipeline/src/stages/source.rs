//! Where responses come from: a model that is loaded here, or one behind HTTP.

use std::{collections::BTreeMap, path::Path};

use infalign_data::{Fingerprint, RolloutRow, read_rollouts};
use infalign_lm::{Decoder, Device, Folder, Head, sample::Sampling};
use infalign_remote::{
    Key, LikelihoodJob, MissingPrompt, Patience, Prompt, PromptForm, RemotePolicy, SampleError,
};
use infalign_train::rl::{self, Draws, draw};
use serde_json::json;

use super::rollouts::write_shard;
use crate::{
    ask::Question,
    config::{Config, is_address},
    error::{Error, Result},
};

/// Bytes for keys and values.
pub(crate) const CACHE: usize = 256 << 20;

/// A policy to draw from.
pub(crate) enum Source {
    /// Loaded when it is first asked.
    Model(Box<Model>),
    /// Asked over the network.
    Server(Box<RemotePolicy>),
}

/// A model's folder, and the model once it is open.
pub(crate) struct Model {
    pub(crate) folder: Folder,
    device: Device,
    opened: Option<Decoder>,
}

/// A prompt that a server did not answer.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Missing {
    /// Names it.
    pub prompt_id: String,
    /// How often it was asked.
    pub tries: u32,
    /// The last fault.
    pub error: String,
}

/// What drawing came to.
pub(crate) enum Drawn {
    /// A row for each question.
    Whole(Vec<RolloutRow>),
    /// What is there is kept for the next time; these are not.
    Without(Vec<Missing>),
}

impl Source {
    /// A folder, or an address.
    pub(crate) fn open(place: &str, config: &Config, device: &Device) -> Result<Self> {
        if is_address(place) {
            return Ok(Self::Server(Box::new(server(place, config)?)));
        }
        Ok(Self::of_folder(Folder::open(config.at(place))?, device))
    }

    /// A model's folder.
    pub(crate) fn of_folder(folder: Folder, device: &Device) -> Self {
        Self::Model(Box::new(Model::new(folder, device)))
    }

    /// What reports call it.
    pub(crate) fn name(&self, place: &str) -> String {
        match self {
            Self::Model(_) => place.to_owned(),
            Self::Server(policy) => policy.model().to_owned(),
        }
    }

    /// Gives the memory of an opened model back.
    pub(crate) fn close(&mut self) {
        if let Self::Model(model) = self {
            model.opened = None;
        }
    }

    /// What decides its draws: of a model the files, of a server what it says of itself (two servers of one name are taken for the same).
    pub(crate) fn fingerprint(&self, inputs: Fingerprint) -> Result<Fingerprint> {
        match self {
            Self::Model(model) => {
                let mut inputs = inputs;
                for file in infalign_reward::model_files(model.folder.path())? {
                    let name = file.file_name().map(|n| n.to_string_lossy().into_owned());
                    inputs = inputs.file(&name.unwrap_or_default(), &file)?;
                }
                Ok(inputs)
            }
            Self::Server(policy) => Ok(inputs.value("served", &policy.model())?),
        }
    }

    /// `samples` responses to each question. `part` is where a server's answers are kept if some are missing; `mark` tells whether what lies there
    /// belongs to this draw.
    pub(crate) fn rows(
        &mut self,
        questions: &[Question],
        samples: usize,
        sampling: &Sampling,
        (part, mark): (&Path, &str),
    ) -> Result<Drawn> {
        match self {
            Self::Model(model) => model.rows(questions, samples, sampling).map(Drawn::Whole),
            Self::Server(policy) => asked(policy, questions, samples, sampling, (part, mark)),
        }
    }
}

impl Model {
    /// Not loaded yet.
    pub(crate) fn new(folder: Folder, device: &Device) -> Self {
        Self {
            folder,
            device: device.clone(),
            opened: None,
        }
    }

    /// The model, opened once.
    pub(crate) fn decoder(&mut self) -> Result<&mut Decoder> {
        let decoder = match self.opened.take() {
            Some(decoder) => decoder,
            None => {
                let mut decoder = Decoder::open(&self.folder, Head::CausalLm, 0, &self.device)?;
                decoder.freeze();
                decoder
            }
        };
        Ok(self.opened.insert(decoder))
    }

    /// One row for each question.
    pub(crate) fn rows(
        &mut self,
        questions: &[Question],
        samples: usize,
        sampling: &Sampling,
    ) -> Result<Vec<RolloutRow>> {
        let folder = self.folder.clone();
        let draws = Draws {
            sampling,
            eos: &folder.tokens().eos,
            tokenizer: folder.tokenizer()?,
            cache_bytes: CACHE,
        };
        let prompts: Vec<&rl::Prompt> = questions.iter().map(|q| &q.prompt).collect();
        let groups = draw(self.decoder()?, &prompts, 0..samples, draws)?;
        let row = |(q, group): (&Question, Vec<rl::Rollout>)| {
            let mut row = empty(q);
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
}

fn empty(question: &Question) -> RolloutRow {
    RolloutRow {
        prompt_id: question.prompt.id.to_string(),
        prompt: question.text.clone(),
        ..RolloutRow::default()
    }
}

/// The policy behind an address, asked as the configuration says.
fn server(address: &str, config: &Config) -> Result<RemotePolicy> {
    let s = &config.server;
    let key = match std::env::var_os(&s.key) {
        Some(_) => Some(Key::from_variable(&s.key)?),
        None => None,
    };
    let patience = Patience {
        deadline: std::time::Duration::from_secs_f64(s.deadline),
        most_in_flight: s.in_flight,
        ..Patience::default()
    };
    let dialect = (s.dialect != "auto").then_some(s.dialect.as_str());
    Ok(RemotePolicy::at(address, key, dialect, patience)?)
}

/// Where each id stands.
fn places(questions: &[Question]) -> BTreeMap<&str, usize> {
    let ids = questions.iter().map(|q| &*q.prompt.id);
    ids.enumerate().map(|(at, id)| (id, at)).collect()
}

/// Asks for what is not in `part`.
fn asked(
    policy: &RemotePolicy,
    questions: &[Question],
    samples: usize,
    sampling: &Sampling,
    (part, mark): (&Path, &str),
) -> Result<Drawn> {
    const MARK: &str = "inputs";
    let mut found: Vec<Option<RolloutRow>> = vec![None; questions.len()];
    let places = places(questions);
    let at = |id: &str| places.get(id).copied();
    if part.exists() {
        let (rows, about) = read_rollouts(part)?;
        for row in rows
            .into_iter()
            .filter(|_| about.get(MARK).is_some_and(|m| m == mark))
        {
            if let Some(at) = at(&row.prompt_id) {
                found[at] = Some(row);
            }
        }
    }
    let open: Vec<Prompt> = questions
        .iter()
        .zip(&found)
        .filter(|(_, row)| row.is_none())
        .map(|(q, _)| Prompt {
            id: q.prompt.id.to_string(),
            form: PromptForm::from(q.turns.clone()),
        })
        .collect();
    let settings = infalign_remote::Sampling {
        temperature: sampling.temperature,
        max_tokens: sampling.max_tokens,
        stop: sampling.stop.clone(),
        seed: sampling.seed,
        ..infalign_remote::Sampling::default()
    };
    let mut lost = Vec::new();
    let asked = policy.sample(open, samples, &settings, |end| {
        match end {
            Ok(rollout) => {
                if let Some(at) = at(&rollout.prompt_id) {
                    found[at] = Some(rollout.into_row(questions[at].text.clone()));
                }
            }
            Err(prompt) => lost.push(missing(prompt)),
        }
        Ok::<(), Error>(())
    });
    let stopped = match asked {
        Ok(()) => None,
        Err(SampleError::Remote(error)) => Some(error.into()),
        Err(SampleError::Each(error)) => Some(error),
    };
    let rows: Vec<RolloutRow> = found.into_iter().flatten().collect();
    if stopped.is_none() && rows.len() == questions.len() {
        return Ok(Drawn::Whole(rows));
    }
    if !rows.is_empty() {
        let about = [(MARK.to_owned(), mark.to_owned())];
        write_shard(part, &rows, &about.into())?;
    }
    match stopped {
        Some(error) => Err(error),
        None => Ok(Drawn::Without(lost)),
    }
}

/// log p of every response by a server, in nats: (questions, samples). `None` where it cannot say, or does not know the responses' tokens.
pub(crate) fn told(
    policy: &RemotePolicy,
    questions: &[Question],
    rows: &[RolloutRow],
) -> Result<Option<Vec<Vec<f64>>>> {
    if rows.iter().any(|row| row.tokens.is_empty()) {
        return Ok(None);
    }
    let places = places(questions);
    let mut lost = Vec::new();
    let mut prompts: Vec<Vec<u32>> = vec![Vec::new(); questions.len()];
    let texts = questions
        .iter()
        .map(|q| (q.prompt.id.to_string(), q.turns.clone()));
    let cut = policy.tokenise(texts, true, |end| {
        match end {
            Ok((id, tokens)) => {
                if let Some(&at) = places.get(id.as_str()) {
                    prompts[at] = tokens;
                }
            }
            Err(prompt) => lost.push(missing(prompt)),
        }
        Ok::<(), Error>(())
    });
    if unable(cut)? {
        return Ok(None);
    }
    let mut found: Vec<Vec<f64>> = rows.iter().map(|r| vec![0.0; r.tokens.len()]).collect();
    // A job's name is its place.
    let jobs = rows.iter().enumerate().flat_map(|(p, row)| {
        let prompt = &prompts[p];
        row.tokens
            .iter()
            .enumerate()
            .map(move |(n, tokens)| LikelihoodJob {
                id: format!("{p}/{n}"),
                prompt: prompt.clone(),
                response: tokens.clone(),
            })
    });
    let scored = policy.log_probs(jobs, |end| {
        match end {
            Ok(scored) => {
                let place = scored
                    .id
                    .split_once('/')
                    .map(|(p, n)| (p.parse(), n.parse()));
                if let Some((Ok::<usize, _>(p), Ok::<usize, _>(n))) = place {
                    found[p][n] = scored.log_probs.iter().sum();
                }
            }
            Err(response) => lost.push(missing(response)),
        }
        Ok::<(), Error>(())
    });
    if unable(scored)? {
        return Ok(None);
    }
    if lost.is_empty() {
        return Ok(Some(found));
    }
    Err(Error::Unanswered {
        of: rows.iter().map(|r| r.tokens.len()).sum(),
        list: std::path::PathBuf::new(),
        missing: lost,
    })
}

/// Whether a server cannot do what was asked; other errors are errors.
fn unable(ended: Result<(), SampleError<Error>>) -> Result<bool> {
    match ended {
        Ok(()) => Ok(false),
        Err(SampleError::Remote(infalign_remote::Error::Unable { .. })) => Ok(true),
        Err(SampleError::Remote(error)) => Err(error.into()),
        Err(SampleError::Each(error)) => Err(error),
    }
}

fn missing(prompt: MissingPrompt) -> Missing {
    Missing {
        tries: prompt.given_up.tries,
        error: prompt.given_up.to_string(),
        prompt_id: prompt.prompt_id,
    }
}

/// Where prompts that were not answered are listed.
pub(crate) fn list(missing: &[Missing]) -> String {
    missing
        .iter()
        .map(|m| json!(m).to_string() + "\n")
        .collect()
}
