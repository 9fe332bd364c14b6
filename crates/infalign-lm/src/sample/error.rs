//! What can go wrong in sampling: the setting, prompt or row of logits, what was found, and the remedy.

use std::sync::Arc;

use infalign_data::Kind;

use super::log_prob::Unusable;

/// A result of sampling.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What was wrong, in words that a user can act on.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting outside its range.
    #[error("`{field}` is {found}; allowed is {allowed}")]
    Setting {
        /// Its name.
        field: &'static str,
        /// Its value.
        found: String,
        /// What it may be.
        allowed: &'static str,
    },
    /// Stop strings, but nothing that turns tokens into text.
    #[error(
        "`stop` holds texts, but there is no tokenizer to make text of tokens; give one, or use `stop_token_ids`"
    )]
    StopWithoutText,
    /// A prompt without tokens.
    #[error("prompt `{prompt_id}` has no tokens; give it text, or a beginning-of-sequence token")]
    EmptyPrompt {
        /// The prompt.
        prompt_id: Arc<str>,
    },
    /// A prompt that leaves no room for a response.
    #[error(
        "prompt `{prompt_id}` has {tokens} tokens, the model's context is {context}, and a response needs at least one of them; shorten it, or truncate long prompts on the left"
    )]
    LongPrompt {
        /// The prompt.
        prompt_id: Arc<str>,
        /// Its length.
        tokens: usize,
        /// The model's context.
        context: usize,
    },
    /// A token that the model has no embedding for.
    #[error(
        "prompt `{prompt_id}` holds token {token} at position {position}, but the vocabulary has {vocab}; use the model's own tokenizer"
    )]
    UnknownToken {
        /// The prompt.
        prompt_id: Arc<str>,
        /// The token.
        token: u32,
        /// Where it stands.
        position: usize,
        /// The size of the vocabulary.
        vocab: usize,
    },
    /// The cache cannot hold even one sequence.
    #[error(
        "prompt `{prompt_id}` ({prompt} tokens and up to {new} new ones) needs {needed} of the cache, which has {capacity}; give more memory, or lower `max_tokens`"
    )]
    NoRoom {
        /// The prompt.
        prompt_id: Arc<str>,
        /// Its length.
        prompt: usize,
        /// The most new tokens.
        new: usize,
        /// What one sample needs, in the engine's units.
        needed: usize,
        /// What there is, in the same units.
        capacity: usize,
    },
    /// Logits that are no distribution.
    #[error(
        "the logits of prompt `{prompt_id}`, sample {index}, token {position} are no distribution: {what}; check the weights, or use a wider number format"
    )]
    Logits {
        /// The prompt.
        prompt_id: Arc<str>,
        /// The sample.
        index: usize,
        /// Which token of the response was to be drawn.
        position: usize,
        /// What is wrong with them.
        what: Unusable,
    },
    /// A contradiction inside infalign.
    #[error("{what}; this is a mistake of infalign, please report it")]
    Bug {
        /// What happened.
        what: String,
    },
}

impl Error {
    /// Whose move it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::NoRoom { .. } => Kind::Environment,
            Self::Bug { .. } => Kind::Bug,
            _ => Kind::User,
        }
    }
}
