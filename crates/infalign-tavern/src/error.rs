//! What can go wrong: prompts of another world, an empty choice, a disk.

use infalign_data::Kind;

/// Result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A prompt that is not of this world, so that it has no gold reward.
    #[error(
        "prompt {prompt:?}: not one of the guest book's; they read like \"A furious duke on the soup:\""
    )]
    Prompt {
        /// The text.
        prompt: String,
    },
    /// Nothing to draw pairs from.
    #[error("samples: no prompt has two different responses; give at least two samples a prompt")]
    NoPair,
    /// A file or folder that could not be written.
    #[error(transparent)]
    Data(#[from] infalign_data::Error),
}

impl Error {
    /// Whose move it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Prompt { .. } | Self::NoPair => Kind::User,
            Self::Data(error) => error.kind(),
        }
    }
}
