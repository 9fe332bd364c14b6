//! vLLM: n choices from one prefix, seeds per choice, token ids, log-probabilities of given tokens.
//!
//! - Choice j of a request has the seed `seed + j` (`vllm/v1/engine/parallel_sampling.py`).
//! - Log-probabilities are the model's, untempered, over all of the vocabulary, unless the server was started with `--logprobs-mode
//!   processed_logprobs` (`--logprobs-mode` defaults to `raw_logprobs`).
//! - Settings that are not sent are taken from the model's `generation_config.json`.

use serde_json::{Map, Value, json};

use super::{Dialect, Likelihood, owned_by, page_text, rows};
use crate::{
    client::Client,
    error::Result,
    models::ServedModel,
    policy::{
        choice::log_prob,
        sampling::{Reports, Sampling},
    },
    wire::Request,
};

pub(super) const DIALECT: Dialect = Dialect {
    name: "vllm",
    about: "vLLM: token ids, log-probabilities of the untempered model, given texts can be evaluated",
    most_choices: 64,
    seed_bits: 53,
    chat_length: "max_completion_tokens",
    reports: Reports::Model,
    recognise,
    settings,
    extras: |chat| {
        if chat {
            json!({"logprobs": true, "top_logprobs": 0, "return_token_ids": true})
        } else {
            json!({"logprobs": 0, "return_token_ids": true})
        }
    },
    likelihood: Some(Likelihood { request, read }),
};

fn recognise(client: &Client, models: &[ServedModel]) -> Option<Option<String>> {
    owned_by(models, "vllm").then(|| page_text(client, "/version", "version"))
}

fn settings(sampling: &Sampling) -> Result<Map<String, Value>> {
    let mut all = sampling.common();
    all.insert("top_k".into(), json!(sampling.top_k));
    all.insert("min_p".into(), json!(sampling.min_p));
    all.insert("repetition_penalty".into(), json!(1.0));
    all.insert("ignore_eos".into(), json!(sampling.ignore_eos));
    if !sampling.stop_token_ids.is_empty() {
        all.insert("stop_token_ids".into(), json!(sampling.stop_token_ids));
    }
    if let Some(add) = sampling.add_special_tokens {
        all.insert("add_special_tokens".into(), json!(add));
    }
    Ok(all)
}

fn request(model: &str, sequence: &[u32]) -> Request {
    let body = json!({
        "model": model, "prompt": sequence, "max_tokens": 1, "temperature": 0.0, "prompt_logprobs": 0,
    });
    Request::post("/v1/completions", body)
}

/// `prompt_logprobs: [null, {"318": {"logprob": −2.1, "rank": 4, "decoded_token": " is"}}, …]`; likelier tokens may stand beside the given one.
fn read(reply: &Value, sequence: &[u32]) -> Result<Vec<f64>, String> {
    let rows = rows(reply, "/choices/0/prompt_logprobs", sequence)?;
    let tokens = sequence.iter().skip(1);
    rows.zip(tokens)
        .map(|(row, token)| {
            log_prob(
                row.get(token.to_string())
                    .and_then(|entry| entry.get("logprob")),
            )
        })
        .collect()
}
