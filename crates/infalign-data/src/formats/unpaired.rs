//! TRL's unpaired preferences: `{"prompt", "completion", "label"}`, one row per response; the label
//! is a reward of 1 or 0.

use serde_json::Value;

use super::{Content, Raw, Record, Response, fields::Fields};
use crate::{error::Result, texts::message::wrong_type};

pub(super) const EXAMPLE: &str =
    r#"{"prompt": "The sky is", "completion": " blue.", "label": true}"#;

pub(super) fn recognise(raw: &Raw) -> Option<&'static str> {
    raw.has(&["prompt", "completion", "label"])
        .then_some("`prompt`, `completion` and `label`")
}

pub(super) fn read(raw: &Raw) -> Result<Record> {
    let fields = Fields::of(raw, "{\"prompt\", \"completion\", \"label\"}")?;
    let label = fields.need("label")?;
    let reward = match label {
        Value::Bool(label) => f32::from(u8::from(*label)),
        Value::Number(n) if n.as_u64() == Some(0) => 0.0,
        Value::Number(n) if n.as_u64() == Some(1) => 1.0,
        other => return Err(wrong_type(other, fields.place, "label", "true or false")),
    };
    let response = Response {
        text: fields.response("completion")?,
        reward: Some(reward),
        sampled: None,
    };
    fields.record(Some(fields.turns("prompt")?), Content::Response(response))
}
