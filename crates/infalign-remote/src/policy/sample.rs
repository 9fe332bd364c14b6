//! Sampling: n responses to each of many prompts, each prompt handed over once, whole or as missing.

use std::{cell::RefCell, iter};

use infalign_data::{Message, RolloutRow, Turns};
use serde_json::{Value, json};

use super::{assemble::Blocks, choice, open::RemotePolicy, sampling::Sampling, seed::block_seed};
use crate::{error::Error, fault::GivenUp, wire::Request};

/// A prompt to sample from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt {
    /// Names the prompt, in seeds and errors.
    pub id: String,
    /// What is sent.
    pub form: PromptForm,
}

/// A prompt in the form in which it is sent. A chat template is put around it on one side only: by the server around messages, by nobody
/// around a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PromptForm {
    /// To `/v1/completions`, as it stands.
    Text(String),
    /// To `/v1/completions`, token by token.
    Tokens(Vec<u32>),
    /// To `/v1/chat/completions`: the server's chat template makes a text of them.
    Messages(Vec<Message>),
}

impl From<Turns> for PromptForm {
    fn from(turns: Turns) -> Self {
        match turns {
            Turns::Text(text) => Self::Text(text),
            Turns::Messages(messages) => Self::Messages(messages),
        }
    }
}

/// A response as a server gave it.
#[derive(Debug, Clone, PartialEq)]
pub struct RemoteResponse {
    /// Its text.
    pub text: String,
    /// Whether it was cut off at the most tokens.
    pub truncated: bool,
    /// Its tokens, where the server gives them.
    pub token_ids: Option<Vec<u32>>,
    /// The log-probability of each token in nats, at most 0, where the server gives them: see
    /// [`RemotePolicy::log_probs_of`] for what distribution they are of. As many as `token_ids`, where both are there.
    pub token_log_probs: Option<Vec<f64>>,
}

impl RemoteResponse {
    /// The log-probability of the response in nats, of the same distribution as its tokens'.
    #[must_use]
    pub fn log_prob(&self) -> Option<f64> {
        Some(self.token_log_probs.as_ref()?.iter().sum())
    }

    /// How many tokens are told of.
    pub(super) fn listed(&self) -> Option<usize> {
        let ids = self.token_ids.as_ref().map(Vec::len);
        ids.or_else(|| self.token_log_probs.as_ref().map(Vec::len))
    }
}

/// A prompt with all its responses.
#[derive(Debug, Clone, PartialEq)]
pub struct Rollout {
    /// Names the prompt.
    pub prompt_id: String,
    /// The prompt's tokens as the model saw them, special ones and template included, where they are known: with the responses' they make a
    /// [`LikelihoodJob`](super::LikelihoodJob).
    pub prompt_tokens: Option<Vec<u32>>,
    /// As many as were asked for, in the order of their indices.
    pub responses: Vec<RemoteResponse>,
    /// How many tokens the server counted in them, where it counts.
    pub response_tokens: Option<u64>,
}

impl Rollout {
    /// As a row of a shard, with the prompt's text as the model saw it. Tokens and log-probabilities that the server did not tell of every
    /// response are left empty.
    #[must_use]
    pub fn into_row(self, prompt: String) -> RolloutRow {
        let Self {
            prompt_id,
            responses,
            ..
        } = self;
        let log_probs: Option<Vec<f32>> = responses
            .iter()
            .map(|r| r.log_prob().map(|x| x as f32))
            .collect();
        let tokens: Option<Vec<Vec<u32>>> = responses.iter().map(|r| r.token_ids.clone()).collect();
        RolloutRow {
            prompt_id,
            prompt,
            log_probs: log_probs.unwrap_or_default(),
            tokens: tokens.unwrap_or_default(),
            truncated: responses.iter().map(|r| r.truncated).collect(),
            responses: responses.into_iter().map(|r| r.text).collect(),
        }
    }
}

/// A prompt that has no rollout: what is to be listed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("prompt {prompt_id:?}: {given_up}")]
pub struct MissingPrompt {
    /// Names the prompt.
    pub prompt_id: String,
    /// The end of the block of responses that was given up first: its tries, its last fault.
    pub given_up: GivenUp,
}

/// What ends sampling as a whole.
#[derive(Debug, thiserror::Error)]
pub enum SampleError<E> {
    /// A setting, or a server that would refuse every prompt in the same way.
    #[error(transparent)]
    Remote(#[from] Error),
    /// What the caller's closure returned.
    #[error("{0}")]
    Each(E),
}

impl RemotePolicy {
    /// Draws `n` responses to every prompt and hands them over as they are whole, in no order. A prompt that keeps failing is handed over as
    /// missing. `prompts` is read on only as there is room.
    ///
    /// # Errors
    /// [`SampleError::Remote`] for a setting that is outside its range or that this kind of server lacks, for `n` = 0, and for a server that
    /// refuses key, address or model; [`SampleError::Each`] with what `each` returned.
    pub fn sample<E>(
        &self,
        prompts: impl IntoIterator<Item = Prompt>,
        n: usize,
        sampling: &Sampling,
        mut each: impl FnMut(Result<Rollout, MissingPrompt>) -> Result<(), E>,
    ) -> Result<(), SampleError<E>> {
        if n == 0 {
            let (field, found, allowed) = ("n", "0".to_owned(), "at least 1");
            return Err(Error::Setting {
                field,
                found,
                allowed,
            }
            .into());
        }
        let settings = self.settings(sampling)?;
        let blocks = Blocks::new(prompts.into_iter(), n, self.most_choices());
        let blocks = RefCell::new(blocks);
        self.client().all(
            iter::from_fn(|| blocks.borrow_mut().next()),
            |block| {
                let prompt = &block.whole.borrow().prompt;
                let seed = self.seed(sampling.seed, &prompt.id, block.first);
                self.request(
                    &prompt.form,
                    block.count,
                    seed,
                    sampling.max_tokens,
                    &settings,
                )
            },
            |block, reply| choice::read(&reply, block.count, sampling.max_tokens),
            |block, end| {
                if let Err(given_up) = &end
                    && given_up.fault.is_for_all()
                {
                    return Err(Error::Server(given_up.clone()).into());
                }
                let whole = blocks.borrow_mut().take(&block, end);
                whole.map_or(Ok(()), |end| each(end).map_err(SampleError::Each))
            },
        )
    }

    pub(super) fn seed(&self, run: u64, prompt_id: &str, first: usize) -> u64 {
        block_seed(run, prompt_id, first as u64, self.dialect().seed_bits)
    }

    /// The settings as this kind of server takes them.
    pub(super) fn settings(
        &self,
        sampling: &Sampling,
    ) -> Result<serde_json::Map<String, Value>, Error> {
        sampling.validate()?;
        (self.dialect().settings)(sampling)
    }

    pub(super) fn request(
        &self,
        form: &PromptForm,
        count: usize,
        seed: u64,
        max_tokens: usize,
        settings: &serde_json::Map<String, Value>,
    ) -> Request {
        let chat = matches!(form, PromptForm::Messages(_));
        let (path, field, prompt, length) = match form {
            PromptForm::Text(text) => ("/v1/completions", "prompt", json!(text), "max_tokens"),
            PromptForm::Tokens(ids) => ("/v1/completions", "prompt", json!(ids), "max_tokens"),
            PromptForm::Messages(all) => (
                "/v1/chat/completions",
                "messages",
                json!(all),
                self.dialect().chat_length,
            ),
        };
        let mut body = settings.clone();
        body.insert("model".into(), json!(self.model()));
        body.insert(field.into(), prompt);
        body.insert(length.into(), json!(max_tokens));
        body.insert("seed".into(), json!(seed));
        if count > 1 {
            body.insert("n".into(), json!(count));
        }
        if chat {
            body.remove("add_special_tokens");
        }
        if self.log_probs
            && let Value::Object(extras) = (self.dialect().extras)(chat)
        {
            body.extend(extras);
        }
        Request::post(path, Value::Object(body))
    }
}
