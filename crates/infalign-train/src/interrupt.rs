//! Ctrl-C and SIGTERM: the first asks the loop to finish its unit and save, the second ends at once.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use crate::error::{Error, Result};

/// The exit code of a program that was interrupted twice: 128 + SIGINT, as shells have it.
pub const INTERRUPTED: i32 = 130;

/// Whether somebody asked to stop; clones share the answer.
#[derive(Debug, Clone, Default)]
pub struct Interrupt {
    requests: Arc<AtomicU32>,
    /// That of whoever stands above.
    above: Option<Box<Self>>,
}

/// What a request means to the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// Finish the unit at hand, save, and tell how to resume.
    Stop,
    /// End at once; the last checkpoint stands.
    Abort,
}

impl Interrupt {
    /// Connected to nothing: only [`Interrupt::request`] sets it.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Connected to SIGINT, SIGTERM and SIGHUP (Ctrl-C on Windows). `tell` is called on a thread of
    /// its own for every signal; after an [`Request::Abort`] the process ends with
    /// [`INTERRUPTED`]. For programs, once: libraries take an `Interrupt`.
    ///
    /// # Errors
    /// [`Error::Interrupt`] when a handler is installed already or the system refuses.
    pub fn install(mut tell: impl FnMut(Request) + Send + 'static) -> Result<Self> {
        let interrupt = Self::new();
        let shared = interrupt.clone();
        ctrlc::set_handler(move || {
            let request = shared.request();
            tell(request);
            if request == Request::Abort {
                std::process::exit(INTERRUPTED);
            }
        })
        .map_err(|e| Error::Interrupt {
            what: e.to_string(),
        })?;
        Ok(interrupt)
    }

    /// Another that also stops when this one does, but not the other way: for workers of whom one may stop all.
    #[must_use]
    pub fn below(&self) -> Self {
        Self {
            requests: Arc::default(),
            above: Some(Box::new(self.clone())),
        }
    }

    /// Asks to stop, as a signal does.
    #[must_use = "the second request means to end at once"]
    pub fn request(&self) -> Request {
        match self.requests.fetch_add(1, Ordering::SeqCst) {
            0 => Request::Stop,
            _ => Request::Abort,
        }
    }

    /// Whether the loop should finish its unit and save; cheap enough for every unit.
    #[must_use]
    pub fn requested(&self) -> bool {
        let above = || self.above.as_ref().is_some_and(|above| above.requested());
        self.requests.load(Ordering::SeqCst) > 0 || above()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_request_stops_and_the_next_aborts() {
        let interrupt = Interrupt::new();
        let other = interrupt.clone();
        assert!(!interrupt.requested());
        assert_eq!(other.request(), Request::Stop);
        assert!(interrupt.requested() && other.requested());
        assert_eq!(interrupt.request(), Request::Abort);
        assert_eq!(interrupt.request(), Request::Abort);
        assert!(!Interrupt::new().requested());
    }

    #[test]
    fn a_stop_goes_down_and_not_up() {
        let above = Interrupt::new();
        let (one, other) = (above.below(), above.below());
        assert_eq!(one.request(), Request::Stop);
        assert!(one.requested() && !above.requested() && !other.requested());
        assert_eq!(above.request(), Request::Stop);
        assert!(other.requested() && other.below().requested());
    }

    #[test]
    fn only_one_handler_can_be_installed() {
        let first = Interrupt::install(|_| {});
        assert!(first.is_ok_and(|interrupt| !interrupt.requested()));
        let second = Interrupt::install(|_| {});
        assert!(matches!(second, Err(Error::Interrupt { .. })));
    }
}
