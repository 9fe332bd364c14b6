//! The llama.cpp server's `POST /rerank`: one prompt with several responses, answered sorted by relevance and put back by index.
//!
//! A response that it could not compute comes as −10⁶, not as an error; that is a fault here.

use serde_json::{Value, json};

use super::{Ask, Dialect, Dress};
use crate::reward::reading::{indexed, number, under};

/// What the server's `send_rerank` writes where it has no output.
const FAILED: f32 = -1e6;

pub(super) const DIALECT: Dialect = Dialect {
    name: "llama.cpp",
    path: "/rerank",
    example: "llama.cpp:http://localhost:8080",
    summary: "a cross-encoder that the llama.cpp server runs, by /rerank",
    start: "llama-server -m MODEL.gguf --reranking",
    any_path: false,
    dresses: &[Dress::Pair],
    most: 32,
    bare: false,
    one_prompt: true,
    switch: false,
    model: true,
    unsaturate: "convert the model so that its GGUF file ends with the head's plain output, without sigmoid or softmax",
    served: Some(("/props", "/model_path")),
    body,
    read,
};

fn body(ask: &Ask<'_>) -> Value {
    let query = ask.queries().into_iter().next().unwrap_or_default();
    ask.named(json!({"query": query, "documents": ask.responses()}))
}

fn read(reply: &Value, n: usize) -> Result<Vec<f32>, String> {
    indexed(under(reply, "results", n)?, |entry| {
        match number(&entry["relevance_score"])? {
            FAILED => Err("has -1000000, by which llama.cpp says that it failed to compute a response; see its log".to_owned()),
            value => Ok(value),
        }
    })
}
