//! infalign's own rollouts as rows: shards, and the JSON lines that `infalign data convert --to
//! rollouts` writes of sampled responses.
//!
//! `tokens` may hold the ids themselves, a list per response; or the number of ids per response,
//! and `token_ids` the ids end to end.

use serde_json::Value;

use super::{
    Content, Raw, Record, Sampled,
    fields::Fields,
    samples::{log_prob, token_ids},
};
use crate::{
    error::{Error, Result},
    texts::message::wrong_type,
};

pub(super) const EXAMPLE: &str = r#"{"prompt_id": "a", "prompt": "2 + 2?", "responses": ["4"], "logprobs": [-0.75], "tokens": [2], "token_ids": [19, 2], "truncated": [false]}"#;

pub(super) fn recognise(raw: &Raw) -> Option<&'static str> {
    let names = [
        "prompt_id",
        "prompt",
        "responses",
        "logprobs",
        "tokens",
        "truncated",
    ];
    raw.has(&names)
        .then_some("`prompt_id`, `prompt`, `responses`, `logprobs`, `tokens` and `truncated`")
}

pub(super) fn read(raw: &Raw) -> Result<Record> {
    let fields = Fields::of(raw, "a row of rollouts")?;
    let place = fields.place;
    let rewards = fields.first(&["rewards"]);
    let mut responses = fields.rewarded("responses", rewards)?;
    let k = responses.len();
    let list = |name: &'static str| {
        let list = fields.list(name)?;
        if list.len() == k {
            return Ok(list);
        }
        Err(Error::UnequalLengths {
            place: place.clone(),
            column: name.to_owned(),
            length: list.len(),
            other: "responses".to_owned(),
            other_length: k,
        })
    };
    let (log_probs, tokens, truncated) = (list("logprobs")?, list("tokens")?, list("truncated")?);
    let flat = match fields.given("token_ids") {
        Some(Value::Array(ids)) => Some(token_ids(ids, place, "token_ids")?),
        Some(other) => return Err(wrong_type(other, place, "token_ids", "a list of token ids")),
        None => None,
    };
    let mut tokens = split(tokens, flat, raw)?.into_iter();
    for (i, response) in responses.iter_mut().enumerate() {
        let log = log_probs[i].as_f64();
        let log = log.ok_or_else(|| wrong_type(&log_probs[i], place, "logprobs", "numbers"))?;
        let truncated = truncated[i].as_bool();
        response.sampled = Some(Sampled {
            log_prob: log_prob(log, place, "logprobs")?,
            tokens: tokens.next().unwrap_or_default(),
            truncated: truncated
                .ok_or_else(|| wrong_type(&Value::Null, place, "truncated", "true or false"))?,
        });
    }
    // The text that the model saw may be empty: sampling without a prompt.
    let prompt = match fields.need("prompt")? {
        Value::String(text) => crate::texts::Turns::Text(text.clone()),
        _ => fields.turns("prompt")?,
    };
    fields.record(Some(prompt), Content::Responses(responses))
}

fn split(tokens: &[Value], flat: Option<Vec<u32>>, raw: &Raw) -> Result<Vec<Vec<u32>>> {
    let place = &raw.place;
    let Some(flat) = flat else {
        let list = |value: &Value| match value {
            Value::Array(ids) => token_ids(ids, place, "tokens"),
            other => Err(wrong_type(
                other,
                place,
                "tokens",
                "a list of token ids per response",
            )),
        };
        return tokens.iter().map(list).collect();
    };
    let mut rest = flat.as_slice();
    let counts = tokens.iter().map(|value| {
        value
            .as_u64()
            .and_then(|n| usize::try_from(n).ok())
            .ok_or_else(|| wrong_type(value, place, "tokens", "numbers of tokens"))
    });
    let counts = counts.collect::<Result<Vec<usize>>>()?;
    let announced = counts.iter().fold(0_usize, |sum, n| sum.saturating_add(*n));
    if announced != flat.len() {
        return Err(Error::TokenCount {
            place: place.clone(),
            announced: i64::try_from(announced).unwrap_or(i64::MAX),
            held: flat.len(),
        });
    }
    let take = |n: usize| {
        let (own, after) = rest.split_at(n); // the sum is the length
        rest = after;
        own.to_vec()
    };
    Ok(counts.into_iter().map(take).collect())
}
