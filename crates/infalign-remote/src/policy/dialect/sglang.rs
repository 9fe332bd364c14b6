//! SGLang: token ids, log-probabilities of the tempered model, log-probabilities of given tokens by its own `/generate`.
//!
//! - Seeds count only on a server started with `--enable-deterministic-inference`; there all choices of one request would have one seed, and
//!   be one text, so one choice is asked for at a time. The prefix is cached by the server.
//! - Log-probabilities are of the tempered logits before top-k, top-p and min-p (`layers/sampler.py`), unless the server runs with
//!   `SGLANG_RETURN_ORIGINAL_LOGPROB=1`.
//! - Settings that are not sent are taken from the model's `generation_config.json`. A `top_k` of −1 is off.

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
    name: "sglang",
    about: "SGLang: token ids, log-probabilities of the tempered model, given texts can be evaluated; seeds need --enable-deterministic-inference",
    most_choices: 1,
    seed_bits: 31,
    chat_length: "max_completion_tokens",
    reports: Reports::Tempered,
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
    let version = || page_text(client, "/get_server_info", "version");
    if owned_by(models, "sglang") {
        return Some(version());
    }
    // Older ones name themselves only here.
    page_text(client, "/get_model_info", "model_path").map(|_| version())
}

fn settings(sampling: &Sampling) -> Result<Map<String, Value>> {
    sampling.without(&["add_special_tokens"])?;
    let mut all = sampling.common();
    let top_k = if sampling.top_k == 0 {
        json!(-1)
    } else {
        json!(sampling.top_k)
    };
    all.insert("top_k".into(), top_k);
    all.insert("min_p".into(), json!(sampling.min_p));
    all.insert("repetition_penalty".into(), json!(1.0));
    all.insert("ignore_eos".into(), json!(sampling.ignore_eos));
    if !sampling.stop_token_ids.is_empty() {
        all.insert("stop_token_ids".into(), json!(sampling.stop_token_ids));
    }
    Ok(all)
}

fn request(_model: &str, sequence: &[u32]) -> Request {
    let body = json!({
        "input_ids": sequence, "return_logprob": true, "logprob_start_len": 0,
        "sampling_params": {"max_new_tokens": 1, "temperature": 0.0},
    });
    Request::post("/generate", body)
}

/// `meta_info.input_token_logprobs: [[null, 1, null], [−2.1, 318, null], …]`: log-probability, token, text.
fn read(reply: &Value, sequence: &[u32]) -> Result<Vec<f64>, String> {
    let rows = rows(reply, "/meta_info/input_token_logprobs", sequence)?;
    let tokens = sequence.iter().skip(1);
    rows.zip(tokens)
        .map(|(row, token)| {
            if row.get(1).and_then(Value::as_u64) != Some(u64::from(*token)) {
                return Err("it is about other tokens than were sent".to_owned());
            }
            log_prob(row.get(0))
        })
        .collect()
}
