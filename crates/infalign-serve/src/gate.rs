//! What every request passes: the limit of requests, the token, the time limit; then it is counted and logged.

use std::{sync::Arc, time::Instant};

use axum::{
    extract::{MatchedPath, Request, State as Shared},
    http::{Method, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use prometheus_client::metrics::gauge::Gauge;

use crate::{
    fault::{Fault, Kind},
    log::{Line, Noted},
    routes,
    state::State,
};

/// Counts up while it lives.
pub(crate) struct Counted(Gauge);

impl Counted {
    pub(crate) fn new(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}

pub(crate) async fn gate(
    Shared(state): Shared<Arc<State>>,
    request: Request,
    next: Next,
) -> Response {
    let begun = Instant::now();
    let _counted = Counted::new(&state.metrics.in_flight);
    let matched = request.extensions().get::<MatchedPath>();
    let route = routes::name(matched.map(MatchedPath::as_str));
    let method = match *request.method() {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        _ => "other",
    };
    let response = admitted(&state, route, request, next).await;
    let elapsed = begun.elapsed().as_secs_f64();
    let status = response.status().as_u16();
    state.metrics.answered(route, status, elapsed);
    if let Some(log) = &state.log {
        let noted = response.extensions().get::<Noted>().cloned();
        let noted = noted.unwrap_or_default();
        log(&Line {
            method,
            route,
            status,
            milliseconds: 1e3 * elapsed,
            items: noted.items,
            code: response.extensions().get::<Kind>().map(|kind| kind.code()),
            prompts: noted.prompts,
        });
    }
    response
}

async fn admitted(state: &State, route: &'static str, request: Request, next: Next) -> Response {
    let mut held = None;
    if !routes::FREE.contains(&route) {
        held = state.requests.try_acquire().ok();
        if held.is_none() {
            let full = "as many requests as may are being answered: ask again in a second";
            return Fault::new(Kind::Full, full).into_response();
        }
        let given = request.headers().get(header::AUTHORIZATION);
        let given = given.map(header::HeaderValue::as_bytes);
        if !state.settings.tokens.admit(given) {
            let wanted = "this service wants a token: `Authorization: Bearer TOKEN`";
            return Fault::new(Kind::Unauthorized, wanted).into_response();
        }
    }
    let answer = tokio::time::timeout(state.settings.limits.answer, next.run(request)).await;
    drop(held);
    answer.unwrap_or_else(|_| {
        let slow = "the answer took longer than it may: ask for less at once, or start the service with more time";
        Fault::new(Kind::TooSlow, slow).into_response()
    })
}

/// Where there is no such route.
pub(crate) async fn no_route() -> Fault {
    Fault::new(
        Kind::NoSuchRoute,
        "there is no such route: /openapi.json lists them",
    )
}

/// Where a route has no such method.
pub(crate) async fn no_method() -> Fault {
    Fault::new(
        Kind::NoSuchMethod,
        "the route has no such method: /openapi.json lists them",
    )
}
