//! What can stop the service from starting or going on.

use std::{io, path::PathBuf};

use infalign_data::Kind;

/// Result of starting and running the service.
pub type Result<T> = std::result::Result<T, Error>;

/// Why the service does not run. What a client did wrong is answered to the client and is none of these.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A setting out of its range.
    #[error("{name} = {value} is out of range; allowed: {allowed}")]
    Setting {
        /// The setting.
        name: &'static str,
        /// As it was given.
        value: String,
        /// What may be given.
        allowed: &'static str,
    },
    /// Two settings that do not go together, or one that is missing.
    #[error("{0}")]
    Settings(&'static str),
    /// A certificate or key that cannot be used.
    #[error("{}: {what}; give PEM files of a certificate chain and of its unencrypted key", path.display())]
    Tls {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// The address cannot be listened on.
    #[error(
        "cannot listen on {address} ({source}); choose another port, or end what listens there"
    )]
    Listen {
        /// The address.
        address: String,
        /// What the system said.
        source: io::Error,
    },
    /// A thread or the runtime could not be started.
    #[error("the system refused to start a thread ({0}); raise its limit")]
    Thread(io::Error),
    /// The reward or the policy could not be opened.
    #[error("the {what} cannot be opened: {why}")]
    Opening {
        /// "reward" or "policy".
        what: &'static str,
        /// What it said.
        why: String,
    },
    /// The thread of the reward or of the policy ended by itself.
    #[error("the {what} broke down while it was at work; start the service again")]
    Broken {
        /// "reward" or "policy".
        what: &'static str,
    },
}

impl Error {
    /// Whose move it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Listen { .. } | Self::Thread(_) | Self::Broken { .. } => Kind::Environment,
            _ => Kind::User,
        }
    }
}
