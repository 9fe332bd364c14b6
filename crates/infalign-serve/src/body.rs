//! A request's body as JSON, within its limits; and JSON as an answer.

use std::sync::{Arc, atomic::Ordering};

use axum::{
    body::Body,
    extract::{FromRequest, Request},
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};
use http_body_util::BodyExt;
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    fault::{Fault, Kind},
    log::Noted,
    state::State,
};

/// What a request says. Nested beyond 128 levels, it is refused by the parser.
pub(crate) struct Json<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<Arc<State>> for Json<T> {
    type Rejection = Fault;

    async fn from_request(request: Request, state: &Arc<State>) -> Result<Self, Fault> {
        if !says_json(request.headers()) {
            return Err(Fault::new(
                Kind::MediaType,
                "the body must be JSON, with the header `Content-Type: application/json`",
            ));
        }
        let limit = state.settings.limits.receive;
        let received = tokio::time::timeout(limit, receive(request.into_body(), state)).await;
        let slow = |_| Fault::new(Kind::SlowBody, "the body did not come in time");
        let received = received.map_err(slow)??;
        let utf8 = |_| Fault::new(Kind::NotUtf8, "the body is not UTF-8");
        let text = std::str::from_utf8(&received.bytes).map_err(utf8)?;
        serde_json::from_str(text).map(Self).map_err(|error| {
            // A value of another type is quoted by the parser, and may be a prompt.
            let what = match error.classify() {
                serde_json::error::Category::Data => unquoted(&error.to_string()),
                _ => error.to_string(),
            };
            Fault::new(
                Kind::BadJson,
                format!("the body is not the JSON expected: {what}"),
            )
        })
    }
}

fn says_json(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE);
    let value = value
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let essence = value.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
}

/// What the parser says, without what it repeats of the body: values stand between `"`, a field's name between backticks.
fn unquoted(message: &str) -> String {
    let unknown = message.strip_prefix("unknown field");
    if let Some((from, rest)) = unknown.and_then(|rest| Some((rest.rfind(", expected")?, rest))) {
        return format!("unknown field{}", &rest[from..]);
    }
    match (message.find('"'), message.rfind('"')) {
        (Some(from), Some(to)) if from < to => {
            format!("{}…{}", &message[..from], &message[to + 1..])
        }
        _ => message.to_owned(),
    }
}

/// A body, counted among those that are held for as long as it lives.
struct Held<'s> {
    bytes: Vec<u8>,
    state: &'s State,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.state
            .held
            .fetch_sub(self.bytes.len(), Ordering::Relaxed);
    }
}

async fn receive(mut body: Body, state: &State) -> Result<Held<'_>, Fault> {
    let limits = &state.settings.limits;
    let too_large = || {
        let most = limits.body;
        Fault::new(
            Kind::TooLarge,
            format!("the body is larger than {most} bytes: send it in parts"),
        )
    };
    let announced = hyper::body::Body::size_hint(&body).lower();
    if announced > limits.body as u64 {
        return Err(too_large());
    }
    let mut held = Held {
        bytes: Vec::new(),
        state,
    };
    while let Some(frame) = body.frame().await {
        let broken = |_| Fault::new(Kind::BadJson, "the body ended early");
        let Ok(data) = frame.map_err(broken)?.into_data() else {
            continue;
        };
        if held.bytes.len() + data.len() > limits.body {
            return Err(too_large());
        }
        let all = state.held.fetch_add(data.len(), Ordering::Relaxed) + data.len();
        held.bytes.extend_from_slice(&data);
        if all > limits.bodies {
            let full = "the service holds as many bodies as it may: ask again in a second";
            return Err(Fault::new(Kind::Full, full));
        }
    }
    Ok(held)
}

/// An answer in JSON, with what the log says of it.
pub(crate) fn answer(value: &impl Serialize, noted: Noted) -> Response {
    let mut response = axum::Json(value).into_response();
    response.extensions_mut().insert(noted);
    response
}
