//! Anthropic's helpful-harmless transcripts: two conversations as texts, which part in the
//! assistant's answer.
//!
//! | transcript | becomes |
//! |---|---|
//! | `\n\nHuman:`, `\n\nAssistant:` | a turn of `user`, of `assistant`; white space around what is said is left out |
//! | anything before the first turn | an error |
//! | the two part at a user's turn | the responses begin with the assistant's turn before it |
//! | two turns of one role in a row | as they are |

use serde_json::Value;

use super::{
    Content, Raw, Record,
    fields::Fields,
    pair::{preference, split},
};
use crate::{
    error::{Error, Result},
    texts::{Message, Turns},
};

pub(super) const EXAMPLE: &str = r#"{"chosen": "\n\nHuman: 2 + 2?\n\nAssistant: 4", "rejected": "\n\nHuman: 2 + 2?\n\nAssistant: 5"}"#;

const TURNS: [(&str, &str); 2] = [("\n\nHuman:", "user"), ("\n\nAssistant:", "assistant")];

pub(super) fn recognise(raw: &Raw) -> Option<&'static str> {
    let begins = |name| match raw.given(name) {
        Some(Value::String(text)) => TURNS.iter().any(|(mark, _)| text.starts_with(mark)),
        _ => false,
    };
    (begins("chosen") && begins("rejected"))
        .then_some("`chosen` and `rejected` that begin with a turn \"\\n\\nHuman:\"")
}

pub(super) fn read(raw: &Raw) -> Result<Record> {
    let fields = Fields::of(raw, "{\"chosen\", \"rejected\"} as transcripts")?;
    let turns = |name: &str| {
        messages(&fields.text(name)?)
            .map(Turns::Messages)
            .ok_or_else(|| Error::UnusableRow {
                place: fields.place.clone(),
                column: name.to_owned(),
                what: "not a transcript: it must begin with \"\\n\\nHuman:\"; name another format, or drop the row",
            })
    };
    let (prompt, chosen, rejected) =
        split(None, turns("chosen")?, turns("rejected")?, fields.place)?;
    let content = Content::Preference(preference(chosen, rejected, None, false));
    fields.record(Some(prompt), content)
}

/// The turns of a transcript.
fn messages(transcript: &str) -> Option<Vec<Message>> {
    let mut messages = Vec::new();
    let mut rest = transcript;
    while !rest.is_empty() {
        let (role, said) = TURNS
            .iter()
            .find_map(|(mark, role)| Some((role, rest.strip_prefix(mark)?)))?;
        let end = TURNS.iter().filter_map(|(mark, _)| said.find(mark)).min();
        let (said, after) = said.split_at(end.unwrap_or(said.len()));
        messages.push(Message {
            role: (*role).to_owned(),
            content: said.trim().to_owned(),
        });
        rest = after;
    }
    (!messages.is_empty()).then_some(messages)
}
