//! What all requests share, and the way of a request: find the prompts' rewards, ask the reward, shape.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU8, AtomicUsize, Ordering},
    },
};

use tokio::sync::Semaphore;

use crate::{
    calibrations::{Calibrations, Row},
    fault::{Fault, Kind},
    item::{Given, Item},
    known::Known,
    log::Log,
    metrics::Metrics,
    queue::Queue,
    rolling::{Flight, Rolling, Unrolled},
    seam::Asked,
    settings::Settings,
    shaping::{Shaped, Shaping},
};

/// How far the service is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Phase {
    Opening,
    Ready,
    Stopping,
}

/// What becomes of unknown prompts.
#[derive(Debug)]
pub(crate) enum Policy {
    Error,
    Pooled,
    Rollout(Arc<Rolling>),
}

pub(crate) struct State {
    pub(crate) settings: Settings,
    pub(crate) calibrations: Arc<Calibrations>,
    /// Set before the service is ready: to put a large calibration in order takes a second.
    pub(crate) known: OnceLock<Known>,
    pub(crate) shaping: Shaping,
    pub(crate) queue: Arc<Queue>,
    pub(crate) unknown: Policy,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) log: Option<Log>,
    pub(crate) requests: Semaphore,
    /// Bytes of bodies that are held.
    pub(crate) held: AtomicUsize,
    /// The name of the reward; empty until it is open. `None` inside: there is none.
    pub(crate) reward: OnceLock<Option<String>>,
    phase: AtomicU8,
}

impl State {
    pub(crate) fn new(
        settings: Settings,
        calibrations: Arc<Calibrations>,
        shaping: Shaping,
        queue: Arc<Queue>,
        unknown: Policy,
        metrics: Arc<Metrics>,
        log: Option<Log>,
    ) -> Self {
        Self {
            requests: Semaphore::new(settings.limits.requests),
            settings,
            calibrations,
            known: OnceLock::new(),
            shaping,
            queue,
            unknown,
            metrics,
            log,
            held: AtomicUsize::new(0),
            reward: OnceLock::new(),
            phase: AtomicU8::new(Phase::Opening as u8),
        }
    }

    pub(crate) fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Acquire) {
            0 => Phase::Opening,
            1 => Phase::Ready,
            _ => Phase::Stopping,
        }
    }

    /// Goes on to a later phase; never back.
    pub(crate) fn reach(&self, phase: Phase) {
        self.phase.fetch_max(phase as u8, Ordering::AcqRel);
    }

    /// What is known of prompts.
    ///
    /// # Errors
    /// [`Kind::NotReady`] while the service opens.
    pub(crate) fn known(&self) -> Result<&Known, Fault> {
        let opening = || Fault::new(Kind::NotReady, "the reward is being opened: ask again");
        match self.phase() {
            Phase::Opening => Err(opening()),
            Phase::Ready | Phase::Stopping => self.known.get().ok_or_else(opening),
        }
    }

    /// A reward for each item, in three forms.
    pub(crate) async fn rewards(&self, items: Vec<Item>) -> Result<Vec<Shaped>, Fault> {
        let most = self.settings.limits.items;
        if items.len() > most {
            let count = items.len();
            return Err(Fault::new(
                Kind::TooManyItems,
                format!("{count} responses in a request, at most {most}: send them in parts"),
            ));
        }
        let rows = self.rows(&items).await?;
        let raws = self.raws(items).await?;
        let (phi, rule) = (self.shaping.now(), self.shaping.rule);
        let shaped: Vec<Shaped> = rows
            .iter()
            .zip(raws)
            .map(|(row, raw)| phi.shape(self.calibrations.rewards(row), raw, rule))
            .collect();
        self.metrics.rewarded(&shaped);
        Ok(shaped)
    }

    async fn rows(&self, items: &[Item]) -> Result<Vec<Row>, Fault> {
        let mut flights = BTreeMap::new();
        let found = items
            .iter()
            .enumerate()
            .map(|(place, item)| self.row(place, item, &mut flights))
            .collect::<Result<Vec<_>, _>>()?;
        let mut landed = BTreeMap::new();
        for (id, flight) in flights {
            landed.insert(id, Row::Own(flight.landed().await?));
        }
        let all = found.into_iter().zip(items);
        Ok(all
            .filter_map(|(row, item)| row.or_else(|| landed.get(&item.id).cloned()))
            .collect())
    }

    /// Where the rewards of an item's prompt are; `None` while it is rolled out, in `flights`.
    fn row(
        &self,
        place: usize,
        item: &Item,
        flights: &mut BTreeMap<Arc<str>, Flight>,
    ) -> Result<Option<Row>, Fault> {
        if let Some(row) = self.calibrations.find(&item.id) {
            return Ok(Some(row));
        }
        match &self.unknown {
            Policy::Error => {
                self.metrics.unknown("error");
                Err(self.unknown_prompt(place, item))
            }
            Policy::Pooled => {
                self.metrics.unknown("pooled");
                Ok(Some(Row::Pooled))
            }
            Policy::Rollout(rolling) => {
                self.metrics.unknown("rollout");
                if !flights.contains_key(&item.id) {
                    let flight = rolling.flight(Unrolled {
                        id: Arc::clone(&item.id),
                        prompt: item.prompt.clone().ok_or_else(|| no_text(place))?,
                        answer: item.answer.clone(),
                    })?;
                    flights.insert(Arc::clone(&item.id), flight);
                }
                Ok(None)
            }
        }
    }

    /// The raw rewards that were given, and those that the reward gives.
    async fn raws(&self, items: Vec<Item>) -> Result<Vec<f32>, Fault> {
        let mut raws = Vec::with_capacity(items.len());
        let (mut asked, mut places) = (Vec::new(), Vec::new());
        for (place, item) in items.into_iter().enumerate() {
            match item.given {
                Given::Raw(raw) => raws.push(raw),
                Given::Response(response) => {
                    raws.push(0.0);
                    places.push(place);
                    asked.push(Asked {
                        prompt_id: item.id,
                        prompt: item.prompt.ok_or_else(|| no_text(place))?,
                        response,
                        answer: item.answer,
                    });
                }
            }
        }
        if asked.is_empty() {
            return Ok(raws);
        }
        match self.reward.get() {
            Some(Some(_)) => {}
            Some(None) => {
                return Err(Fault::new(
                    Kind::NoReward,
                    "this service has no reward of its own: send raw rewards to /v1/rewards as `raw`",
                ));
            }
            None => {
                return Err(Fault::new(
                    Kind::NotReady,
                    "the reward is being opened: ask again",
                ));
            }
        }
        for (place, raw) in places.into_iter().zip(self.queue.raws(asked).await?) {
            raws[place] = raw;
        }
        Ok(raws)
    }

    fn unknown_prompt(&self, place: usize, item: &Item) -> Fault {
        let prompts = self.calibrations.counts();
        let prompts: usize = prompts.iter().map(|counts| counts.prompts).sum();
        let name = if item.named {
            let id: String = item.id.chars().take(80).collect();
            format!("prompt `{id}`")
        } else {
            format!("prompt {place} of the request, which has no id and is known by its text,")
        };
        Fault::new(
            Kind::UnknownPrompt,
            format!(
                "{name} is not among the {prompts} calibrated prompts: calibrate it, or start the service with another treatment of unknown prompts"
            ),
        )
    }
}

fn no_text(place: usize) -> Fault {
    Fault::new(
        Kind::NoPromptText,
        format!(
            "the text of prompt {place} is needed and not known: send `prompts` too, or start the service with a file of prompts"
        ),
    )
}
