//! Policies trained side by side: for one small policy several threads are of little use, for several policies they are.
//!
//! Every policy is trained on a thread of its own, which has its share of the threads ([`share`]) and its own checkpoints; the calling thread
//! puts the stages on record as they end. Policies that are trained one after the other are trained on the calling thread: memory that
//! earlier stages gave back is not given to other threads. No result depends on it: kernels give the same bits on any number of threads,
//! every draw follows
//! from the policy's seed and step, and nothing that a policy changes is shared.
//!
//! - **Rewards.** A reward that is computed here is copied for each thread ([`Judge::another`]; copies share the weights). A program or a server
//!   there is one of: threads ask it in turn, so that no second program is started, no more requests are on their way than
//!   `server.in_flight`, and no verdict is asked for twice. Who waits for it holds no other lock, and no thread that computes.
//! - **Ends.** When asked to stop, every training saves after its step. When one fails, the others do the same, none is begun, and of
//!   several failures the first in the order of policies is told.

use std::{
    collections::{BTreeMap, VecDeque},
    num::NonZero,
    sync::{Mutex, MutexGuard, PoisonError, mpsc},
    thread,
};

use infalign_data::{Outcome, RunDir};
use infalign_lm::{Device, Folder, TensorRule, is_cpu};
use infalign_train::Interrupt;

use super::train::{Common, Plan, Trained, train};
use crate::{
    error::{Error, Result},
    judges::Judge,
    run::Around,
    variants::Variant,
};

/// Parameters up to which a policy is small: above, its matrices are large enough to be worth all threads, and its optimiser, gradients and
/// activations too much memory to be held several times unasked.
const SMALL: usize = 2_000_000;

/// How many of `policies` are trained at a time: what was asked for; else on a CPU as many small ones as there are threads, and one otherwise.
pub(crate) fn at_a_time(
    asked: Option<NonZero<usize>>,
    folder: &Folder,
    device: &Device,
    policies: usize,
) -> usize {
    let is_small = || {
        let tensors = folder.spec().tensors();
        tensors.iter().map(TensorRule::len).sum::<usize>() <= SMALL
    };
    let wanted = match asked {
        Some(asked) => asked.get(),
        None if is_cpu(device) && is_small() => rayon::current_num_threads(),
        None => 1,
    };
    wanted.min(policies).max(1)
}

/// Threads of each of so many policies.
pub(crate) fn share(policies: usize) -> usize {
    (rayon::current_num_threads() / policies.max(1)).max(1)
}

/// Runs `work` on so many threads of its own; on those of all where that is the same and the calling thread is one of them (it would be missing
/// from its pool while it waits for another), or where the system gives no more threads.
pub(crate) fn on_threads<R: Send>(threads: usize, work: impl FnOnce() -> R + Send) -> R {
    let at_home = threads == 1 || rayon::current_thread_index().is_some();
    if at_home && threads == rayon::current_num_threads() {
        return work();
    }
    match rayon::ThreadPoolBuilder::new().num_threads(threads).build() {
        Ok(pool) => pool.install(work),
        Err(_) => work(),
    }
}

/// Trains all variants that are not trained; what each came to.
pub(crate) fn trained(
    dir: &mut RunDir,
    around: &Around<'_>,
    common: &Common<'_>,
    judge: &mut Judge,
    variants: &[Variant],
) -> Result<Vec<Trained>> {
    let mut trained = BTreeMap::new();
    let mut waiting = VecDeque::new();
    for (number, variant) in variants.iter().enumerate() {
        let plan = Plan::new(dir, around, common, judge, variant)?;
        if dir.is_done(&plan.place, &plan.inputs, &plan.outputs())? {
            around.tell_skipped(Outcome::Skipped, &plan.what());
            trained.insert(number, plan.done()?);
        } else {
            waiting.push_back((number, plan));
        }
    }
    let here = (&common.base.folder, &around.device);
    let workers = at_a_time(around.side_by_side, here.0, here.1, waiting.len());
    let mut own: Vec<Option<Judge>> = (0..workers).map(|_| judge.another()).collect();
    let desk = Desk {
        all: waiting.len(),
        waiting: Mutex::new(waiting),
        workers,
        judge: Mutex::new(judge),
        stop: around.interrupt.below(),
    };
    let mut failed = BTreeMap::new();
    let mut take = |(number, plan, ended): Ended<'_>| {
        let recorded = ended.and_then(|()| {
            dir.record(&plan.place, &plan.inputs, &plan.outputs())?;
            plan.done()
        });
        match recorded {
            Ok(found) => {
                trained.insert(number, found);
            }
            Err(error) => {
                desk.end(&error);
                failed.insert(number, error);
            }
        }
    };
    if workers == 1 {
        desk.work(around, common, own.pop().flatten(), |ended| {
            take(ended);
            true
        });
    } else {
        let (tell, told) = mpsc::channel();
        thread::scope(|scope| {
            for own in own {
                let (tell, desk) = (tell.clone(), &desk);
                scope.spawn(move || {
                    desk.work(around, common, own, |ended| tell.send(ended).is_ok());
                });
            }
            drop(tell); // the last thread to end ends the loop
            told.into_iter().for_each(&mut take);
        });
    }
    match why(around, failed) {
        Some(error) => Err(error),
        None => Ok(trained.into_values().collect()),
    }
}

/// What the threads share.
struct Desk<'a> {
    /// Policies that nobody has begun, by their numbers.
    waiting: Mutex<VecDeque<(usize, Plan<'a>)>>,
    /// How many there were.
    all: usize,
    workers: usize,
    /// The reward that there is one of.
    judge: Mutex<&'a mut Judge>,
    /// Asks every training to save and stop.
    stop: Interrupt,
}

type Ended<'a> = (usize, Plan<'a>, Result<()>);

impl<'a> Desk<'a> {
    /// Trains one policy after the other until none waits, or one does not come to its end.
    fn work(
        &self,
        around: &Around<'_>,
        common: &Common<'_>,
        mut own: Option<Judge>,
        mut tell: impl FnMut(Ended<'a>) -> bool,
    ) {
        while let Some((number, plan, threads)) = self.next() {
            around.tell(&plan.what());
            let ended = on_threads(threads, || {
                let mut rewards = |asked: &[(usize, &str)]| match &mut own {
                    Some(judge) => rewarded(judge, common, asked),
                    None => rewarded(&mut lock(&self.judge), common, asked),
                };
                train(around, common, &self.stop, &mut rewards, &plan)
            });
            let stops = ended.is_err();
            if !tell((number, plan, ended)) || stops {
                return;
            }
        }
    }

    /// The next policy, and its threads: of the last round, which has fewer policies, more for each.
    fn next(&self) -> Option<(usize, Plan<'a>, usize)> {
        let mut waiting = lock(&self.waiting);
        let begun = self.all - waiting.len();
        let (number, plan) = waiting.pop_front()?;
        let before = begun / self.workers * self.workers;
        Some((number, plan, share(self.workers.min(self.all - before))))
    }

    /// After a failure nothing is begun, and what is under way saves and stops; who was asked to stop has no need of that.
    fn end(&self, error: &Error) {
        if !matches!(error, Error::Interrupted { .. }) {
            lock(&self.waiting).clear();
            let _ = self.stop.request(); // whether it was the first makes no difference
        }
    }
}

/// Rewards of responses to training prompts, as training asks for them.
fn rewarded(
    judge: &mut Judge,
    common: &Common<'_>,
    asked: &[(usize, &str)],
) -> infalign_train::Result<Vec<f32>> {
    let asked = asked
        .iter()
        .map(|&(q, text)| (&common.questions.training[q], text));
    judge
        .rewards(asked)
        .map_err(|e| infalign_train::Error::Reward {
            kind: e.kind(),
            what: e.to_string(),
        })
}

/// Why the policies are not all trained: the first failure in their order, else that all were asked to stop.
fn why(around: &Around<'_>, failed: BTreeMap<usize, Error>) -> Option<Error> {
    let (mut at, mut first) = (Vec::new(), None);
    for error in failed.into_values() {
        match error {
            Error::Interrupted { at: one } => at.extend(one),
            error if first.is_none() => first = Some(error),
            _ => {}
        }
    }
    let interrupted = (!at.is_empty()).then_some(Error::Interrupted { at });
    if let (Some(_), Some(interrupted)) = (&first, &interrupted) {
        around.tell(&interrupted.to_string());
    }
    first.or(interrupted)
}

/// What a thread that failed halfway held is whole: a queue, and a reward that answers or says why not.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
