//! The routes, each in a file with its shapes; the router and `/openapi.json` are made of the same list.

mod calibrations;
mod classify;
mod embeddings;
mod get_reward;
mod health;
mod metrics;
mod openapi;
mod rewards;
mod transform;

use std::sync::Arc;

use axum::{Router, middleware, response::Response, routing::MethodRouter};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    body::answer,
    fault::Fault,
    gate::{gate, no_method, no_route},
    item::{Item, noted},
    shaping::Shaped,
    state::State,
};

/// Routes that are answered without a token, and however busy the service is.
pub(crate) const FREE: [&str; 2] = [health::ALIVE, health::READY];

const PATHS: [&str; 10] = [
    get_reward::PATH,
    classify::PATH,
    embeddings::PATH,
    rewards::PATH,
    calibrations::PATH,
    transform::PATH,
    health::ALIVE,
    health::READY,
    metrics::PATH,
    openapi::PATH,
];

/// A route with what is said of it.
struct Route {
    path: &'static str,
    methods: MethodRouter<Arc<State>>,
    operations: Vec<Operation>,
}

/// A method of a route.
struct Operation {
    method: &'static str,
    summary: &'static str,
    /// The address takes them after a `?`.
    parameters: Option<fn() -> Value>,
    request: Option<Schemer>,
    /// `None`: text.
    answer: Option<Schemer>,
}

impl Operation {
    /// `POST` of a `Q`, answered by an `A`.
    fn post<Q: JsonSchema, A: JsonSchema>(summary: &'static str) -> Self {
        Self {
            method: "post",
            summary,
            parameters: None,
            request: Some(schema::<Q>),
            answer: Some(schema::<A>),
        }
    }

    /// `GET`, answered by an `A`.
    fn get<A: JsonSchema>(summary: &'static str) -> Self {
        Self {
            method: "get",
            summary,
            parameters: None,
            request: None,
            answer: Some(schema::<A>),
        }
    }
}

/// The rewards of items, in the shape that `body` gives them.
async fn rewarded<A: Serialize>(
    state: &State,
    items: Vec<Item>,
    body: impl FnOnce(&[Shaped]) -> A,
) -> Result<Response, Fault> {
    let noted = noted(&items, state.settings.log_prompts);
    let shaped = state.rewards(items).await?;
    Ok(answer(&body(&shaped), noted))
}

/// Makes the schema of a type.
type Schemer = fn(&mut SchemaGenerator) -> Schema;

fn schema<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

/// The fields of a type, all optional, as parameters of an address.
fn parameters<T: JsonSchema>() -> Value {
    let whole = SchemaGenerator::default().into_root_schema_for::<T>();
    let fields = whole.get("properties").and_then(Value::as_object);
    let one = |(name, schema)| json!({"name": name, "in": "query", "schema": schema});
    fields.into_iter().flatten().map(one).collect()
}

fn all() -> Vec<Route> {
    vec![
        get_reward::route(),
        classify::route(),
        embeddings::route(),
        rewards::route(),
        calibrations::route(),
        transform::route(),
        health::alive(),
        health::ready(),
        metrics::route(),
    ]
}

/// Everything that is answered.
pub(crate) fn router(state: &Arc<State>) -> Router {
    let routes = all();
    let mut router = Router::new().route(openapi::PATH, openapi::serving(&routes));
    for route in routes {
        router = router.route(route.path, route.methods);
    }
    router
        .fallback(no_route)
        .method_not_allowed_fallback(no_method)
        .layer(middleware::from_fn_with_state(Arc::clone(state), gate))
        .with_state(Arc::clone(state))
}

/// The name of a route in metrics and the log.
pub(crate) fn name(matched: Option<&str>) -> &'static str {
    let known = PATHS.iter().find(|path| Some(**path) == matched);
    known.copied().unwrap_or("other")
}
