//! vLLM's `POST /classify`: a sequence-classification model with one label.
//!
//! `use_activation: false` always: the server's default is a sigmoid, under which rewards above 17 tie in f32. `add_special_tokens` is
//! always written out: the server's default adds them to `input`, so that a text which begins with its own BOS gets a second one.

use serde_json::{Value, json};

use super::{Ask, Dialect, Dress};
use crate::reward::{
    Asked,
    reading::{alone, indexed, under},
};

pub(super) const START: &str = "vllm serve MODEL --runner pooling";
pub(super) const UNSATURATE: &str = "start vLLM with `--pooler-config '{\"use_activation\": false}'` (older versions: `--override-pooler-config`)";
pub(super) const ONE_LABEL: &str =
    "a reward model has one label (`num_labels: 1` in its config.json)";

pub(super) const SERVED: Option<(&str, &str)> = Some(("/v1/models", "/data/0/id"));

pub(super) const DIALECT: Dialect = Dialect {
    name: "vllm",
    path: "/classify",
    example: "vllm:http://localhost:8000",
    summary: "a reward model that vLLM serves, by /classify",
    start: START,
    any_path: false,
    dresses: &[Dress::Raw, Dress::Chat],
    most: 32,
    bare: true,
    one_prompt: false,
    switch: true,
    model: true,
    unsaturate: UNSATURATE,
    served: SERVED,
    body,
    read,
};

pub(super) fn body(ask: &Ask<'_>) -> Value {
    let activation = ask.activation;
    ask.named(match (ask.dress, ask.asked) {
        // The template writes the special tokens.
        (Dress::Chat, [a]) => json!({
            "messages": conversation(a),
            "add_special_tokens": false,
            "use_activation": activation,
        }),
        _ => json!({
            "input": ask.texts(),
            "add_special_tokens": ask.special,
            "use_activation": activation,
        }),
    })
}

/// The prompt's turns, or the prompt as the user's, and the response as what follows.
fn conversation(a: &Asked<'_>) -> Vec<Value> {
    let turn = |role: &str, content: &str| json!({"role": role, "content": content});
    let mut turns = match a.messages {
        Some(messages) => messages.iter().map(|m| turn(&m.role, &m.content)).collect(),
        None => vec![turn("user", a.prompt)],
    };
    turns.push(turn("assistant", a.response));
    turns
}

fn read(reply: &Value, n: usize) -> Result<Vec<f32>, String> {
    indexed(under(reply, "data", n)?, |entry| {
        alone(&entry["probs"], ONE_LABEL)
    })
}
