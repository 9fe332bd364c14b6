//! OpenRLHF's sampled files: `{"input", "output", "reward"}`, one row per response.

use super::{Content, Raw, Record, Response, fields::Fields};
use crate::error::Result;

pub(super) const EXAMPLE: &str = r#"{"input": "2 + 2?", "output": "4", "reward": 1.5}"#;

pub(super) fn recognise(raw: &Raw) -> Option<&'static str> {
    (raw.has(&["input", "output"]) && !raw.has(&["instruction"])).then_some("`input` and `output`")
}

pub(super) fn read(raw: &Raw) -> Result<Record> {
    let fields = Fields::of(raw, "{\"input\", \"output\", \"reward\"}")?;
    let reward = fields.given("reward").map(|_| fields.reward("reward"));
    let response = Response {
        text: fields.response("output")?,
        reward: reward.transpose()?,
        sampled: None,
    };
    fields.record(Some(fields.turns("input")?), Content::Response(response))
}
