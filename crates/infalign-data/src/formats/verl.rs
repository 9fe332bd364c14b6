//! verl's rows: the prompt as messages, the right answer in `reward_model.ground_truth`, the
//! prompt's name in `extra_info`.
//!
//! | `extra_info` | the prompt's id |
//! |---|---|
//! | `prompt_id` or `id` | that |
//! | `index` | `data_source/split/index`, of those that are there |
//! | neither | none |

use serde_json::Value;

use super::{
    Content, Raw, Record,
    fields::{Fields, as_text},
};
use crate::error::Result;

pub(super) const EXAMPLE: &str = r#"{"data_source": "gsm8k", "prompt": [{"role": "user", "content": "2 + 2?"}], "ability": "math", "reward_model": {"style": "rule", "ground_truth": "4"}, "extra_info": {"split": "train", "index": 0}, "responses": ["4", "5"]}"#;

pub(super) fn recognise(raw: &Raw) -> Option<&'static str> {
    let object = raw.given("reward_model").is_some_and(Value::is_object);
    (object && raw.has(&["prompt"])).then_some("`prompt` with an object `reward_model`")
}

pub(super) fn read(raw: &Raw) -> Result<Record> {
    let fields = Fields::of(raw, "{\"prompt\", \"reward_model\", \"extra_info\"}")?;
    let prompt = fields.turns("prompt")?;
    let content = match fields.given("responses") {
        Some(_) => Content::Responses(fields.rewarded("responses", None)?),
        None => Content::Prompt,
    };
    let mut record = fields.record(Some(prompt), content)?;
    let model = fields.given("reward_model");
    let truth = model.and_then(|model| model.get("ground_truth"));
    record.answer = truth
        .filter(|truth| !truth.is_null())
        .map(as_text)
        .or(record.answer);
    record.id = record.id.or_else(|| id(&fields));
    Ok(record)
}

fn id(fields: &Fields<'_>) -> Option<String> {
    let info = fields.given("extra_info")?;
    let given = |name: &str| match info.get(name) {
        Some(Value::String(text)) if !text.is_empty() => Some(text.clone()),
        Some(Value::Number(n)) => Some(n.to_string()),
        _ => None,
    };
    given("prompt_id").or_else(|| given("id")).or_else(|| {
        let index = given("index")?;
        let source = fields.given("data_source").map(as_text);
        let parts = source.into_iter().chain(given("split")).chain([index]);
        Some(parts.collect::<Vec<_>>().join("/"))
    })
}
