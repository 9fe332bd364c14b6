//! RewardBench 2: prompts with right and wrong responses; credit is 1/#ties.

use serde_json::Value;

use super::{Content, Raw, Record, fields::Fields};
use crate::error::Result;

pub(super) const EXAMPLE: &str = r#"{"id": "7", "prompt": "2 + 2?", "chosen": ["4"], "rejected": ["5", "22", "3"], "num_correct": 1, "total_completions": 4, "subset": "Math"}"#;

pub(super) fn recognise(raw: &Raw) -> Option<&'static str> {
    let texts = |name| match raw.given(name) {
        Some(Value::Array(list)) => !list.is_empty() && list.iter().all(Value::is_string),
        _ => false,
    };
    (texts("chosen") && texts("rejected"))
        .then_some("`chosen` and `rejected` that are lists of texts")
}

pub(super) fn read(raw: &Raw) -> Result<Record> {
    let fields = Fields::of(raw, "{\"prompt\", \"chosen\": […], \"rejected\": […]}")?;
    let subset = fields.given("subset").map(|_| fields.text("subset"));
    let content = Content::Ranked {
        chosen: fields.responses("chosen")?,
        rejected: fields.responses("rejected")?,
        subset: subset.transpose()?,
    };
    fields.record(Some(fields.turns("prompt")?), content)
}
