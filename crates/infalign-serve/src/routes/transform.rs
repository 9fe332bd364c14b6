//! `/v1/transform`: which Φ is applied, and a change of it, for which a token must have been shown.

use std::sync::Arc;

use axum::{extract::State as Shared, response::Response, routing::get};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Operation, Route, schema};
use crate::{
    body::{Json, answer},
    fault::{Fault, Kind},
    log::Noted,
    shaping::Phi,
    state::State,
};

pub(super) const PATH: &str = "/v1/transform";

/// A transform by its text, for a procedure.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Request {
    /// `exp:10`, `log`, …, or `optimal`, which is solved for `procedure` and `kl`.
    transform: String,
    /// `best-of:4`, `worst-of:4`, …
    #[serde(default)]
    procedure: Option<String>,
    /// The budget of `optimal`, in nats.
    #[serde(default)]
    kl: Option<f64>,
}

/// What is applied.
#[derive(Serialize, JsonSchema)]
struct Answer {
    transform: String,
    procedure: Option<String>,
    kl: Option<f64>,
    /// How ranks become calibrated rewards.
    rule: String,
}

pub(super) fn route() -> Route {
    Route {
        path: PATH,
        methods: get(show).put(change),
        operations: vec![
            Operation::get::<Answer>("The transform that is applied"),
            Operation {
                method: "put",
                summary: "Another transform, from now on; wants a token",
                parameters: None,
                request: Some(schema::<Request>),
                answer: Some(schema::<Answer>),
            },
        ],
    }
}

/// # Errors
/// [`Kind::NotChangeable`] for a service without tokens: then nobody could be told from anybody.
pub(super) fn changeable(state: &State) -> Result<(), Fault> {
    if state.settings.tokens.is_empty() {
        return Err(Fault::new(
            Kind::NotChangeable,
            "this service has no token, so nothing of it can be changed while it runs: start it with one",
        ));
    }
    Ok(())
}

async fn show(Shared(state): Shared<Arc<State>>) -> Response {
    shown(&state)
}

async fn change(
    Shared(state): Shared<Arc<State>>,
    Json(request): Json<Request>,
) -> Result<Response, Fault> {
    changeable(&state)?;
    let parsing = tokio::task::spawn_blocking(move || {
        Phi::parse(&request.transform, request.procedure.as_deref(), request.kl)
    });
    let lost = |_| Fault::malformed("the optimum for this procedure could not be solved");
    let phi = parsing.await.map_err(lost)??;
    state.shaping.change(phi);
    Ok(shown(&state))
}

fn shown(state: &State) -> Response {
    let phi = state.shaping.now();
    let body = Answer {
        transform: phi.text(),
        procedure: phi.procedure.as_ref().map(ToString::to_string),
        kl: phi.kl,
        rule: state.shaping.rule.to_string(),
    };
    answer(&body, Noted::default())
}
