//! TRL's preferences, explicit or implicit, standard or conversational: `{"prompt"?, "chosen",
//! "rejected", "margin"?, "tie"?}`; also what `infalign data convert --to preferences` writes.

use serde_json::Value;

use super::{
    Content, Raw, Record,
    fields::Fields,
    pair::{preference, split},
};
use crate::{error::Result, texts::message::wrong_type};

pub(super) const EXAMPLE: &str = r#"{"prompt": [{"role": "user", "content": "2 + 2?"}], "chosen": [{"role": "assistant", "content": "4"}], "rejected": [{"role": "assistant", "content": "5"}]}"#;

pub(super) fn recognise(raw: &Raw) -> Option<&'static str> {
    raw.has(&["chosen", "rejected"])
        .then_some("`chosen` and `rejected`")
}

pub(super) fn read(raw: &Raw) -> Result<Record> {
    let fields = Fields::of(raw, "{\"prompt\", \"chosen\", \"rejected\"}")?;
    let prompt = fields.given("prompt").map(|_| fields.turns("prompt"));
    let (chosen, rejected) = (fields.turns("chosen")?, fields.turns("rejected")?);
    let (prompt, chosen, rejected) = split(prompt.transpose()?, chosen, rejected, fields.place)?;
    let tie = match fields.given("tie") {
        None => false,
        Some(Value::Bool(tie)) => *tie,
        Some(other) => return Err(wrong_type(other, fields.place, "tie", "true or false")),
    };
    let margin = fields.number("margin")?;
    let content = Content::Preference(preference(chosen, rejected, margin, tie));
    fields.record(Some(prompt), content)
}
