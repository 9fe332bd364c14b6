//! Conversations to learn from: `{"messages": [{"role", "content"}, …]}`; their prompt is what
//! stands before the assistant's last turn.

use super::{Content, Raw, Record, fields::Fields};
use crate::{
    error::{Error, Result},
    texts::Turns,
};

pub(super) const EXAMPLE: &str = r#"{"messages": [{"role": "user", "content": "2 + 2?"}, {"role": "assistant", "content": "4"}]}"#;

pub(super) fn recognise(raw: &Raw) -> Option<&'static str> {
    raw.is_list("messages").then_some("a list `messages`")
}

pub(super) fn read(raw: &Raw) -> Result<Record> {
    let fields = Fields::of(raw, "{\"messages\"}")?;
    let mut messages = fields.turns("messages")?.into_messages("user");
    let last = messages.iter().rposition(|turn| turn.role == "assistant");
    messages.truncate(last.unwrap_or(messages.len()));
    if messages.is_empty() {
        return Err(Error::UnusableRow {
            place: fields.place.clone(),
            column: "messages".to_owned(),
            what: "nothing stands before the assistant's turn; drop the row",
        });
    }
    fields.record(Some(Turns::Messages(messages)), Content::Text)
}
