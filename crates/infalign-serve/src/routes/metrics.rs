//! `GET /metrics`, for Prometheus.

use std::sync::Arc;

use axum::{
    extract::State as Shared,
    http::header,
    response::{IntoResponse, Response},
    routing::get,
};

use super::{Operation, Route};
use crate::{metrics::CONTENT_TYPE, state::State};

pub(super) const PATH: &str = "/metrics";

pub(super) fn route() -> Route {
    Route {
        path: PATH,
        methods: get(metrics),
        operations: vec![Operation {
            method: "get",
            summary: "Metrics in the text form of OpenMetrics",
            parameters: None,
            request: None,
            answer: None,
        }],
    }
}

async fn metrics(Shared(state): Shared<Arc<State>>) -> Response {
    let text = state
        .metrics
        .text(state.queue.depth(), state.calibrations.counts());
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response()
}
