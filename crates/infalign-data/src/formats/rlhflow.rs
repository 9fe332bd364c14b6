//! RLHFlow's files: one object `{"type": "text_only", "instances": [{"prompt", "responses",
//! "rewards"}]}`, whose instances are read one by one.

use super::{Content, Raw, Record, fields::Fields};
use crate::error::Result;

/// An instance; the object around it is taken off while reading.
pub(super) const EXAMPLE: &str = r#"{"type": "text_only", "instances": [{"prompt": "2 + 2?", "responses": ["4", "5"], "rewards": [1.5, -0.5]}]}"#;

pub(super) fn recognise(raw: &Raw) -> Option<&'static str> {
    raw.instance.then_some("rows inside of `instances`")
}

pub(super) fn read(raw: &Raw) -> Result<Record> {
    let fields = Fields::of(raw, "{\"prompt\", \"responses\", \"rewards\"}")?;
    let prompt = fields.turns("prompt")?;
    let texts = fields
        .first(&["responses", "output"])
        .unwrap_or("responses");
    let rewards = fields.first(&["rewards"]);
    let content = match (fields.given(texts), rewards) {
        (None, None) => Content::Prompt,
        _ => Content::Responses(fields.rewarded(texts, rewards)?),
    };
    fields.record(Some(prompt), content)
}
