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

    /// Begins to roll a prompt out, or joins those who wait for it.
    ///
    /// # Errors
    /// [`Kind::Full`] where too many prompts wait already.
    pub(crate) fn flight(self: &Arc<Self>, prompt: Unrolled) -> Result<Flight, Fault> {
        let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(flight) = flights.get(&prompt.id) {
            return Ok(Flight(flight.clone()));
        }
        // It may have landed since it was looked for: its rewards are kept before its flight ends.
        if let Some(Row::Own(row)) = self.calibrations.find(&prompt.id) {
            return Ok(Flight(watch::channel(Some(Ok(row))).1));
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
            land.send_replace(Some(rolled));
            let mut flights = this.flights.lock().unwrap_or_else(PoisonError::into_inner);
            flights.remove(&id);
        });
        Ok(Flight(flight))
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

/// A prompt that is being rolled out.
pub(crate) struct Flight(watch::Receiver<Option<Rolled>>);

impl Flight {
    /// The rewards of the prompt's rollouts, ascending.
    pub(crate) async fn landed(mut self) -> Rolled {
        match self.0.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(rolled)) => rolled.clone(),
            _ => Err(Fault::new(
                Kind::RolloutFailed,
                "the rollouts were given up",
            )),
        }
    }
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
