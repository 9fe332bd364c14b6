//! Texts to learn from: `{"text"}`.

use super::{Content, Raw, Record, fields::Fields};
use crate::{error::Result, texts::message::empty};

pub(super) const EXAMPLE: &str = r#"{"text": "Once upon a time"}"#;

pub(super) fn recognise(raw: &Raw) -> Option<&'static str> {
    raw.has(&["text"]).then_some("`text`")
}

pub(super) fn read(raw: &Raw) -> Result<Record> {
    let fields = Fields::of(raw, "{\"text\"}")?;
    if fields.text("text")?.is_empty() {
        return Err(empty(fields.place, "text"));
    }
    fields.record(None, Content::Text)
}
