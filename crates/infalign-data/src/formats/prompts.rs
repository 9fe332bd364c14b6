//! Prompts: `{"prompt", "prompt_id"?, "answer"?}`, a bare text, or a line of a text file.

use serde_json::Value;

use super::{Content, Raw, Record, fields::Fields};
use crate::{error::Result, texts::Turns};

pub(super) const EXAMPLE: &str = r#"{"prompt_id": "a", "prompt": "2 + 2?", "answer": "4"}"#;

pub(super) fn recognise(raw: &Raw) -> Option<&'static str> {
    match raw.value {
        Value::String(_) => Some("a text"),
        _ => raw.has(&["prompt"]).then_some("`prompt`"),
    }
}

pub(super) fn read(raw: &Raw) -> Result<Record> {
    if raw.value.is_string() {
        return Ok(Record {
            place: raw.place.clone(),
            id: None,
            prompt: Some(Turns::parse(&raw.value, &raw.place, "prompt")?),
            answer: None,
            content: Content::Prompt,
        });
    }
    let fields = Fields::of(raw, "{\"prompt\"}")?;
    fields.record(Some(fields.turns("prompt")?), Content::Prompt)
}
