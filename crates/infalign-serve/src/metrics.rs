//! What Prometheus reads at `/metrics`.
//!
//! | name | labels | is |
//! |---|---|---|
//! | `infalign_requests_total` | route, status | answered requests |
//! | `infalign_request_seconds` | route | from the head to the answer |
//! | `infalign_rewards_total` | | rewards that were given |
//! | `infalign_batch_size` | | responses that the reward was asked at once |
//! | `infalign_queue_depth` | | responses that wait for the reward, or are with it |
//! | `infalign_unknown_prompts_total` | handled | rewards asked for prompts that were never calibrated: error, pooled, rollout |
//! | `infalign_rollouts_total` | | prompts for which rollouts were drawn |
//! | `infalign_prompts` | source | calibrated prompts: table, added, rollouts |
//! | `infalign_calibrated_reward` | | Ĉ, in ten bins: uniform where the policy is still the base |
//! | `infalign_raw_reward` | | raw rewards: sum and count |
//! | `infalign_connections` | | open connections |
//! | `infalign_in_flight` | | requests that are being answered |
//! | `infalign_build_info` | version | 1 |
//!
//! No label holds anything that a client sends.

use std::sync::atomic::AtomicU64;

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram, info::Info},
    registry::Registry,
};

use crate::{calibrations::Counts, shaping::Shaped};

pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteStatus {
    route: &'static str,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Route {
    route: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Handled {
    handled: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Source {
    source: &'static str,
}

/// From 0.1 ms, below which nothing is told apart, to the 180 s at which trainers give up.
const SECONDS: [f64; 14] = [
    1e-4, 3e-4, 1e-3, 3e-3, 5e-3, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 180.0,
];

/// Powers of two, as batches go.
const SIZES: [f64; 10] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 1024.0];

#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    requests: Family<RouteStatus, Counter>,
    seconds: Family<Route, Histogram, fn() -> Histogram>,
    rewards: Counter,
    pub(crate) batches: Histogram,
    queue: Gauge,
    unknown: Family<Handled, Counter>,
    pub(crate) rollouts: Counter,
    prompts: Family<Source, Gauge>,
    calibrated: Histogram,
    raw: Histogram,
    pub(crate) connections: Gauge,
    pub(crate) in_flight: Gauge,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let seconds: fn() -> Histogram = || Histogram::new(SECONDS);
        let mut all = Self {
            registry: Registry::with_prefix("infalign"),
            requests: Family::default(),
            seconds: Family::new_with_constructor(seconds),
            rewards: Counter::<u64, AtomicU64>::default(),
            batches: Histogram::new(SIZES),
            queue: Gauge::default(),
            unknown: Family::default(),
            rollouts: Counter::default(),
            prompts: Family::default(),
            calibrated: Histogram::new((1..=10).map(|bin| f64::from(bin) / 10.0)),
            raw: Histogram::new([]),
            connections: Gauge::default(),
            in_flight: Gauge::default(),
        };
        for handled in ["error", "pooled", "rollout"] {
            drop(all.unknown.get_or_create(&Handled { handled }));
        }
        let registry = &mut all.registry;
        registry.register("requests", "answered requests", all.requests.clone());
        registry.register(
            "request_seconds",
            "seconds to the answer",
            all.seconds.clone(),
        );
        registry.register("rewards", "rewards that were given", all.rewards.clone());
        registry.register("batch_size", "responses asked at once", all.batches.clone());
        registry.register(
            "queue_depth",
            "responses at or before the reward",
            all.queue.clone(),
        );
        let never = "rewards asked for prompts that were never calibrated";
        registry.register("unknown_prompts", never, all.unknown.clone());
        registry.register(
            "rollouts",
            "prompts that were rolled out",
            all.rollouts.clone(),
        );
        registry.register("prompts", "calibrated prompts", all.prompts.clone());
        registry.register(
            "calibrated_reward",
            "calibrated rewards",
            all.calibrated.clone(),
        );
        registry.register("raw_reward", "raw rewards", all.raw.clone());
        registry.register("connections", "open connections", all.connections.clone());
        registry.register(
            "in_flight",
            "requests being answered",
            all.in_flight.clone(),
        );
        let build = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "the program", build);
        all
    }

    pub(crate) fn answered(&self, route: &'static str, status: u16, seconds: f64) {
        self.requests
            .get_or_create(&RouteStatus { route, status })
            .inc();
        self.seconds
            .get_or_create(&Route { route })
            .observe(seconds);
    }

    pub(crate) fn rewarded(&self, shaped: &[Shaped]) {
        self.rewards.inc_by(shaped.len() as u64);
        for reward in shaped {
            self.calibrated.observe(reward.calibrated);
            self.raw.observe(reward.raw.into());
        }
    }

    pub(crate) fn unknown(&self, handled: &'static str) {
        self.unknown.get_or_create(&Handled { handled }).inc();
    }

    /// Everything, with what is only known when it is looked at.
    pub(crate) fn text(&self, queue: usize, counts: [Counts; 3]) -> String {
        self.queue.set(signed(queue));
        for (source, counts) in ["table", "added", "rollouts"].into_iter().zip(counts) {
            self.prompts
                .get_or_create(&Source { source })
                .set(signed(counts.prompts));
        }
        let mut text = String::new();
        // Writing to a `String` does not fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

fn signed(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
