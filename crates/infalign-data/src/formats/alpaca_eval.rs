//! AlpacaEval's outputs: `{"instruction", "output", "generator"}`.

use super::{Content, Raw, Record, Response, fields::Fields};
use crate::error::Result;

pub(super) const EXAMPLE: &str = r#"{"instruction": "2 + 2?", "output": "4", "generator": "tiny"}"#;

pub(super) fn recognise(raw: &Raw) -> Option<&'static str> {
    raw.has(&["instruction", "output", "generator"])
        .then_some("`instruction`, `output` and `generator`")
}

pub(super) fn read(raw: &Raw) -> Result<Record> {
    let fields = Fields::of(raw, "{\"instruction\", \"output\"}")?;
    let text = fields.response("output")?;
    let prompt = Some(fields.turns("instruction")?);
    let response = Response {
        text,
        ..Response::default()
    };
    fields.record(prompt, Content::Response(response))
}
