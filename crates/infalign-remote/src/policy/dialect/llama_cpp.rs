//! llama.cpp's server: one choice a request, 32-bit seeds, log-probabilities of the untempered model with the tokens' ids.
//!
//! - A seed of 2³² − 1 means "any", so seeds stay below 2³¹.
//! - Log-probabilities are the model's log-softmax, because `post_sampling_probs` is false by default. They come in the shape of chat
//!   (`logprobs.content`) for completions too, with an `id` for each token. Tokens that end
//!   within a character, and those of a stop text, are not among them: the lists of such a response are dropped.
//! - Defaults of the server (top-k 40, top-p 0.95, min-p 0.05) are switched off by sending every setting.

use serde_json::{Map, Value, json};

use super::{Dialect, owned_by, page_text};
use crate::{
    client::Client,
    error::Result,
    models::ServedModel,
    policy::sampling::{Reports, Sampling},
};

pub(super) const DIALECT: Dialect = Dialect {
    name: "llama.cpp",
    about: "llama.cpp: token ids, log-probabilities of the untempered model; given texts cannot be evaluated",
    most_choices: 1,
    seed_bits: 31,
    chat_length: "max_tokens",
    reports: Reports::Model,
    recognise,
    settings,
    extras: |chat| {
        if chat {
            json!({"logprobs": true, "top_logprobs": 1})
        } else {
            json!({"logprobs": 1})
        }
    },
    likelihood: None,
};

fn recognise(client: &Client, models: &[ServedModel]) -> Option<Option<String>> {
    let build = page_text(client, "/props", "build_info");
    (owned_by(models, "llamacpp") || build.is_some()).then_some(build)
}

fn settings(sampling: &Sampling) -> Result<Map<String, Value>> {
    sampling.without(&["add_special_tokens", "stop_token_ids"])?;
    let mut all = sampling.common();
    all.insert("top_k".into(), json!(sampling.top_k));
    all.insert("min_p".into(), json!(sampling.min_p));
    all.insert("typical_p".into(), json!(1.0));
    all.insert("repeat_penalty".into(), json!(1.0));
    all.insert("ignore_eos".into(), json!(sampling.ignore_eos));
    Ok(all)
}
