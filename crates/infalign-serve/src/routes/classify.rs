//! `POST /classify`, as verl asks a reward model behind vLLM: whole conversations, whose prompts are recognised.

use std::sync::Arc;

use axum::{extract::State as Shared, response::Response, routing::post};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Operation, Route, rewarded};
use crate::{
    body::Json,
    fault::{Fault, Kind},
    item::{Given, Item},
    known::Known,
    prompt::{Keyed, Prompt, Turn},
    shaping::Shaped,
    split::{ended, recognised},
    state::State,
};

pub(super) const PATH: &str = "/classify";

/// What verl 0.9 sends to vLLM; or a conversation in messages, whose last one is the response.
#[derive(Deserialize, JsonSchema)]
struct Request {
    /// Said back; there is one reward.
    #[serde(default)]
    model: Option<String>,
    #[serde(default)]
    input: Option<Input>,
    #[serde(default)]
    messages: Option<Vec<Turn>>,
    /// If given, `false`: what is answered is Φ(Ĉ), on which no activation belongs.
    #[serde(default)]
    use_activation: Option<bool>,
}

/// One text, or several.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged, expecting = "a text, or a list of texts")]
pub(super) enum Input {
    /// One.
    Text(String),
    /// Several.
    Texts(Vec<String>),
}

#[derive(Serialize, JsonSchema)]
struct Answer {
    object: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<String>,
    data: Vec<Class>,
}

/// One text's reward.
#[derive(Serialize, JsonSchema)]
struct Class {
    index: usize,
    label: &'static str,
    /// Φ(Ĉ).
    probs: [f64; 1],
    num_classes: usize,
}

pub(super) fn route() -> Route {
    Route {
        path: PATH,
        methods: post(classify),
        operations: vec![Operation::post::<Request, Answer>(
            "Rewards in the shape of vLLM's reward models",
        )],
    }
}

async fn classify(
    Shared(state): Shared<Arc<State>>,
    Json(request): Json<Request>,
) -> Result<Response, Fault> {
    if request.use_activation == Some(true) {
        return Err(Fault::malformed(
            "`use_activation` must be false: what is answered is Φ(Ĉ)",
        ));
    }
    let items = match (request.input, request.messages) {
        (Some(input), None) => conversations(&state, input)?,
        (None, Some(messages)) => vec![conversation(&state, messages)?],
        _ => return Err(Fault::malformed("give `input`, or else `messages`")),
    };
    let class = |(index, reward): (usize, &Shaped)| Class {
        index,
        label: "LABEL_0",
        probs: [reward.transformed],
        num_classes: 1,
    };
    rewarded(&state, items, |shaped| Answer {
        object: "list",
        model: request.model,
        data: shaped.iter().enumerate().map(class).collect(),
    })
    .await
}

/// Texts whose prompts are recognised.
pub(super) fn conversations(state: &State, input: Input) -> Result<Vec<Item>, Fault> {
    let known = state.known()?;
    let texts = match input {
        Input::Text(text) => vec![text],
        Input::Texts(texts) => texts,
    };
    let one = |(place, text): (usize, &String)| {
        let settings = &state.settings;
        let conversation = settings.conversation.as_ref();
        let split = recognised(text, conversation, known, state.calibrations.table());
        let (prompt, response) = split.ok_or_else(|| {
            Fault::new(
                Kind::NotSplit,
                format!("text {place} does not begin with a known prompt: start the service with the file of prompts, and with what the chat template puts around one"),
            )
        })?;
        item(state, known, Keyed::text(prompt), response)
    };
    texts.iter().enumerate().map(one).collect()
}

fn conversation(state: &State, mut messages: Vec<Turn>) -> Result<Item, Fault> {
    let wrong = || {
        Fault::malformed(
            "`messages` must hold texts: those of the prompt, and last the assistant's response",
        )
    };
    let last = messages.pop().filter(|last| last.role == "assistant");
    let response = last
        .and_then(|last| last.content.text())
        .ok_or_else(wrong)?;
    let prompt = Prompt::Messages(messages).keyed().ok_or_else(wrong)?;
    item(state, state.known()?, prompt, &response)
}

fn item(state: &State, known: &Known, prompt: Keyed, response: &str) -> Result<Item, Fault> {
    let response = ended(response, &state.settings.end_tokens).to_owned();
    Item::new(known, None, Some(prompt), None, Given::Response(response))
}
