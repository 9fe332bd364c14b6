//! OpenRLHF's `POST /get_reward`, and what speaks it: the server of its own reward models, and the scripts that users give to
//! `--reward.remote_url`.
//!
//! OpenRLHF's trainer sends one response to a request, so that a script may heed only the first; `:single` asks it so. Texts come to the
//! server with their special tokens; its own server adds none.

use serde_json::{Value, json};

use super::{Ask, Dialect, Dress};
use crate::reward::reading::{number, under};

pub(super) const DIALECT: Dialect = Dialect {
    name: "openrlhf",
    path: "/get_reward",
    example: "openrlhf:http://localhost:5000",
    summary: "a reward server of OpenRLHF, or a script that speaks its protocol",
    start: "python -m openrlhf.cli.serve_rm --reward.model_name_or_path MODEL --port 5000",
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
    let labels: Vec<_> = ask.asked.iter().map(|a| a.answer).collect();
    let prompts: Vec<_> = ask.asked.iter().map(|a| a.prompt).collect();
    json!({"query": ask.texts(), "prompts": prompts, "labels": labels})
}

fn read(reply: &Value, n: usize) -> Result<Vec<f32>, String> {
    under(reply, "rewards", n)?.iter().map(number).collect()
}
