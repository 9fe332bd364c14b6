//! vLLM's `POST /score`: a cross-encoder that reads prompt and response as two texts.

use serde_json::{Value, json};

use super::{Ask, Dialect, Dress, vllm};
use crate::reward::reading::{indexed, number, under};

pub(super) const DIALECT: Dialect = Dialect {
    name: "vllm-score",
    path: "/score",
    example: "vllm-score:http://localhost:8000",
    summary: "a cross-encoder that vLLM serves, by /score",
    start: vllm::START,
    any_path: false,
    dresses: &[Dress::Pair],
    most: 32,
    bare: false,
    one_prompt: false,
    switch: true,
    model: true,
    unsaturate: vllm::UNSATURATE,
    served: vllm::SERVED,
    body,
    read,
};

fn body(ask: &Ask<'_>) -> Value {
    ask.named(json!({
        "queries": ask.queries(),
        "documents": ask.responses(),
        "use_activation": ask.activation,
    }))
}

fn read(reply: &Value, n: usize) -> Result<Vec<f32>, String> {
    indexed(under(reply, "data", n)?, |entry| number(&entry["score"]))
}
