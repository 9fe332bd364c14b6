//! Rewards without texts: `{"prompt_id", "rewards": […]}`, or `{"prompt_id", "reward"}` in one row
//! per response.

use super::{Content, Raw, Record, fields::Fields};
use crate::error::{Error, Result};

pub(super) const EXAMPLE: &str = r#"{"prompt_id": "a", "rewards": [1.5, -0.5]}"#;

pub(super) fn recognise(raw: &Raw) -> Option<&'static str> {
    let named = raw.has(&["prompt_id"]) || raw.has(&["id"]);
    if named && raw.has(&["rewards"]) {
        Some("`prompt_id` with `rewards`")
    } else {
        (named && raw.has(&["reward"])).then_some("`prompt_id` with `reward`")
    }
}

pub(super) fn read(raw: &Raw) -> Result<Record> {
    let fields = Fields::of(raw, "{\"prompt_id\", \"rewards\" or \"reward\"}")?;
    if fields.id()?.is_none() {
        return Err(Error::MissingField {
            place: fields.place.clone(),
            column: "prompt_id".to_owned(),
        });
    }
    let content = match fields.given("rewards") {
        Some(_) => Content::Rewards(fields.rewards("rewards")?),
        None => Content::Reward(fields.reward("reward")?),
    };
    let prompt = fields.given("prompt").map(|_| fields.turns("prompt"));
    fields.record(prompt.transpose()?, content)
}
