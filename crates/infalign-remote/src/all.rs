//! Many jobs to one server: every one answered or given up exactly once, some at a time, with waits between the tries.
//!
//! The thread that calls decides everything: which request leaves, what its reply is worth, when it is tried again. The client's own thread
//! only carries requests. So jobs and closures need not be `Send`, and nothing is shared but a channel.
//!
//! ```text
//! jobs ─▶ live (at most 2 × most_in_flight) ─▶ flying (at most the pace) ─▶ read ─┬─▶ each(job, answer)
//!            ▲                                                                    │
//!            └────────── waiting (jitter, Retry-After) ◀─── worth another try ────┘
//! ```

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
    sync::mpsc::{Receiver, Sender, channel},
    time::{Duration, Instant},
};

use serde_json::Value;
use tokio::task::AbortHandle;

use crate::{
    client::Client,
    fault::{Fault, GivenUp, Why},
    wire::Request,
};

impl Client {
    /// Sends a request for every job and hands over its answer, in the order in which the answers come.
    ///
    /// `request` says what to ask, anew for every try. `read` makes of a reply what is wanted, or says what is wrong with it (what the
    /// request holds is taken out of these words); such a reply is a fault that is worth another try. `each` gets every job once, with
    /// what was read or why it was given up. `jobs` is asked for the next one only when there is room, and again after every `each`, also when
    /// it had none: `each` may bring further jobs.
    ///
    /// # Errors
    /// What `each` returns; requests under way are then dropped, and no job is handed over any more.
    pub fn all<J, T, E>(
        &self,
        jobs: impl IntoIterator<Item = J>,
        request: impl Fn(&J) -> Request,
        read: impl Fn(&J, Value) -> Result<T, String>,
        each: impl FnMut(J, Result<T, GivenUp>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.all_of(jobs, true, request, read, each)
    }

    /// As [`Self::all`]; `waits` says whether a server that is not there is waited for until the deadline.
    pub(crate) fn all_of<J, T, E>(
        &self,
        jobs: impl IntoIterator<Item = J>,
        waits: bool,
        request: impl Fn(&J) -> Request,
        read: impl Fn(&J, Value) -> Result<T, String>,
        mut each: impl FnMut(J, Result<T, GivenUp>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut jobs = jobs.into_iter();
        let mut under_way = UnderWay::new(self, waits);
        loop {
            under_way.fill(&mut jobs, &request);
            if under_way.live.is_empty() {
                return Ok(());
            }
            let Some((id, reply)) = under_way.next_reply() else {
                continue;
            };
            if let Some((job, end)) = under_way.judge(id, reply, &request, &read) {
                each(job, end)?;
            }
        }
    }
}

/// A job between its first request and its end.
struct Live<J> {
    job: J,
    tries: u32,
    /// Tries that a server was there for.
    counted: u32,
    /// When its time is over.
    deadline: Instant,
}

/// A request that has left.
struct Flying {
    sent: Instant,
    task: AbortHandle,
}

type Reply = (u64, Result<Value, Fault>);

/// All jobs that have begun and not ended.
struct UnderWay<'c, J> {
    client: &'c Client,
    /// Whether tries that find no server are not counted.
    waits: bool,
    live: BTreeMap<u64, Live<J>>,
    flying: BTreeMap<u64, Flying>,
    waiting: BinaryHeap<Reverse<(Instant, u64)>>,
    next_id: u64,
    outbox: Sender<Reply>,
    inbox: Receiver<Reply>,
}

impl<'c, J> UnderWay<'c, J> {
    fn new(client: &'c Client, waits: bool) -> Self {
        let (outbox, inbox) = channel();
        Self {
            client,
            waits,
            live: BTreeMap::new(),
            flying: BTreeMap::new(),
            waiting: BinaryHeap::new(),
            next_id: 0,
            outbox,
            inbox,
        }
    }

    /// Lets requests leave, as many as the pace allows: those whose wait is over first.
    fn fill(&mut self, jobs: &mut impl Iterator<Item = J>, request: &impl Fn(&J) -> Request) {
        let limit = self.client.pace().limit();
        let most_live = self.client.patience.most_in_flight.saturating_mul(2);
        while self.flying.len() < limit {
            let now = Instant::now();
            let due = self.waiting.peek().filter(|Reverse((at, _))| *at <= now);
            if let Some(&Reverse((_, id))) = due {
                self.waiting.pop();
                self.send(id, request);
                continue;
            }
            if self.live.len() >= most_live {
                return;
            }
            let Some(job) = jobs.next() else { return };
            let id = self.next_id;
            self.next_id += 1;
            let deadline = now + self.client.patience.deadline;
            let begun = Live {
                job,
                tries: 0,
                counted: 0,
                deadline,
            };
            self.live.insert(id, begun);
            self.send(id, request);
        }
    }

    fn send(&mut self, id: u64, request: &impl Fn(&J) -> Request) {
        let Some(live) = self.live.get_mut(&id) else {
            return;
        };
        live.tries += 1;
        let request = request(&live.job);
        let sent = Instant::now();
        let left = live.deadline.saturating_duration_since(sent);
        let time = self.client.patience.time_out.min(left);
        let wire = self.client.wire.clone();
        let envelope = Envelope {
            id,
            reply: None,
            to: self.outbox.clone(),
        };
        let seats = self.client.seats.clone();
        let task = self.client.handle.spawn(async move {
            // There is one at once unless other threads ask the same server; it is an error only for seats that were closed.
            let _seat = seats.acquire().await;
            envelope.send(wire.exchange(&request, time).await);
        });
        let task = task.abort_handle();
        self.flying.insert(id, Flying { sent, task });
    }

    /// The next reply; `None` when a wait is over first.
    fn next_reply(&self) -> Option<Reply> {
        let room = self.flying.len() < self.client.pace().limit();
        let wait = match self.waiting.peek() {
            Some(Reverse((at, _))) if room => at.saturating_duration_since(Instant::now()),
            _ => Duration::from_secs(3600),
        };
        self.inbox.recv_timeout(wait).ok()
    }

    /// What a reply means for its job: its end, or (`None`) another try.
    fn judge<T>(
        &mut self,
        id: u64,
        reply: Result<Value, Fault>,
        request: &impl Fn(&J) -> Request,
        read: &impl Fn(&J, Value) -> Result<T, String>,
    ) -> Option<(J, Result<T, GivenUp>)> {
        let flying = self.flying.remove(&id)?;
        let live = self.live.get_mut(&id)?;
        let now = Instant::now();
        match &reply {
            Ok(_) => self.client.pace().kept(),
            Err(fault) if fault.pushes_back() => self.client.pace().pushed_back(flying.sent, now),
            Err(_) => (),
        }
        let absent = match &reply {
            Err(fault) => self.waits && fault.is_absence(self.client.was_reached()),
            Ok(_) => false,
        };
        if reply.as_ref().err().is_none_or(Fault::is_an_answer) {
            self.client.reached();
        }
        live.counted += u32::from(!absent);
        let (tries, counted, deadline) = (live.tries, live.counted, live.deadline);
        let read = reply.and_then(|value| {
            read(&live.job, value).map_err(|what| Fault::Wrong {
                what: self.client.wire.cleaned(&what, &request(&live.job)),
            })
        });
        let end = match read {
            Ok(answer) => Ok(answer),
            Err(fault) => {
                let wait = self.wait(tries, &fault);
                let why = if !fault.may_pass() {
                    Why::Hopeless
                } else if wait >= deadline.saturating_duration_since(now) {
                    Why::Deadline
                } else if !absent && counted >= self.client.patience.tries {
                    Why::Tries
                } else {
                    self.waiting.push(Reverse((now + wait, id)));
                    return None;
                };
                Err(GivenUp { tries, why, fault })
            }
        };
        self.live.remove(&id).map(|live| (live.job, end))
    }

    /// What is waited before the next try: as the server says, and never less than what spreads the tries of many clients.
    fn wait(&self, tries: u32, fault: &Fault) -> Duration {
        let jitter = self
            .client
            .patience
            .wait_after(tries)
            .mul_f64(fastrand::f64());
        fault
            .retry_after()
            .unwrap_or_default()
            .saturating_add(jitter)
    }
}

impl<J> Drop for UnderWay<'_, J> {
    fn drop(&mut self) {
        for flying in self.flying.values() {
            flying.task.abort();
        }
    }
}

/// Sends its reply when it is dropped, so that a job is never waited for in vain.
struct Envelope {
    id: u64,
    reply: Option<Result<Value, Fault>>,
    to: Sender<Reply>,
}

impl Envelope {
    fn send(mut self, reply: Result<Value, Fault>) {
        self.reply = Some(reply);
    }
}

impl Drop for Envelope {
    fn drop(&mut self) {
        let reply = self.reply.take().unwrap_or_else(|| {
            Err(Fault::Connection {
                what: "the request was dropped".to_owned(),
            })
        });
        // Nobody listens any more when the caller has stopped.
        let _ = self.to.send((self.id, reply));
    }
}
