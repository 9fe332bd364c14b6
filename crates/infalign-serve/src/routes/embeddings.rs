//! `POST /v1/embeddings`, as verl asks a reward model behind SGLang: an embedding of one number, the reward.

use std::sync::Arc;

use axum::{extract::State as Shared, response::Response, routing::post};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Operation, Route,
    classify::{Input, conversations},
    rewarded,
};
use crate::{body::Json, fault::Fault, shaping::Shaped, state::State};

pub(super) const PATH: &str = "/v1/embeddings";

/// What verl 0.9 sends to SGLang.
#[derive(Deserialize, JsonSchema)]
struct Request {
    /// Said back; there is one reward.
    #[serde(default)]
    model: Option<String>,
    input: Input,
}

#[derive(Serialize, JsonSchema)]
struct Answer {
    object: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<String>,
    data: Vec<Embedding>,
}

/// One text's reward.
#[derive(Serialize, JsonSchema)]
struct Embedding {
    object: &'static str,
    index: usize,
    /// Φ(Ĉ).
    embedding: [f64; 1],
}

pub(super) fn route() -> Route {
    Route {
        path: PATH,
        methods: post(embeddings),
        operations: vec![Operation::post::<Request, Answer>(
            "Rewards in the shape of SGLang's reward models",
        )],
    }
}

async fn embeddings(
    Shared(state): Shared<Arc<State>>,
    Json(request): Json<Request>,
) -> Result<Response, Fault> {
    let items = conversations(&state, request.input)?;
    let embedding = |(index, reward): (usize, &Shaped)| Embedding {
        object: "embedding",
        index,
        embedding: [reward.transformed],
    };
    rewarded(&state, items, |shaped| Answer {
        object: "list",
        model: request.model,
        data: shaped.iter().enumerate().map(embedding).collect(),
    })
    .await
}
