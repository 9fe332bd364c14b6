//! What can be wrong before anything is sent: each error names what was given and the remedy, never a key.

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
}
