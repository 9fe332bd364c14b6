//! The queue before the reward: requests of one response each, put together into batches.
//!
//! The thread of the reward takes what has come while it was busy, up to a batch. It waits for more for as long as the batch before took,
//! and never longer than it is told: a cheap reward does not wait, a model waits a millisecond to be asked for more at once.

use std::{
    sync::{Arc, mpsc},
    time::{Duration, Instant},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::{
    fault::{Fault, Kind},
    metrics::Metrics,
    seam::{Asked, Rewarder},
    settings::Batching,
};

type Raws = Result<Vec<f32>, Fault>;

/// Below this the system's timers are no use.
const SHORTEST_WAIT: Duration = Duration::from_micros(200);

/// A request's responses, and where their rewards go.
pub(crate) struct Job {
    asked: Vec<Asked>,
    reply: oneshot::Sender<Raws>,
    room: OwnedSemaphorePermit,
}

/// The end of the queue where requests are put in.
#[derive(Debug)]
pub(crate) struct Queue {
    jobs: mpsc::Sender<Job>,
    room: Arc<Semaphore>,
    size: usize,
}

impl Queue {
    pub(crate) fn new(size: usize) -> (Self, mpsc::Receiver<Job>) {
        let (jobs, taken) = mpsc::channel();
        let room = Arc::new(Semaphore::new(size));
        (Self { jobs, room, size }, taken)
    }

    /// Responses that wait or are being rewarded.
    pub(crate) fn depth(&self) -> usize {
        self.size - self.room.available_permits()
    }

    /// One raw reward for each response.
    pub(crate) async fn raws(&self, asked: Vec<Asked>) -> Raws {
        if asked.is_empty() {
            return Ok(Vec::new());
        }
        let room = u32::try_from(asked.len()).ok();
        let room = room.and_then(|n| Arc::clone(&self.room).try_acquire_many_owned(n).ok());
        let Some(room) = room else {
            let full = "as many responses as may are waiting for the reward: ask again in a second";
            return Err(Fault::new(Kind::Full, full));
        };
        let (reply, raws) = oneshot::channel();
        let job = Job { asked, reply, room };
        let gone = || Fault::new(Kind::RewardFailed, "the reward broke down");
        self.jobs.send(job).map_err(|_| gone())?;
        raws.await.map_err(|_| gone())?
    }
}

/// Rewards everything that comes, until the queue is gone.
pub(crate) fn work(
    rewarder: &mut dyn Rewarder,
    jobs: &mpsc::Receiver<Job>,
    batching: Batching,
    metrics: &Metrics,
) {
    let mut took = Duration::ZERO;
    while let Ok(first) = jobs.recv() {
        let batch = gather(first, jobs, batching.most, batching.wait.min(took));
        let begun = Instant::now();
        answer(rewarder, batch, batching.most, metrics);
        took = begun.elapsed();
    }
}

fn gather(first: Job, jobs: &mpsc::Receiver<Job>, most: usize, wait: Duration) -> Vec<Job> {
    let deadline = Instant::now() + wait;
    let mut responses = first.asked.len();
    let mut batch = vec![first];
    while responses < most {
        let left = deadline.saturating_duration_since(Instant::now());
        let next = match jobs.try_recv() {
            Err(mpsc::TryRecvError::Empty) if left >= SHORTEST_WAIT => jobs.recv_timeout(left).ok(),
            next => next.ok(),
        };
        let Some(next) = next else { break };
        responses += next.asked.len();
        batch.push(next);
    }
    // Whoever has gone away is not worked for.
    batch.retain(|job| !job.reply.is_closed());
    batch
}

fn answer(rewarder: &mut dyn Rewarder, mut batch: Vec<Job>, most: usize, metrics: &Metrics) {
    let lengths: Vec<usize> = batch.iter().map(|job| job.asked.len()).collect();
    let all: Vec<Asked> = batch
        .iter_mut()
        .flat_map(|job| std::mem::take(&mut job.asked))
        .collect();
    let mut ask = |asked: &[Asked]| -> Raws {
        let mut raws = Vec::with_capacity(asked.len());
        for part in asked.chunks(most) {
            metrics.batches.observe(part.len() as f64);
            raws.extend(checked(rewarder.raw(part), part.len())?);
        }
        Ok(raws)
    };
    let alone = batch.len() == 1;
    let together = ask(&all);
    let mut from = 0;
    for (job, length) in batch.into_iter().zip(lengths) {
        let own = from..from + length;
        from += length;
        let raws = match &together {
            Ok(raws) => Ok(raws[own].to_vec()),
            Err(fault) if alone => Err(fault.clone()),
            Err(_) => ask(&all[own]),
        };
        drop(job.room);
        // An asker that has gone away does not hear it.
        let _ = job.reply.send(raws);
    }
}

/// As many finite rewards as there were responses.
fn checked(raws: Result<Vec<f32>, String>, asked: usize) -> Raws {
    let failed = |why: String| Fault::new(Kind::RewardFailed, why);
    let raws = raws.map_err(|why| failed(format!("the reward failed: {why}")))?;
    if raws.len() != asked {
        let given = raws.len();
        return Err(failed(format!(
            "the reward gave {given} rewards to {asked} responses"
        )));
    }
    match raws.iter().position(|raw| !raw.is_finite()) {
        Some(place) => Err(failed(format!(
            "the reward gave {} to a response; every response needs a finite raw reward",
            raws[place]
        ))),
        None => Ok(raws),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use infalign_data::Turns;

    use super::*;

    /// Lengths of responses; `bad` fails, `nan` is none; writes down the sizes of batches.
    struct Length(Vec<usize>);

    impl Rewarder for Length {
        fn raw(&mut self, asked: &[Asked]) -> Result<Vec<f32>, String> {
            self.0.push(asked.len());
            let one = |asked: &Asked| match asked.response.as_str() {
                "bad" => Err("refused".to_owned()),
                "nan" => Ok(f32::NAN),
                response => Ok(response.len() as f32),
            };
            asked.iter().map(one).collect()
        }

        fn name(&self) -> &'static str {
            "length"
        }
    }

    fn asked(responses: &[&str]) -> Vec<Asked> {
        let one = |response: &&str| Asked {
            prompt_id: "p".into(),
            prompt: Arc::new(Turns::Text("p".into())),
            response: (*response).to_owned(),
            answer: None,
        };
        responses.iter().map(one).collect()
    }

    /// Puts all requests in, then lets the reward work.
    async fn ask(requests: &[&[&str]], most: usize) -> (Vec<Raws>, Vec<usize>) {
        let (queue, jobs) = Queue::new(8);
        let queue = Arc::new(queue);
        let asking: Vec<_> = requests
            .iter()
            .map(|request| {
                let (queue, asked) = (Arc::clone(&queue), asked(request));
                tokio::spawn(async move { queue.raws(asked).await })
            })
            .collect();
        tokio::task::yield_now().await;
        let working = std::thread::spawn(move || {
            let mut length = Length(Vec::new());
            let batching = Batching {
                most,
                ..Batching::default()
            };
            work(&mut length, &jobs, batching, &Metrics::new());
            length.0
        });
        let mut answers = Vec::new();
        for one in asking {
            answers.push(one.await.unwrap());
        }
        assert_eq!(queue.depth(), 0);
        drop(queue);
        (answers, working.join().unwrap())
    }

    #[tokio::test]
    async fn requests_are_put_together_and_large_ones_taken_apart() {
        let (answers, batches) =
            ask(&[&["a"], &["bb", "ccc"], &[], &["", "a", "b", "c", "d"]], 4).await;
        assert_eq!(answers[1], Ok(vec![2.0, 3.0]));
        assert_eq!(answers[3], Ok(vec![0.0, 1.0, 1.0, 1.0, 1.0]));
        assert_eq!(batches, [4, 4]);
    }

    #[tokio::test]
    async fn only_the_guilty_fail() {
        let (answers, _) = ask(&[&["a"], &["bb", "bad"], &["nan"]], 8).await;
        assert_eq!(answers[0], Ok(vec![1.0]));
        let said = |i: usize| answers[i].clone().unwrap_err().message.into_owned();
        assert_eq!(said(1), "the reward failed: refused");
        assert!(said(2).contains("gave NaN"), "{}", said(2));
    }

    #[tokio::test]
    async fn a_full_queue_refuses() {
        let (answers, _) = ask(&[&["a"; 5], &["b"; 5], &["c"; 3]], 8).await;
        assert_eq!(answers[1].clone().unwrap_err().kind, Kind::Full);
        assert!(answers[0].is_ok() && answers[2].is_ok());
    }
}
