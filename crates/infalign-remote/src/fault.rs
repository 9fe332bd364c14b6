//! What can go wrong with a request, whether another try may help, and how a job ends that is given up.
//!
//! | fault | another try | pushes the pace back |
//! |---|---|---|
//! | no connection, closed without a reply, status 502 | until the deadline | no |
//! | status 503, 504 | until the deadline | yes |
//! | time-out, status 429 | yes | yes |
//! | cut short, not JSON, a wrong reply, status 408, 425, other 5xx | yes | no |
//! | other statuses, a reply too long | no | no |
//!
//! The first two rows tell of a server that is not there: it starts again, which takes minutes where it loads a model. Such tries are not counted.
//! A host that has never answered may be a mistyped one: until its first reply, a try without a connection counts.

use std::{fmt, time::Duration};

/// Why a request was not answered in order.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The server was not reached.
    #[error("no connection: {what}")]
    Connection {
        /// What the system said.
        what: String,
    },
    /// The server closed the connection before a byte of the reply.
    #[error("the server closed the connection without a reply: {what}")]
    Gone {
        /// What the system said.
        what: String,
    },
    /// The reply was not there in time.
    #[error("no reply within {after:.1?}")]
    TimeOut {
        /// The time that the request was given.
        after: Duration,
    },
    /// The server refused.
    #[error("status {status}{}{}", said(message), remedy(*status))]
    Status {
        /// Its HTTP status.
        status: u16,
        /// The server's own words, cut to a line, without what was sent; may be empty.
        message: String,
        /// How long the server asks to wait.
        retry_after: Option<Duration>,
    },
    /// The connection ended within the reply.
    #[error("the reply was cut short: {what}")]
    CutShort {
        /// What the system said.
        what: String,
    },
    /// The reply is no JSON, or is nested too deeply.
    #[error("the reply is not JSON: {what}")]
    NotJson {
        /// What is wrong, and where.
        what: String,
    },
    /// The reply is longer than allowed.
    #[error("the reply is longer than {limit} bytes; ask for less at once, or raise the limit")]
    TooLong {
        /// The most bytes.
        limit: usize,
    },
    /// JSON of another shape than was asked for.
    #[error("the reply is not what was asked for: {what}")]
    Wrong {
        /// What is wrong.
        what: String,
    },
}

impl Fault {
    /// Whether the same request may be answered another time.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Status { status, .. } => matches!(status, 408 | 425 | 429 | 500..=599),
            Self::TooLong { .. } => false,
            _ => true,
        }
    }

    /// Whether nothing that could answer is there, as while a server starts again: worth tries until the deadline. `reached` says whether the
    /// server ever answered.
    pub(crate) fn is_absence(&self, reached: bool) -> bool {
        match self {
            Self::Connection { .. } | Self::Gone { .. } => reached,
            Self::Status { status, .. } => matches!(status, 502..=504),
            _ => false,
        }
    }

    /// Whether it came from a server: its status, or its reply.
    pub(crate) fn is_an_answer(&self) -> bool {
        !matches!(
            self,
            Self::Connection { .. } | Self::Gone { .. } | Self::TimeOut { .. }
        )
    }

    /// Whether the server will answer every other job in the same way: the key, the model or the address is wrong. Not 403, which services also
    /// answer to a prompt that they do not like.
    #[must_use]
    pub fn is_for_all(&self) -> bool {
        matches!(
            self,
            Self::Status {
                status: 300..=399 | 401 | 404 | 405,
                ..
            }
        )
    }

    /// Whether it tells of a server that has too much to do.
    pub(crate) fn pushes_back(&self) -> bool {
        match self {
            Self::TimeOut { .. } => true,
            Self::Status { status, .. } => matches!(status, 429 | 503 | 504),
            _ => false,
        }
    }

    /// How long the server asks to wait.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

fn said(message: &str) -> String {
    if message.is_empty() {
        String::new()
    } else {
        format!(" ({message})")
    }
}

fn remedy(status: u16) -> &'static str {
    match status {
        300..=399 => {
            "; the server sends requests elsewhere: give the address that it answers at (redirects are not followed, because the key would go with them)"
        }
        401 => {
            "; set the variable INFALIGN_API_KEY to the server's key, or name the variable or file that holds it"
        }
        403 => "; the key may not do this: check its rights, and the model's name",
        404 => {
            "; check the address and the model's name (GET /v1/models lists those that the server offers)"
        }
        405 => "; this is not the server's address, or its kind does not offer this",
        413 => "; ask for less at once",
        _ => "",
    }
}

/// Why no further try was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// Another try would end in the same way.
    Hopeless,
    /// All tries were used.
    Tries,
    /// The job's time was over, or would have been before the next try.
    Deadline,
}

/// The end of a job that was not answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct GivenUp {
    /// How many requests were sent for it, at least 1.
    pub tries: u32,
    /// Why there was no further one.
    pub why: Why,
    /// What the last one ended in.
    #[source]
    pub fault: Fault,
}

impl fmt::Display for GivenUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tries, why, fault } = self;
        let plural = if *tries == 1 { "try" } else { "tries" };
        match why {
            Why::Hopeless if *tries == 1 => write!(f, "{fault}"),
            Why::Hopeless | Why::Tries => write!(f, "given up after {tries} {plural}: {fault}"),
            Why::Deadline => write!(f, "out of time after {tries} {plural}: {fault}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(status: u16, message: &str) -> Fault {
        Fault::Status {
            status,
            message: message.to_owned(),
            retry_after: None,
        }
    }

    #[test]
    fn the_table_of_the_head() {
        let wrong = Fault::Wrong { what: "x".into() };
        let out = Fault::TimeOut {
            after: Duration::from_secs(1),
        };
        for (fault, again, back, all) in [
            (wrong, true, false, false),
            (out, true, true, false),
            (Fault::TooLong { limit: 1 }, false, false, false),
            (status(429, ""), true, true, false),
            (status(503, ""), true, true, false),
            (status(500, ""), true, false, false),
            (status(408, ""), true, false, false),
            (status(400, ""), false, false, false),
            (status(401, ""), false, false, true),
            (status(403, ""), false, false, false),
            (status(404, ""), false, false, true),
            (status(422, ""), false, false, false),
            (status(307, ""), false, false, true),
        ] {
            let found = (fault.may_pass(), fault.pushes_back(), fault.is_for_all());
            assert_eq!(found, (again, back, all), "{fault}");
        }
    }

    #[test]
    fn what_tells_of_a_server_that_is_not_there() {
        let what = || "x".to_owned();
        let refused = Fault::Connection { what: what() };
        let gone = Fault::Gone { what: what() };
        for (fault, absent, early) in [
            (refused, true, false),
            (gone, true, false),
            (status(502, ""), true, true),
            (status(503, ""), true, true),
            (status(504, ""), true, true),
            (status(500, ""), false, false),
            (status(429, ""), false, false),
            (Fault::CutShort { what: what() }, false, false),
        ] {
            let found = (fault.is_absence(true), fault.is_absence(false));
            assert_eq!(found, (absent, early), "{fault}");
        }
    }

    #[test]
    fn remedies_are_said() {
        assert!(
            status(401, "no")
                .to_string()
                .starts_with("status 401 (no); set the variable INFALIGN_API_KEY")
        );
        assert!(status(404, "").to_string().contains("/v1/models"));
        assert_eq!(status(400, "too long").to_string(), "status 400 (too long)");
        let end = GivenUp {
            tries: 3,
            why: Why::Deadline,
            fault: status(500, ""),
        };
        assert_eq!(end.to_string(), "out of time after 3 tries: status 500");
    }
}
