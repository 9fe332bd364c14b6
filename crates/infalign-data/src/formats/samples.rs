//! The lines of `infalign sample`: one row per response, with its tokens and their
//! log-probabilities.

use serde_json::Value;

use super::{Content, Raw, Record, Response, Sampled, fields::Fields};
use crate::{
    error::{Error, Place, Result},
    texts::message::wrong_type,
};

pub(super) const EXAMPLE: &str = r#"{"prompt_id": "a", "index": 0, "prompt": "2 + 2?", "text": "4", "tokens": [19, 2], "sampled_log_probs": [-0.5, -0.25], "untempered_log_probs": [-0.5, -0.25], "finish_reason": "stop"}"#;

pub(super) fn recognise(raw: &Raw) -> Option<&'static str> {
    let names = ["prompt", "text", "tokens", "sampled_log_probs"];
    raw.has(&names)
        .then_some("`prompt`, `text`, `tokens` and `sampled_log_probs`")
}

pub(super) fn read(raw: &Raw) -> Result<Record> {
    let fields = Fields::of(raw, "a line of `infalign sample`")?;
    let tokens = match fields.need("tokens")? {
        Value::Array(list) => token_ids(list, fields.place, "tokens")?,
        other => {
            return Err(wrong_type(
                other,
                fields.place,
                "tokens",
                "a list of token ids",
            ));
        }
    };
    let column = "sampled_log_probs";
    let log_probs = match fields.need(column)? {
        Value::Array(list) => list,
        other => return Err(wrong_type(other, fields.place, column, "a list of numbers")),
    };
    if log_probs.len() != tokens.len() {
        return Err(Error::UnequalLengths {
            place: fields.place.clone(),
            column: column.to_owned(),
            length: log_probs.len(),
            other: "tokens".to_owned(),
            other_length: tokens.len(),
        });
    }
    let mut sum = 0.0;
    for value in log_probs {
        let log_prob = value.as_f64().filter(|x| x.is_finite());
        sum += log_prob.ok_or_else(|| wrong_type(value, fields.place, column, "finite numbers"))?;
    }
    let reason = fields.given("finish_reason").and_then(Value::as_str);
    let reward = fields.given("reward").map(|_| fields.reward("reward"));
    let response = Response {
        text: fields.text("text")?,
        reward: reward.transpose()?,
        sampled: Some(Sampled {
            log_prob: log_prob(sum, fields.place, column)?,
            tokens,
            truncated: matches!(reason, Some("length" | "context")),
        }),
    };
    fields.record(Some(fields.turns("prompt")?), Content::Response(response))
}

/// Token ids of a list.
pub(super) fn token_ids(list: &[Value], place: &Place, column: &str) -> Result<Vec<u32>> {
    let id = |value: &Value| {
        let id = value.as_u64().and_then(|id| u32::try_from(id).ok());
        id.ok_or_else(|| wrong_type(value, place, column, "token ids"))
    };
    list.iter().map(id).collect()
}

/// The log-probability of a whole response, in single precision.
#[expect(clippy::cast_possible_truncation, reason = "kept in single precision")]
pub(super) fn log_prob(sum: f64, place: &Place, column: &str) -> Result<f32> {
    let single = sum as f32;
    if single.is_finite() {
        return Ok(single);
    }
    Err(Error::NotALogProbability {
        place: place.clone(),
        column: column.to_owned(),
        response: 1,
        value: single,
    })
}
