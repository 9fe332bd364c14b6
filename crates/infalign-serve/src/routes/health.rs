//! `/healthz`: the process answers. `/readyz`: rewards can be asked for.

use std::sync::Arc;

use axum::{extract::State as Shared, response::Response, routing::get};
use schemars::JsonSchema;
use serde::Serialize;

use super::{Operation, Route};
use crate::{
    body::answer,
    fault::{Fault, Kind},
    log::Noted,
    state::{Phase, State},
};

pub(super) const ALIVE: &str = "/healthz";
pub(super) const READY: &str = "/readyz";

#[derive(Serialize, JsonSchema)]
struct Alive {
    status: &'static str,
}

#[derive(Serialize, JsonSchema)]
struct Ready {
    status: &'static str,
    /// The name of the reward; `null` where clients bring raw rewards.
    reward: Option<String>,
}

pub(super) fn alive() -> Route {
    Route {
        path: ALIVE,
        methods: get(is_alive),
        operations: vec![Operation::get::<Alive>("The process answers; no token")],
    }
}

pub(super) fn ready() -> Route {
    Route {
        path: READY,
        methods: get(is_ready),
        operations: vec![Operation::get::<Ready>(
            "Rewards can be asked for; 503 while the reward is opened and while the service stops; no token",
        )],
    }
}

async fn is_alive() -> Response {
    answer(&Alive { status: "alive" }, Noted::default())
}

async fn is_ready(Shared(state): Shared<Arc<State>>) -> Result<Response, Fault> {
    match state.phase() {
        Phase::Opening => Err(Fault::new(Kind::NotReady, "the reward is being opened")),
        Phase::Stopping => Err(Fault::new(Kind::Stopping, "the service stops")),
        Phase::Ready => {
            let reward = state.reward.get().cloned().flatten();
            let status = "ready";
            Ok(answer(&Ready { status, reward }, Noted::default()))
        }
    }
}
