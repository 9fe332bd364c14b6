//! Rollouts of a prompt that was never calibrated: drawn once, for everyone who asks meanwhile.
//!
//! The work belongs to nobody's request: whoever goes away leaves it running for the others, and its result is kept.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError, mpsc},
};

use infalign_data::Turns;
use tokio::sync::{oneshot, watch};
use twox_hash::XxHash64;

use crate::{
    calibrations::{Calibrations, Row},
    fault::{Fault, Kind},
    metrics::Metrics,
    queue::Queue,
    seam::{Asked, Roller},
};

/// Prompts that may be rolled out or wait for it; beyond, requests get 503.
const WAITING: usize = 256;

type Rolled = Result<Arc<[f32]>, Fault>;

/// A prompt that the policy shall answer.
#[derive(Debug, Clone)]
pub(crate) struct Unrolled {
    pub(crate) id: Arc<str>,
    pub(crate) prompt: Arc<Turns>,
    pub(crate) answer: Option<Arc<str>>,
}

/// What the thread of the policy is asked.
pub(crate) struct Draw {
    prompt: Unrolled,
    seed: u64,
    reply: oneshot::Sender<Result<Vec<String>, String>>,
}

#[derive(Debug)]
pub(crate) struct Rolling {
    seed: u64,
    draws: mpsc::Sender<Draw>,
    flights: Mutex<BTreeMap<Arc<str>, watch::Receiver<Option<Rolled>>>>,
    calibrations: Arc<Calibrations>,
    queue: Arc<Queue>,
    metrics: Arc<Metrics>,
}

impl Rolling {
    pub(crate) fn new(
        seed: u64,
        calibrations: Arc<Calibrations>,
        queue: Arc<Queue>,
        metrics: Arc<Metrics>,
    ) -> (Self, mpsc::Receiver<Draw>) {
        let (draws, taken) = mpsc::channel();
        let rolling = Self {
            seed,
            draws,
            flights: Mutex::default(),
            calibrations,
            queue,
            metrics,
        };
        (rolling, taken)
    }

    /// The rewards of the prompt's rollouts, ascending.
    pub(crate) async fn row(self: &Arc<Self>, prompt: Unrolled) -> Rolled {
        let mut flight = match self.join(prompt)? {
            Joined::Landed(row) => return Ok(row),
            Joined::Flying(flight) => flight,
        };
        let landed = flight.wait_for(Option::is_some).await;
        match landed.as_deref() {
            Ok(Some(rolled)) => rolled.clone(),
            _ => Err(Fault::new(
                Kind::RolloutFailed,
                "the rollouts were given up",
            )),
        }
    }

    fn join(self: &Arc<Self>, prompt: Unrolled) -> Result<Joined, Fault> {
        let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(flight) = flights.get(&prompt.id) {
            return Ok(Joined::Flying(flight.clone()));
        }
        // It may have landed since it was looked for: a flight is kept before it ends.
        if let Some(Row::Own(row)) = self.calibrations.find(&prompt.id) {
            return Ok(Joined::Landed(row));
        }
        if flights.len() >= WAITING {
            let full = "as many prompts as may are waiting for rollouts: ask again in a second";
            return Err(Fault::new(Kind::Full, full));
        }
        let (land, flight) = watch::channel(None);
        flights.insert(Arc::clone(&prompt.id), flight.clone());
        let this = Arc::clone(self);
        tokio::spawn(async move {
            let id = Arc::clone(&prompt.id);
            let rolled = this.roll(prompt).await;
            let _ = land.send(Some(rolled));
            let mut flights = this.flights.lock().unwrap_or_else(PoisonError::into_inner);
            flights.remove(&id);
        });
        Ok(Joined::Flying(flight))
    }

    async fn roll(&self, prompt: Unrolled) -> Rolled {
        let failed = |why: String| Fault::new(Kind::RolloutFailed, why);
        let gone = || failed("the policy broke down".to_owned());
        let (reply, responses) = oneshot::channel();
        let draw = Draw {
            prompt: prompt.clone(),
            seed: XxHash64::oneshot(self.seed, prompt.id.as_bytes()),
            reply,
        };
        self.metrics.rollouts.inc();
        self.draws.send(draw).map_err(|_| gone())?;
        let responses = responses.await.map_err(|_| gone())?;
        let responses = responses.map_err(|why| failed(format!("the policy failed: {why}")))?;
        if responses.is_empty() {
            return Err(failed("the policy gave no response".to_owned()));
        }
        let asked = |response| Asked {
            prompt_id: Arc::clone(&prompt.id),
            prompt: Arc::clone(&prompt.prompt),
            response,
            answer: prompt.answer.clone(),
        };
        let raws = self
            .queue
            .raws(responses.into_iter().map(asked).collect())
            .await?;
        Ok(self.calibrations.keep_rolled(&prompt.id, raws))
    }
}

enum Joined {
    Landed(Arc<[f32]>),
    Flying(watch::Receiver<Option<Rolled>>),
}

/// Draws what is asked for, until nobody can ask any more.
pub(crate) fn work(roller: &mut dyn Roller, k: usize, draws: &mpsc::Receiver<Draw>) {
    while let Ok(Draw {
        prompt,
        seed,
        reply,
    }) = draws.recv()
    {
        let responses = roller.rollouts(&prompt.id, &prompt.prompt, k, seed);
        let responses = responses.and_then(|responses| {
            let given = responses.len();
            if given == k {
                Ok(responses)
            } else {
                Err(format!(
                    "it gave {given} responses where {k} were asked for"
                ))
            }
        });
        let _ = reply.send(responses);
    }
}
