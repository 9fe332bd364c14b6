//! Prompts with responses in the plainest form: lists in one row per prompt, or one row per
//! response; with rewards or without.

use super::{Content, Raw, Record, Response, fields::Fields};
use crate::error::Result;

pub(super) const EXAMPLE: &str =
    r#"{"prompt_id": "a", "prompt": "2 + 2?", "responses": ["4", "5"], "rewards": [1.5, -0.5]}"#;

const MANY: [&str; 2] = ["responses", "completions"];
const ONE: [&str; 3] = ["response", "completion", "text"];

pub(super) fn recognise(raw: &Raw) -> Option<&'static str> {
    let any = |names: &[&str]| names.iter().any(|name| raw.has(&[name]));
    if !raw.has(&["prompt"]) {
        None
    } else if any(&MANY) {
        Some("`prompt` with `responses` or `completions`")
    } else {
        any(&ONE).then_some("`prompt` with `response`, `completion` or `text`")
    }
}

pub(super) fn read(raw: &Raw) -> Result<Record> {
    let fields = Fields::of(raw, "{\"prompt\", \"responses\" or \"response\"}")?;
    let prompt = Some(fields.turns("prompt")?);
    let content = if let Some(texts) = fields.first(&MANY) {
        let rewards = fields.first(&["rewards", "reward"]);
        Content::Responses(fields.rewarded(texts, rewards)?)
    } else {
        let reward = fields.given("reward").map(|_| fields.reward("reward"));
        Content::Response(Response {
            text: fields.response(fields.first(&ONE).unwrap_or(ONE[0]))?,
            reward: reward.transpose()?,
            sampled: None,
        })
    };
    fields.record(prompt, content)
}
