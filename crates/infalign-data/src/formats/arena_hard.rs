//! Arena-Hard v2's answers: `{"uid", "model", "messages"}`, the last turn the model's; an answer may
//! stand in an object `{"answer"}`.

use serde_json::Value;

use super::{
    Content, Raw, Record, Response,
    fields::{Fields, text},
};
use crate::{
    error::{Error, Result},
    texts::{Turns, message::messages},
};

pub(super) const EXAMPLE: &str = r#"{"uid": "a1", "model": "tiny", "messages": [{"role": "user", "content": "2 + 2?"}, {"role": "assistant", "content": {"answer": "4"}}]}"#;

pub(super) fn recognise(raw: &Raw) -> Option<&'static str> {
    raw.has(&["uid", "model", "messages"])
        .then_some("`uid`, `model` and `messages`")
}

pub(super) fn read(raw: &Raw) -> Result<Record> {
    let fields = Fields::of(raw, "{\"uid\", \"model\", \"messages\"}")?;
    let list = fields.list("messages")?;
    let column = "messages";
    let (Some((last, before)), true) = (list.split_last(), list.len() > 1) else {
        return Err(Error::UnusableRow {
            place: fields.place.clone(),
            column: column.to_owned(),
            what: "a prompt and an answer are needed; drop the row",
        });
    };
    let said = last.get("content").unwrap_or(&Value::Null);
    let said = said.get("answer").unwrap_or(said);
    let text = text(said, fields.place, "messages.content")?;
    let prompt = Turns::Messages(messages(before, fields.place, column)?);
    let response = Response {
        text,
        ..Response::default()
    };
    let mut record = fields.record(Some(prompt), Content::Response(response))?;
    record.id = fields.id_under("uid")?;
    Ok(record)
}
