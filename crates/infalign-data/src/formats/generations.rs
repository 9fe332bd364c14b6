//! distilabel's and ms-swift's generations: `{"instruction" or "prompt", "generations", "ratings"}`.
//!
//! | prompt | read from the first that is there |
//! |---|---|
//! | text or messages | `prompt`, `instruction`, `messages`, `input` |

use super::{Content, Raw, Record, fields::Fields};
use crate::error::Result;

pub(super) const EXAMPLE: &str =
    r#"{"instruction": "2 + 2?", "generations": ["4", "5"], "ratings": [5, 1]}"#;

const PROMPTS: [&str; 4] = ["prompt", "instruction", "messages", "input"];

pub(super) fn recognise(raw: &Raw) -> Option<&'static str> {
    raw.is_list("generations").then_some("a list `generations`")
}

pub(super) fn read(raw: &Raw) -> Result<Record> {
    let fields = Fields::of(raw, "{\"instruction\", \"generations\", \"ratings\"}")?;
    let prompt = fields.turns(fields.first(&PROMPTS).unwrap_or("instruction"))?;
    let ratings = fields.first(&["ratings"]);
    let responses = fields.rewarded("generations", ratings)?;
    fields.record(Some(prompt), Content::Responses(responses))
}
