//! How many requests are under way at once: more while a server keeps up, half when it says that it does not.
//!
//! As TCP does (RFC 5681), counted in requests. With limit c, between 1 and a ceiling:
//!
//! | the answer to a request | c |
//! |---|---|
//! | in order, and none was ever pushed back | c + 1, so that c doubles within a round trip |
//! | in order, later | c + 1/c, so that c grows by one within a round trip |
//! | pushed back (429, 503, 504, time-out) | c/2, unless the request left before c was last halved |
//! | any other fault | c: it says nothing about load |
//!
//! The condition in the third line keeps one overload, of which all requests under way tell, from counting more than once.

use std::time::Instant;

/// The c of the first round trip.
const FIRST: f64 = 8.0;

/// The limit, and what it is changed by.
#[derive(Debug, Clone)]
pub(crate) struct Pace {
    limit: f64,
    ceiling: f64,
    halved: Option<Instant>,
}

impl Pace {
    /// With a ceiling of at least 1.
    pub(crate) fn new(ceiling: usize) -> Self {
        let ceiling = ceiling.max(1) as f64;
        Self {
            limit: FIRST.min(ceiling),
            ceiling,
            halved: None,
        }
    }

    /// The most requests under way.
    pub(crate) fn limit(&self) -> usize {
        self.limit as usize
    }

    /// A request was answered in order.
    pub(crate) fn kept(&mut self) {
        let step = if self.halved.is_none() {
            1.0
        } else {
            1.0 / self.limit
        };
        self.limit = (self.limit + step).min(self.ceiling);
    }

    /// A request that left at `sent` was pushed back.
    pub(crate) fn pushed_back(&mut self, sent: Instant, now: Instant) {
        if self.halved.is_none_or(|halved| sent >= halved) {
            self.limit = (self.limit / 2.0).max(1.0);
            self.halved = Some(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// One round trip in which every request under way is answered in order.
    fn trip(pace: &mut Pace) {
        for _ in 0..pace.limit() {
            pace.kept();
        }
    }

    #[test]
    fn doubles_up_to_the_ceiling_before_the_first_push() {
        let mut pace = Pace::new(50);
        let mut seen = vec![pace.limit()];
        for _ in 0..4 {
            trip(&mut pace);
            seen.push(pace.limit());
        }
        assert_eq!(seen, [8, 16, 32, 50, 50]);
        assert_eq!(Pace::new(3).limit(), 3);
    }

    #[test]
    fn one_overload_halves_once_and_then_it_grows_by_one_a_trip() {
        let start = Instant::now();
        let at = |s| start + Duration::from_secs(s);
        let mut pace = Pace::new(64);
        for _ in 0..3 {
            trip(&mut pace);
        }
        for _ in 0..64 {
            pace.pushed_back(at(0), at(1));
        }
        assert_eq!(pace.limit(), 32);
        for _ in 0..10 {
            trip(&mut pace);
        }
        assert!((40..=42).contains(&pace.limit()), "{}", pace.limit());
        pace.pushed_back(at(1), at(2));
        assert!(pace.limit() <= 21);
        for s in 2..20 {
            pace.pushed_back(at(s), at(s));
        }
        assert_eq!(pace.limit(), 1);
        trip(&mut pace);
        assert_eq!(pace.limit(), 2);
    }
}
