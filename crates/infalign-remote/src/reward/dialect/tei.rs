//! Text Embeddings Inference's `POST /predict` with `raw_scores: true`, for single texts and for pairs.
//!
//! Every text is a list of its own: the server reads `["a", "b"]` as one pair, not as two texts. It answers 413 to more texts than its
//! `--max-client-batch-size`, which is 32 unless set.

use serde_json::{Value, json};

use super::{Ask, Dialect, Dress};
use crate::reward::reading::{listed, number, short};

pub(super) const DIALECT: Dialect = Dialect {
    name: "tei",
    path: "/predict",
    example: "tei:http://localhost:8080",
    summary: "a classifier or cross-encoder with one label that Text Embeddings Inference serves",
    start: "text-embeddings-router --model-id MODEL --port 8080",
    any_path: false,
    dresses: &[Dress::Raw, Dress::Pair],
    most: 32,
    bare: false,
    one_prompt: false,
    switch: true,
    model: true,
    unsaturate: "use a version of Text Embeddings Inference that heeds `raw_scores` in /predict",
    served: Some(("/info", "/model_id")),
    body,
    read,
};

fn body(ask: &Ask<'_>) -> Value {
    let inputs: Vec<Vec<String>> = match ask.dress {
        Dress::Pair => {
            let pair = |a: &super::Asked<'_>| vec![a.shown().into_owned(), a.response.to_owned()];
            ask.asked.iter().map(pair).collect()
        }
        Dress::Raw | Dress::Chat => ask.texts().into_iter().map(|text| vec![text]).collect(),
    };
    json!({"inputs": inputs, "raw_scores": !ask.activation})
}

fn read(reply: &Value, n: usize) -> Result<Vec<f32>, String> {
    let one = |labels: &Value| match labels.as_array().map(Vec::as_slice) {
        Some([label]) => number(&label["score"]),
        Some(labels) => Err(format!(
            "has {} labels for one text; a reward model has one",
            labels.len()
        )),
        None => Err(format!(
            "has {} where a list of labels belongs",
            short(labels)
        )),
    };
    listed(reply, n)?.iter().map(one).collect()
}
