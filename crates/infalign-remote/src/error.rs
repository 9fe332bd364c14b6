//! What can be wrong before anything is sent: each error names what was given and the remedy, never a key.

use infalign_data::Kind;

use crate::fault::GivenUp;

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why there is no client or policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An address that cannot be a server's.
    #[error("the server's address {shown:?}: {what}; {remedy}")]
    Address {
        /// The address without anything that could be a secret.
        shown: String,
        /// What is wrong with it.
        what: String,
        /// What to write instead.
        remedy: &'static str,
    },
    /// A key that cannot be read or sent.
    #[error("the key from {from}: {what}")]
    Key {
        /// The variable or file.
        from: String,
        /// What is wrong, with the remedy.
        what: String,
    },
    /// A setting outside its range.
    #[error("`{field}` is {found}; allowed is {allowed}")]
    Setting {
        /// Its name.
        field: &'static str,
        /// What was given.
        found: String,
        /// What may be given.
        allowed: &'static str,
    },
    /// The machine gave no thread, or TLS cannot be set up.
    #[error("the client cannot start: {what}")]
    Start {
        /// What was said.
        what: String,
    },
    /// The model that is meant cannot be told, or is not there.
    #[error("{}", model(asked.as_deref(), offered))]
    Model {
        /// The one that was named.
        asked: Option<String>,
        /// The ones that the server lists.
        offered: Vec<String>,
    },
    /// What this kind of server cannot do.
    #[error("servers of kind {dialect} cannot {what}; {remedy}")]
    Unable {
        /// The kind.
        dialect: &'static str,
        /// What was asked.
        what: &'static str,
        /// What can be done instead.
        remedy: &'static str,
    },
    /// The server refused what it would refuse every time, or did not answer.
    #[error(transparent)]
    Server(GivenUp),
}

impl Error {
    /// Whose move it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Start { .. } | Self::Server(_) => Kind::Environment,
            _ => Kind::User,
        }
    }
}

/// The most names in a message.
const SHOWN: usize = 12;

fn model(asked: Option<&str>, offered: &[String]) -> String {
    let mut names: Vec<&str> = offered.iter().take(SHOWN).map(String::as_str).collect();
    if offered.len() > SHOWN {
        names.push("…");
    }
    let names = names.join(", ");
    match asked {
        Some(asked) => format!("the server does not offer the model {asked:?}; it offers: {names}"),
        None if offered.is_empty() => {
            "the server lists no model; name the one that is meant".to_owned()
        }
        None => format!("the server offers several models; name the one that is meant: {names}"),
    }
}
