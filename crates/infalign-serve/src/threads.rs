//! The threads on which blocking work is done: when each is open, why it failed, when it has ended.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    thread,
    time::Duration,
};

use tokio::sync::{mpsc, oneshot};

use crate::error::{Error, Result};

/// How long a thread may take to put its things away, such as a program that it started. One that hangs is left behind.
const FAREWELL: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(crate) struct Threads {
    opened: Vec<oneshot::Receiver<()>>,
    ended: Vec<oneshot::Receiver<()>>,
    failed: mpsc::UnboundedSender<Error>,
    failure: mpsc::UnboundedReceiver<Error>,
}

impl Threads {
    pub(crate) fn new() -> Self {
        let (failed, failure) = mpsc::unbounded_channel();
        Self {
            opened: Vec::new(),
            ended: Vec::new(),
            failed,
            failure,
        }
    }

    /// Starts work, which says by the sender that it is open, and ends with an error where it does not open.
    ///
    /// # Errors
    /// [`Error::Thread`].
    pub(crate) fn start(
        &mut self,
        what: &'static str,
        work: impl FnOnce(oneshot::Sender<()>) -> std::result::Result<(), String> + Send + 'static,
    ) -> Result<()> {
        let (open, opened) = oneshot::channel();
        let (end, ended) = oneshot::channel();
        self.opened.push(opened);
        self.ended.push(ended);
        let failed = self.failed.clone();
        let work = move || {
            let error = match catch_unwind(AssertUnwindSafe(|| work(open))) {
                Ok(Ok(())) => None,
                Ok(Err(why)) => Some(Error::Opening { what, why }),
                Err(_) => Some(Error::Broken { what }),
            };
            // Nobody hears either when the service has ended.
            let _ = error.map(|error| failed.send(error));
            let _ = end.send(());
        };
        let thread = thread::Builder::new().name(format!("infalign-{what}"));
        thread.spawn(work).map(drop).map_err(Error::Thread)
    }

    /// Ready when all that was started is open; never where something fails.
    pub(crate) fn open(&mut self) -> impl Future<Output = ()> + Send + 'static {
        let opened = std::mem::take(&mut self.opened);
        async move {
            for part in opened {
                if part.await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        }
    }

    /// The first failure.
    pub(crate) async fn failure(&mut self) -> Error {
        match self.failure.recv().await {
            Some(error) => error,
            // `self` holds a sender, so this is not reached.
            None => std::future::pending().await,
        }
    }

    /// Waits a moment for the threads to end, whose work must have run out.
    pub(crate) async fn end(self) {
        let all = async {
            for ended in self.ended {
                let _ = ended.await;
            }
        };
        let _ = tokio::time::timeout(FAREWELL, all).await;
    }
}
