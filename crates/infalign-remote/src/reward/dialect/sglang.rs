//! The `POST /classify` of `SGLang`, which answers with the raw output of the head.
//!
//! Never `/v1/classify`: it takes a softmax over the labels, and over one label that is 1.0 for every text. A text gets special tokens as its
//! tokenizer adds them; nothing in a request turns that off.

use serde_json::{Value, json};

use super::{Ask, Dialect, Dress};
use crate::reward::reading::{alone, listed};

pub(super) const DIALECT: Dialect = Dialect {
    name: "sglang",
    path: "/classify",
    example: "sglang:http://localhost:30000",
    summary: "a reward model that SGLang serves, by its own /classify",
    start: "python -m sglang.launch_server --model-path MODEL --is-embedding",
    any_path: false,
    dresses: &[Dress::Raw],
    most: 32,
    bare: false,
    one_prompt: false,
    switch: false,
    model: true,
    unsaturate: "let SGLang's own `/classify` be reached, not `/v1/classify`, which takes a softmax over the labels (1 for the only one)",
    served: Some(("/get_model_info", "/model_path")),
    body,
    read,
};

fn body(ask: &Ask<'_>) -> Value {
    json!({"text": ask.texts()})
}

fn read(reply: &Value, n: usize) -> Result<Vec<f32>, String> {
    let more =
        "this is an embedding: serve a reward model (`…ForSequenceClassification` with one label)";
    let entries = listed(reply, n)?.iter();
    entries.map(|e| alone(&e["embedding"], more)).collect()
}
