//! QRPO's reference rewards: `ref_rewards` and `ref_completions` of a prompt's base responses.

use super::{Content, Raw, Record, fields::Fields};
use crate::error::Result;

pub(super) const EXAMPLE: &str =
    r#"{"prompt": "2 + 2?", "ref_completions": ["4", "5"], "ref_rewards": [1.5, -0.5]}"#;

pub(super) fn recognise(raw: &Raw) -> Option<&'static str> {
    raw.is_list("ref_rewards").then_some("a list `ref_rewards`")
}

pub(super) fn read(raw: &Raw) -> Result<Record> {
    let fields = Fields::of(raw, "{\"prompt\", \"ref_rewards\", \"ref_completions\"}")?;
    let prompt = fields.given("prompt").map(|_| fields.turns("prompt"));
    let content = match fields.first(&["ref_completions"]) {
        Some(texts) => Content::Responses(fields.rewarded(texts, Some("ref_rewards"))?),
        None => Content::Rewards(fields.rewards("ref_rewards")?),
    };
    fields.record(prompt.transpose()?, content)
}
