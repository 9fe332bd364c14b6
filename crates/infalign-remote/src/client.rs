//! A client of one server: its connections, its threads, its limits and the pace it has found.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use serde_json::Value;
use tokio::{
    runtime::{Builder, Handle, Runtime},
    sync::Semaphore,
};

use crate::{
    endpoint::Endpoint,
    error::{Error, Result},
    fault::GivenUp,
    pace::Pace,
    patience::Patience,
    wire::{Request, Wire},
};

/// A client of one server. It may be shared between threads.
#[derive(Debug)]
pub struct Client {
    pub(crate) wire: Arc<Wire>,
    pub(crate) patience: Patience,
    /// Of `runtime`.
    pub(crate) handle: Handle,
    pace: Mutex<Pace>,
    /// One for every request that may be under way, of all threads together.
    pub(crate) seats: Arc<Semaphore>,
    /// Whether the server ever answered anything.
    reached: AtomicBool,
    /// Always there until `drop`.
    runtime: Option<Runtime>,
}

impl Client {
    /// Nothing is sent yet.
    ///
    /// # Errors
    /// [`Error::Setting`] for a limit of `patience`; [`Error::Start`].
    pub fn new(endpoint: Endpoint, patience: Patience) -> Result<Self> {
        patience.validate()?;
        // One thread waits for all connections and parses replies, so that they are read on while a caller is busy with earlier ones.
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("infalign-remote")
            .enable_all()
            .build()
            .map_err(|e| Error::Start {
                what: e.to_string(),
            })?;
        Ok(Self {
            wire: Arc::new(Wire::new(endpoint, patience.reply_bytes)?),
            pace: Mutex::new(Pace::new(patience.most_in_flight)),
            seats: Arc::new(Semaphore::new(
                patience.most_in_flight.min(Semaphore::MAX_PERMITS),
            )),
            reached: AtomicBool::new(false),
            patience,
            handle: runtime.handle().clone(),
            runtime: Some(runtime),
        })
    }

    /// The server that is asked.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        self.wire.endpoint()
    }

    /// The limits.
    #[must_use]
    pub fn patience(&self) -> &Patience {
        &self.patience
    }

    /// How many requests may be under way at present: what the server has kept up with.
    #[must_use]
    pub fn in_flight_limit(&self) -> usize {
        self.pace().limit()
    }

    /// Posts a JSON value and reads the one it is answered with; with all tries.
    ///
    /// # Errors
    /// [`GivenUp`].
    pub fn post(&self, path: &str, body: Value) -> Result<Value, GivenUp> {
        self.one(Request::post(path, body), true)
    }

    /// Gets a JSON value; with all tries.
    ///
    /// # Errors
    /// [`GivenUp`].
    pub fn get(&self, path: &str) -> Result<Value, GivenUp> {
        self.one(Request::get(path), true)
    }

    /// Gets a page that may not be there, and that is not worth waiting for: every try counts.
    pub(crate) fn peek(&self, path: &str) -> Result<Value, GivenUp> {
        self.one(Request::get(path), false)
    }

    fn one(&self, request: Request, waits: bool) -> Result<Value, GivenUp> {
        let mut answer = None;
        let done: Result<(), GivenUp> = self.all_of(
            [request],
            waits,
            Request::clone,
            |_, value| Ok(value),
            |_, value| {
                answer = Some(value?);
                Ok(())
            },
        );
        done.map(|()| answer.unwrap_or_default())
    }

    pub(crate) fn was_reached(&self) -> bool {
        self.reached.load(Ordering::Relaxed)
    }

    pub(crate) fn reached(&self) {
        self.reached.store(true, Ordering::Relaxed);
    }

    pub(crate) fn pace(&self) -> MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Client {
    /// Waits for nothing, so that a client may be dropped anywhere.
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
