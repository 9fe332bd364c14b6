//! LLaMA-Factory's reward API: `{"model", "messages": [whole texts]}`, answered by `scores`.

use serde_json::{Value, json};

use super::{Ask, Dialect, Dress};
use crate::reward::reading::{number, under};

pub(super) const DIALECT: Dialect = Dialect {
    name: "llamafactory",
    path: "/v1/score/evaluation",
    example: "llamafactory:http://localhost:8000",
    summary: "a reward model that LLaMA-Factory serves (`stage: rm`), or what `reward_model_type: api` asks",
    start: "llamafactory-cli api rm.yaml",
    any_path: true,
    dresses: &[Dress::Raw],
    most: 32,
    bare: false,
    one_prompt: false,
    switch: false,
    model: false,
    unsaturate: "let the server answer with the head's plain output, without sigmoid or softmax",
    served: None,
    body,
    read,
};

fn body(ask: &Ask<'_>) -> Value {
    // The field must be there; LLaMA-Factory's own client writes this word.
    json!({"model": ask.model.unwrap_or("model"), "messages": ask.texts()})
}

fn read(reply: &Value, n: usize) -> Result<Vec<f32>, String> {
    under(reply, "scores", n)?.iter().map(number).collect()
}
