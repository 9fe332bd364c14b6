//! `POST /v1/rewards`: responses, or raw rewards, of prompts named by id, by text or by messages.

use std::sync::Arc;

use axum::{extract::State as Shared, response::Response, routing::post};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Operation, Route, rewarded};
use crate::{
    body::Json,
    fault::Fault,
    item::{Given, Item},
    prompt::{Id, Prompt},
    state::State,
};

pub(super) const PATH: &str = "/v1/rewards";

/// Lists of equal length: `prompts` or `prompt_ids` or both, and `responses` or `raw`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Request {
    #[serde(default)]
    prompts: Option<Vec<Prompt>>,
    #[serde(default)]
    prompt_ids: Option<Vec<Id>>,
    /// As they shall be rewarded: no tokens are taken off their ends.
    #[serde(default)]
    responses: Option<Vec<String>>,
    /// Raw rewards, kept in single precision.
    #[serde(default)]
    raw: Option<Vec<f64>>,
    /// Right answers, for rewards that verify them.
    #[serde(default)]
    answers: Option<Vec<Option<String>>>,
}

/// One entry for each response.
#[derive(Serialize, JsonSchema)]
struct Answer {
    /// On the reward's own scale.
    raw: Vec<f32>,
    /// Ĉ, the share of the base's responses that this one beats, in [0, 1].
    calibrated: Vec<f64>,
    /// Φ(Ĉ).
    transformed: Vec<f64>,
}

pub(super) fn route() -> Route {
    Route {
        path: PATH,
        methods: post(rewards),
        operations: vec![Operation::post::<Request, Answer>(
            "Raw, calibrated and transformed rewards of responses or of raw rewards",
        )],
    }
}

async fn rewards(
    Shared(state): Shared<Arc<State>>,
    Json(request): Json<Request>,
) -> Result<Response, Fault> {
    let items = items(&state, request)?;
    rewarded(&state, items, |shaped| Answer {
        raw: shaped.iter().map(|reward| reward.raw).collect(),
        calibrated: shaped.iter().map(|reward| reward.calibrated).collect(),
        transformed: shaped.iter().map(|reward| reward.transformed).collect(),
    })
    .await
}

fn items(state: &State, request: Request) -> Result<Vec<Item>, Fault> {
    let known = state.known()?;
    let given: Vec<Given> = match (request.responses, request.raw) {
        (Some(responses), None) => responses.into_iter().map(Given::Response).collect(),
        (None, Some(raw)) => {
            let one = |(place, &raw): (usize, &f64)| Ok(Given::Raw(single(raw, "raw", place)?));
            raw.iter()
                .enumerate()
                .map(one)
                .collect::<Result<_, Fault>>()?
        }
        _ => return Err(Fault::malformed("give `responses`, or else `raw`")),
    };
    let n = given.len();
    let mut prompts = each("prompts", request.prompts, n)?;
    let mut ids = each("prompt_ids", request.prompt_ids, n)?;
    let mut answers = each("answers", request.answers, n)?;
    let one = |(place, given): (usize, Given)| {
        let prompt = match prompts.next().flatten() {
            Some(prompt) => Some(prompt.keyed().ok_or_else(|| no_text(place))?),
            None => None,
        };
        let id = ids.next().flatten().map(Id::into_text);
        let answer = answers.next().flatten().flatten().map(Into::into);
        Item::new(known, id, prompt, answer, given)
    };
    given.into_iter().enumerate().map(one).collect()
}

/// The entries of a list that is not there, or has one for each of `n`.
pub(super) fn each<T>(
    name: &str,
    list: Option<Vec<T>>,
    n: usize,
) -> Result<impl Iterator<Item = Option<T>>, Fault> {
    if let Some(length) = list.as_ref().map(Vec::len).filter(|&length| length != n) {
        let fault = format!(
            "`{name}` holds {length} entries where there are {n} rewards or responses: give one each"
        );
        return Err(Fault::malformed(fault));
    }
    let mut list = list.map(Vec::into_iter);
    Ok(std::iter::repeat_with(move || {
        list.as_mut().and_then(Iterator::next)
    }))
}

/// A reward in single precision.
pub(super) fn single(raw: f64, name: &str, place: usize) -> Result<f32, Fault> {
    let single = raw as f32;
    if single.is_finite() {
        return Ok(single);
    }
    Err(Fault::malformed(format!(
        "`{name}`, entry {place}: a reward must be a number below 3.4e38"
    )))
}

pub(super) fn no_text(place: usize) -> Fault {
    Fault::malformed(format!(
        "prompt {place} holds no messages, or parts that are no texts"
    ))
}
