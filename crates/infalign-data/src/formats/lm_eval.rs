//! lm-evaluation-harness's samples: `{"doc_id", "arguments", "resps", "target"}` of tasks that
//! generate.
//!
//! | field | what is taken |
//! |---|---|
//! | `arguments` | the context: `[[context, …]]` or `{"gen_args_0": {"arg_0": context}}` |
//! | `resps` | every text in it: `[[text, …]]` |
//! | `resps` of log-likelihoods | an error: there is no text in them |

use serde_json::Value;

use super::{
    Content, Raw, Record, Response,
    fields::{Fields, as_text, text},
};
use crate::{
    error::{Error, Result},
    texts::Turns,
};

pub(super) const EXAMPLE: &str = r#"{"doc_id": 0, "doc": {}, "target": "4", "arguments": {"gen_args_0": {"arg_0": "2 + 2 =", "arg_1": {}}}, "resps": [["4", "5"]], "filtered_resps": ["4"]}"#;

pub(super) fn recognise(raw: &Raw) -> Option<&'static str> {
    raw.has(&["doc_id", "resps"])
        .then_some("`doc_id` and `resps`")
}

pub(super) fn read(raw: &Raw) -> Result<Record> {
    let fields = Fields::of(raw, "{\"doc_id\", \"arguments\", \"resps\"}")?;
    let arguments = fields.need("arguments")?;
    let context = match arguments {
        Value::Object(groups) => groups.values().next().and_then(|group| group.get("arg_0")),
        other => other.get(0).and_then(|group| group.get(0)),
    };
    let context = context.ok_or_else(|| Error::MissingField {
        place: fields.place.clone(),
        column: "arguments[0][0]".to_owned(),
    })?;
    let prompt = Turns::parse(context, fields.place, "arguments")?;
    let mut responses = Vec::new();
    for (i, value) in fields.list("resps")?.iter().enumerate() {
        let column = format!("resps[{i}]");
        let texts = value
            .as_array()
            .map_or(std::slice::from_ref(value), Vec::as_slice);
        for value in texts {
            responses.push(Response {
                text: text(value, fields.place, &column)?,
                ..Response::default()
            });
        }
    }
    if responses.is_empty() {
        return Err(crate::texts::message::empty(fields.place, "resps"));
    }
    let mut record = fields.record(Some(prompt), Content::Responses(responses))?;
    record.id = fields.id_under("doc_id")?;
    record.answer = fields.given("target").map(as_text);
    Ok(record)
}
