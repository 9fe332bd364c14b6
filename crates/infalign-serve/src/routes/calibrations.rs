//! `/v1/calibrations`: which prompts are calibrated, and rewards of the base policy for more of them. Rewards come in the body and from nowhere
//! else: no address or path can be named.

use std::sync::Arc;

use axum::{
    extract::{Query, State as Shared, rejection::QueryRejection},
    response::Response,
    routing::get,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Operation, Route, parameters,
    rewards::{each, no_text, single},
    schema,
    transform::changeable,
};
use crate::{
    body::{Json, answer},
    calibrations::Counts,
    fault::Fault,
    log::Noted,
    prompt::{Id, Prompt},
    state::State,
};

pub(super) const PATH: &str = "/v1/calibrations";

/// Prompts in a page, unless told otherwise, and at most.
const PAGE: (usize, usize) = (100, 10_000);

/// Rewards of the base's rollouts. Lists of equal length: `prompts` or `prompt_ids`, and `rewards`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Request {
    #[serde(default)]
    prompts: Option<Vec<Prompt>>,
    #[serde(default)]
    prompt_ids: Option<Vec<Id>>,
    /// The raw rewards of each prompt, in any order, at least one.
    rewards: Vec<Vec<f64>>,
}

/// How much was added.
#[derive(Serialize, JsonSchema)]
struct Added {
    prompts: usize,
    rewards: usize,
}

/// A page of the list.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Page {
    /// The first prompt, from 0.
    from: usize,
    /// Prompts, at most 10000.
    limit: usize,
}

impl Default for Page {
    fn default() -> Self {
        Self {
            from: 0,
            limit: PAGE.0,
        }
    }
}

#[derive(Serialize, JsonSchema)]
struct Listing {
    /// What the service was started with.
    table: Source,
    /// What was added while it runs.
    added: Source,
    /// What was rolled out while it runs.
    rollouts: Source,
    /// The base policy, the reward and the sampling of the table, as it names them.
    base_policy: Option<String>,
    reward: Option<String>,
    sampling: Option<String>,
    /// The page.
    calibrations: Vec<Calibrated>,
}

/// Prompts and rewards.
#[derive(Serialize, JsonSchema)]
struct Source {
    prompts: usize,
    rewards: usize,
}

/// A calibrated prompt.
#[derive(Serialize, JsonSchema)]
struct Calibrated {
    prompt_id: String,
    /// Its number of rollouts.
    k: usize,
    /// `table`, `added` or `rollouts`.
    source: &'static str,
}

pub(super) fn route() -> Route {
    Route {
        path: PATH,
        methods: get(list).post(add),
        operations: vec![
            Operation {
                method: "get",
                summary: "Calibrated prompts, a page at a time",
                parameters: Some(parameters::<Page>),
                request: None,
                answer: Some(schema::<Listing>),
            },
            Operation::post::<Request, Added>(
                "Calibrates further prompts until the service ends; wants a token",
            ),
        ],
    }
}

async fn list(
    Shared(state): Shared<Arc<State>>,
    page: Result<Query<Page>, QueryRejection>,
) -> Result<Response, Fault> {
    let wrong = |_| Fault::malformed("the list takes `from` and `limit`, whole numbers");
    let Query(page) = page.map_err(wrong)?;
    let calibrations = state.calibrations.list(page.from, page.limit.min(PAGE.1));
    let one = |(id, k, source): (Arc<str>, usize, &'static str)| Calibrated {
        prompt_id: id.to_string(),
        k,
        source,
    };
    let source = |Counts { prompts, rewards }| Source { prompts, rewards };
    let [table, added, rollouts] = state.calibrations.counts().map(source);
    let of = state.calibrations.table();
    let listing = Listing {
        table,
        added,
        rollouts,
        base_policy: of.map(|table| table.base_policy.clone()),
        reward: of.map(|table| table.reward.clone()),
        sampling: of.map(|table| table.sampling.clone()),
        calibrations: calibrations.into_iter().map(one).collect(),
    };
    Ok(answer(&listing, Noted::default()))
}

async fn add(
    Shared(state): Shared<Arc<State>>,
    Json(request): Json<Request>,
) -> Result<Response, Fault> {
    changeable(&state)?;
    let known = state.known()?;
    let n = request.rewards.len();
    let mut prompts = each("prompts", request.prompts, n)?;
    let mut ids = each("prompt_ids", request.prompt_ids, n)?;
    let mut rows = Vec::with_capacity(n);
    for (place, rewards) in request.rewards.iter().enumerate() {
        let key = match prompts.next().flatten() {
            Some(prompt) => {
                let key = prompt.keyed().ok_or_else(|| no_text(place))?.key;
                Some(
                    known
                        .by_key(&key)
                        .map_or(key, |found| Arc::clone(&found.id)),
                )
            }
            None => None,
        };
        let id = ids.next().flatten().map(Id::into_text).or(key);
        let nameless = || Fault::malformed(format!("prompt {place} has neither id nor text"));
        let id = id.ok_or_else(nameless)?;
        if rewards.is_empty() {
            return Err(Fault::malformed(format!(
                "prompt {place} has no rewards: give at least one"
            )));
        }
        let row = rewards
            .iter()
            .map(|&reward| single(reward, "rewards", place));
        rows.push((id, row.collect::<Result<_, _>>()?));
    }
    let Counts { prompts, rewards } = state.calibrations.add(rows)?;
    let noted = Noted {
        items: prompts,
        prompts: Vec::new(),
    };
    Ok(answer(&Added { prompts, rewards }, noted))
}
