//! vLLM's `POST /pooling` with `task: classify`: the same number as by `/classify`, for servers that offer only this.

use serde_json::Value;

use super::{Ask, Dialect, Dress, vllm};
use crate::reward::reading::{alone, indexed, under};

pub(super) const DIALECT: Dialect = Dialect {
    name: "vllm-pooling",
    path: "/pooling",
    example: "vllm-pooling:http://localhost:8000",
    summary: "a reward model that vLLM serves, by /pooling",
    start: vllm::START,
    any_path: false,
    dresses: &[Dress::Raw, Dress::Chat],
    most: 32,
    bare: true,
    one_prompt: false,
    switch: true,
    model: true,
    unsaturate: vllm::UNSATURATE,
    served: vllm::SERVED,
    body,
    read,
};

fn body(ask: &Ask<'_>) -> Value {
    let mut body = vllm::body(ask);
    // A server that also offers `token_classify` would give a number for every token.
    body["task"] = "classify".into();
    body
}

fn read(reply: &Value, n: usize) -> Result<Vec<f32>, String> {
    let more = "a reward model has one label, and answers task `classify` with one number a text";
    indexed(under(reply, "data", n)?, |entry| {
        alone(&entry["data"], more)
    })
}
