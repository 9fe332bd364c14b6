//! `POST /get_reward`, as OpenRLHF asks: queries that begin with their prompts, and labels that say which prompt it is.

use std::sync::Arc;

use axum::{extract::State as Shared, response::Response, routing::post};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Operation, Route, rewarded};
use crate::{
    body::Json,
    fault::{Fault, Kind},
    item::{Given, Item},
    known::Known,
    prompt::{Id, Keyed},
    settings::Labels,
    split::{after_prompt, ended, recognised},
    state::State,
};

pub(super) const PATH: &str = "/get_reward";

/// What OpenRLHF 0.11 sends: lists of one entry each.
#[derive(Deserialize, JsonSchema)]
struct Request {
    /// Prompt and response in one text, with special tokens.
    query: Vec<String>,
    /// The prompts. Without, a known prompt with which the query begins.
    #[serde(default)]
    prompts: Option<Vec<String>>,
    /// A prompt's id, an object (or its JSON text) with `prompt_id` and perhaps `answer`, or an empty text.
    #[serde(default)]
    labels: Option<Vec<Value>>,
}

#[derive(Serialize, JsonSchema)]
struct Answer {
    /// Φ(Ĉ): what is trained on.
    rewards: Vec<f64>,
    /// Ĉ, in [0, 1]: what dynamic filtering looks at.
    scores: Vec<f64>,
    extra_logs: Logged,
}

/// The reward in its three forms.
#[derive(Serialize, JsonSchema)]
struct Logged {
    raw: Vec<f32>,
    calibrated: Vec<f64>,
    transformed: Vec<f64>,
}

pub(super) fn route() -> Route {
    Route {
        path: PATH,
        methods: post(get_reward),
        operations: vec![Operation::post::<Request, Answer>(
            "Rewards for OpenRLHF: --reward.remote_url",
        )],
    }
}

async fn get_reward(
    Shared(state): Shared<Arc<State>>,
    Json(request): Json<Request>,
) -> Result<Response, Fault> {
    let items = items(&state, request)?;
    rewarded(&state, items, |shaped| {
        let transformed: Vec<f64> = shaped.iter().map(|reward| reward.transformed).collect();
        let calibrated: Vec<f64> = shaped.iter().map(|reward| reward.calibrated).collect();
        Answer {
            rewards: transformed.clone(),
            scores: calibrated.clone(),
            extra_logs: Logged {
                raw: shaped.iter().map(|reward| reward.raw).collect(),
                calibrated,
                transformed,
            },
        }
    })
    .await
}

fn items(state: &State, request: Request) -> Result<Vec<Item>, Fault> {
    let known = state.known()?;
    let Request {
        query,
        prompts,
        labels,
    } = request;
    for (name, length) in [
        ("prompts", prompts.as_ref().map(Vec::len)),
        ("labels", labels.as_ref().map(Vec::len)),
    ] {
        if let Some(length) = length.filter(|&length| length != query.len()) {
            let queries = query.len();
            let fault =
                format!("`{name}` holds {length} entries, `query` {queries}: give one each");
            return Err(Fault::malformed(fault));
        }
    }
    let mut prompts = prompts.map(Vec::into_iter);
    let mut labels = labels.map(Vec::into_iter);
    let one = |(place, query): (usize, String)| {
        let prompt = prompts.as_mut().and_then(Iterator::next);
        let label = labels.as_mut().and_then(Iterator::next);
        item(
            state,
            known,
            place,
            &query,
            prompt.as_deref(),
            label.unwrap_or_default(),
        )
    };
    query.into_iter().enumerate().map(one).collect()
}

fn item(
    state: &State,
    known: &Known,
    place: usize,
    query: &str,
    prompt: Option<&str>,
    label: Value,
) -> Result<Item, Fault> {
    let settings = &state.settings;
    let split = match prompt {
        Some(prompt) => after_prompt(query, prompt).map(|response| (prompt, response)),
        None => recognised(
            query,
            settings.conversation.as_ref(),
            known,
            state.calibrations.table(),
        ),
    };
    let Some((prompt, response)) = split else {
        return Err(Fault::new(
            Kind::NotSplit,
            format!(
                "query {place} does not begin with its prompt: was the prompt cut off at its beginning?"
            ),
        ));
    };
    let (id, answer) = read(label, settings.labels, place)?;
    let response = ended(response, &settings.end_tokens).to_owned();
    let prompt = Some(Keyed::text(prompt));
    Item::new(known, id, prompt, answer, Given::Response(response))
}

type Texts = (Option<Arc<str>>, Option<Arc<str>>);

/// The prompt's id and the right answer that a label says.
fn read(label: Value, labels: Labels, place: usize) -> Result<Texts, Fault> {
    let wrong = || {
        Fault::malformed(format!(
            "label {place} is no prompt id: a text or a whole number"
        ))
    };
    let id = |value: Value| -> Result<Arc<str>, Fault> {
        Ok(serde_json::from_value::<Id>(value)
            .map_err(|_| wrong())?
            .into_text())
    };
    let object = match &label {
        Value::Object(object) => Some(object.clone()),
        Value::String(text) if text.starts_with('{') => {
            serde_json::from_str::<Map<String, Value>>(text).ok()
        }
        _ => None,
    };
    if let Some(mut object) = object.filter(|object| object.contains_key("prompt_id")) {
        let answer = object.remove("answer").filter(|answer| !answer.is_null());
        let given = object.remove("prompt_id").unwrap_or_default();
        return Ok((Some(id(given)?), answer.map(text)));
    }
    match (label, labels) {
        (Value::Null, _) => Ok((None, None)),
        (Value::String(text), _) if text.is_empty() => Ok((None, None)),
        (label, Labels::PromptId) => Ok((Some(id(label)?), None)),
        (label, Labels::Answer) => Ok((None, Some(text(label)))),
    }
}

/// A text as it stands, anything else as JSON.
fn text(value: Value) -> Arc<str> {
    match value {
        Value::String(text) => text.into(),
        other => other.to_string().into(),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use serde_json::json;

    use super::*;

    #[test]
    fn labels() {
        let read = |label: Value, labels| {
            let (id, answer) = read(label, labels, 0).unwrap();
            (
                id.as_deref().map(str::to_owned),
                answer.as_deref().map(str::to_owned),
            )
        };
        let some = |text: &str| Some(text.to_owned());
        for labels in [Labels::PromptId, Labels::Answer] {
            let object = json!({"prompt_id": 7, "answer": [1, 2]});
            assert_eq!(read(object.clone(), labels), (some("7"), some("[1,2]")));
            assert_eq!(
                read(object.to_string().into(), labels),
                (some("7"), some("[1,2]"))
            );
            assert_eq!(read("".into(), labels), (None, None));
            assert_eq!(read(Value::Null, labels), (None, None));
        }
        assert_eq!(read("p".into(), Labels::PromptId), (some("p"), None));
        assert_eq!(read("{p}".into(), Labels::PromptId), (some("{p}"), None));
        assert_eq!(read(json!(3), Labels::PromptId), (some("3"), None));
        assert_eq!(read("42".into(), Labels::Answer), (None, some("42")));
        assert!(super::read(json!([1]), Labels::PromptId, 0).is_err());
    }
}
