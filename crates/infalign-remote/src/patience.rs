//! How long and how often a client tries, how many requests it has under way, and how long a reply may be.

use std::time::Duration;

use crate::error::{Error, Result};

const SHORTEST: Duration = Duration::from_millis(1);
/// A clock can add it to any time.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 3600);

/// The limits of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patience {
    /// For a job with all its tries and waits; from 1 ms to a year.
    pub deadline: Duration,
    /// For one request, from connecting to the last byte of the reply; from 1 ms to a year.
    pub time_out: Duration,
    /// Of a job, the first included; at least 1. Not counted are those that found no server (no connection, 502, 503, 504), once it has answered
    /// anything: they go on until the deadline.
    pub tries: u32,
    /// The most requests under way at once, per call; at least 1. How many there are adapts to the server.
    pub most_in_flight: usize,
    /// The most bytes of a reply; at least 1. A longer one is cut off and is a fault.
    pub reply_bytes: usize,
    /// The most that is waited before the second try; doubled for each further one. What is waited is uniform between 0 and this, unless the
    /// server says how long (`Retry-After`).
    pub first_wait: Duration,
    /// The most that is waited before any try, unless the server says how long.
    pub longest_wait: Duration,
}

impl Default for Patience {
    /// A busy server of long responses: an hour for a job, ten minutes for a request, ten tries, 64 under way, 64 MiB.
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(3600),
            time_out: Duration::from_secs(600),
            tries: 10,
            most_in_flight: 64,
            reply_bytes: 64 << 20,
            first_wait: Duration::from_millis(500),
            longest_wait: Duration::from_secs(30),
        }
    }
}

impl Patience {
    /// Checks every limit.
    ///
    /// # Errors
    /// [`Error::Setting`] for the first one that is outside its range.
    pub fn validate(&self) -> Result<()> {
        for (field, found) in [("deadline", self.deadline), ("time_out", self.time_out)] {
            if !(SHORTEST..=LONGEST).contains(&found) {
                return Err(bad(field, format!("{found:?}"), "from 1 ms to a year"));
            }
        }
        for (field, zero) in [
            ("tries", self.tries == 0),
            ("most_in_flight", self.most_in_flight == 0),
            ("reply_bytes", self.reply_bytes == 0),
        ] {
            if zero {
                return Err(bad(field, "0".to_owned(), "at least 1"));
            }
        }
        Ok(())
    }

    /// What is waited at most after `tries` tries.
    pub(crate) fn wait_after(&self, tries: u32) -> Duration {
        let doublings = tries.saturating_sub(1).min(30);
        self.first_wait
            .saturating_mul(1 << doublings)
            .min(self.longest_wait)
    }
}

fn bad(field: &'static str, found: String, allowed: &'static str) -> Error {
    Error::Setting {
        field,
        found,
        allowed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest() {
        let patience = Patience::default();
        let ms: Vec<u128> = [1, 2, 3, 7, 8, u32::MAX]
            .map(|tries| patience.wait_after(tries).as_millis())
            .to_vec();
        assert_eq!(ms, [500, 1000, 2000, 30_000, 30_000, 30_000]);
    }

    #[test]
    fn a_limit_of_nothing_is_named() {
        let text = |change: fn(&mut Patience)| {
            let mut patience = Patience::default();
            change(&mut patience);
            patience
                .validate()
                .map_or_else(|e| e.to_string(), |()| "valid".to_owned())
        };
        assert_eq!(text(|_| ()), "valid");
        assert_eq!(
            text(|p| p.deadline = Duration::ZERO),
            "`deadline` is 0ns; allowed is from 1 ms to a year"
        );
        assert_eq!(text(|p| p.tries = 0), "`tries` is 0; allowed is at least 1");
        assert!(text(|p| p.most_in_flight = 0).starts_with("`most_in_flight`"));
        assert!(text(|p| p.reply_bytes = 0).starts_with("`reply_bytes`"));
        assert!(text(|p| p.deadline = Duration::MAX).starts_with("`deadline`"));
        assert!(text(|p| p.time_out = Duration::ZERO).starts_with("`time_out`"));
    }
}
