//! Hosted services, and every server that speaks OpenAI's interface and is none of the other kinds: only what the interface itself has is sent.
//!
//! - An unknown field may be refused, so `top_k` and `min_p` cannot be set.
//! - Nobody says what the log-probabilities are of; where nothing is tempered or cut off there is only one answer.
//! - Seeds are best effort.

use serde_json::json;

use super::Dialect;
use crate::policy::sampling::Reports;

pub(super) const DIALECT: Dialect = Dialect {
    name: "openai",
    about: "OpenAI's interface and nothing beyond it: hosted services; seeds are best effort, given texts cannot be evaluated",
    most_choices: 8,
    seed_bits: 53,
    chat_length: "max_completion_tokens",
    reports: Reports::Untold,
    recognise: |_, _| None,
    settings: |sampling| {
        sampling.without(&[
            "top_k",
            "min_p",
            "stop_token_ids",
            "ignore_eos",
            "add_special_tokens",
        ])?;
        Ok(sampling.common())
    },
    extras: |chat| {
        if chat {
            json!({"logprobs": true})
        } else {
            json!({"logprobs": 1})
        }
    },
    likelihood: None,
};
