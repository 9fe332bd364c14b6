//! `POST /v1/embeddings`, as verl asks a reward model behind SGLang: an embedding of one number, the reward.

use std::sync::Arc;

use axum::{extract::State as Shared, response::Response, routing::post};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Operation, Route,
    classify::{Input, conversations},
    schema,
};
use crate::{
    body::{Json, answer},
    fault::Fault,
    item::noted,
    state::State,
};

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
        operations: vec![Operation {
            method: "post",
            summary: "Rewards in the shape of SGLang's reward models",
            parameters: None,
            request: Some(schema::<Request>),
            answer: Some(schema::<Answer>),
        }],
    }
}

async fn embeddings(
    Shared(state): Shared<Arc<State>>,
    Json(request): Json<Request>,
) -> Result<Response, Fault> {
    let items = conversations(&state, request.input)?;
    let noted = noted(&items, state.settings.log_prompts);
    let shaped = state.rewards(items).await?;
    let embedding = |(index, transformed)| Embedding {
        object: "embedding",
        index,
        embedding: [transformed],
    };
    let body = Answer {
        object: "list",
        model: request.model,
        data: shaped
            .iter()
            .map(|reward| reward.transformed)
            .enumerate()
            .map(embedding)
            .collect(),
    };
    Ok(answer(&body, noted))
}
