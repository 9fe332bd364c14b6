//! What can go wrong in training: each error names the field or file, the value, and the remedy.

use std::{io, path::PathBuf};

use infalign_data::Kind;

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What was wrong, in words that a user can act on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file of texts, or an atomic write.
    #[error(transparent)]
    Data(#[from] infalign_data::Error),
    /// A model, its files or its numbers.
    #[error(transparent)]
    Model(#[from] infalign_lm::Error),
    /// The mathematics' complaint.
    #[error(transparent)]
    Maths(#[from] infalign::Error),
    /// A reward that is no number.
    #[error(
        "the reward of a response to prompt `{prompt}` is {value}; a reward must be finite: mend the reward, or leave the prompt out (the response: {response:?})"
    )]
    BadReward {
        /// The prompt's id.
        prompt: String,
        /// The response.
        response: String,
        /// The reward.
        value: f32,
    },
    /// A reward's own complaint.
    #[error("{what}")]
    Reward {
        /// In its words.
        what: String,
        /// Whose fault it is.
        kind: Kind,
    },
    /// A file could not be read.
    #[error("cannot read {}: {source}; check the disk and try again", path.display())]
    Read {
        /// The file or directory.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A file could not be written.
    #[error("cannot write {}: {source}; {}", path.display(), write_remedy(source))]
    Write {
        /// The file or directory.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A number of items that cannot be put into an order.
    #[error("{items} items cannot be put into an order; give from 1 to 4294967295")]
    OrderItems {
        /// How many there are.
        items: u64,
    },
    /// A position beyond the data.
    #[error(
        "the data position {position} lies beyond the {items} items; the data have changed since the checkpoint: start anew, or restore them"
    )]
    OrderCursor {
        /// The position.
        position: u64,
        /// How many items there are.
        items: u64,
    },
    /// A field of a schedule that is out of range.
    #[error("schedule.{field} is {value}; expected {allowed}")]
    Schedule {
        /// The field.
        field: &'static str,
        /// Its value.
        value: String,
        /// What is allowed.
        allowed: &'static str,
    },
    /// A setting of the rows that is out of range.
    #[error("{field} is {value}; expected {allowed}")]
    Setting {
        /// The setting.
        field: &'static str,
        /// Its value.
        value: String,
        /// What is allowed.
        allowed: &'static str,
    },
    /// A conversation that a chat template does not lay out turn by turn.
    #[error(
        "{place}: the chat template does not show message {message} as it was said, so what is to be learned cannot be found; write the row as {{\"prompt\", \"completion\"}} texts"
    )]
    Untraceable {
        /// Where the row stands.
        place: String,
        /// Its number in the conversation, from 0.
        message: usize,
    },
    /// Messages, but no chat template.
    #[error(
        "{place}: the row holds messages, but the model has no chat template; add chat_template.jinja to its folder, or write the row as {{\"prompt\", \"completion\"}} texts"
    )]
    NoTemplate {
        /// Where the row stands.
        place: String,
    },
    /// No handler for signals.
    #[error(
        "cannot catch Ctrl-C: {what}; without it an interrupted run goes back to its last checkpoint"
    )]
    Interrupt {
        /// What the system said.
        what: String,
    },
    /// The tokenizer refused a text.
    #[error("{place}: cannot tokenise: {what}")]
    Tokenize {
        /// Where the text stands.
        place: String,
        /// What the tokenizer said.
        what: String,
    },
    /// A token id that the model does not have.
    #[error(
        "{place}: the tokenizer gives token {id}, but the vocabulary has {vocabulary} tokens; use the tokenizer that belongs to the model"
    )]
    TokenId {
        /// Where the text stands.
        place: String,
        /// The id.
        id: u32,
        /// The size of the vocabulary.
        vocabulary: u32,
    },
    /// A tokenizer without a token that is needed.
    #[error("the tokenizer has no {token} token; {remedy}")]
    NoToken {
        /// "EOS" or "BOS".
        token: &'static str,
        /// What to do.
        remedy: &'static str,
    },
    /// Too little text for one row.
    #[error(
        "the {part} text has {tokens} tokens, too few for one row of {context} + 1; give more text, or a shorter context"
    )]
    TooShort {
        /// "training" or "validation".
        part: &'static str,
        /// How many tokens there are.
        tokens: u64,
        /// The context length T.
        context: usize,
    },
    /// A single document cannot be divided.
    #[error(
        "one document cannot be divided into training and validation; give more, or set --validation 0"
    )]
    OneDocument,
    /// An example that does not fit into the context.
    #[error(
        "{place}: the example has {tokens} tokens, the context takes {allowed}; set --truncate left, right or drop, or a longer context"
    )]
    TooLong {
        /// Where the example stands.
        place: String,
        /// Its tokens.
        tokens: usize,
        /// The most that fit.
        allowed: usize,
    },
    /// A side of a preference that the model cannot read whole.
    #[error(
        "{place}: {tokens} tokens, the model takes from 1 to {allowed}; shorten the text, or leave the preference out"
    )]
    PairLength {
        /// Which preference and side.
        place: String,
        /// Its tokens.
        tokens: usize,
        /// The most that fit.
        allowed: usize,
    },
    /// No example is left to learn from.
    #[error("none of the {examples} examples is left to learn from; {remedy}")]
    NothingLeft {
        /// How many there were.
        examples: u64,
        /// What to do.
        remedy: &'static str,
    },
    /// A file that this program wrote and that is not as it was.
    #[error("{} is damaged ({what}); {remedy}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
        /// What to do.
        remedy: &'static str,
    },
    /// A checkpoint of a later program.
    #[error(
        "{} has version {found}, this program reads version {known}; use the program that wrote it, or a later one", path.display()
    )]
    CheckpointVersion {
        /// The state file.
        path: PathBuf,
        /// Its version.
        found: u64,
        /// Ours.
        known: u64,
    },
    /// A checkpoint that was made with another configuration.
    #[error(
        "{} was made with another configuration (differs in: {}); use the same, or another output folder", path.display(), keys.join("; ")
    )]
    ConfigDiffers {
        /// The checkpoint.
        path: PathBuf,
        /// The keys that differ, with both values.
        keys: Vec<String>,
    },
    /// Infalign contradicts itself.
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
            Self::Data(error) => error.kind(),
            Self::Model(error) => error.kind(),
            Self::Reward { kind, .. } => *kind,
            Self::Read { .. } | Self::Write { .. } | Self::Interrupt { .. } => Kind::Environment,
            Self::Bug { .. } => Kind::Bug,
            _ => Kind::User,
        }
    }

    pub(crate) fn maths(error: infalign::Error) -> Self {
        Self::Maths(error)
    }

    pub(crate) fn read(path: impl Into<PathBuf>, source: io::Error) -> Self {
        Self::Read {
            path: path.into(),
            source,
        }
    }

    pub(crate) fn write(path: impl Into<PathBuf>, source: io::Error) -> Self {
        Self::Write {
            path: path.into(),
            source,
        }
    }
}

fn write_remedy(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => "check that its folder exists",
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "ask for write permission or choose another place"
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "free some space and start the same command again: it goes on where it was"
        }
        _ => "check the disk and start the same command again",
    }
}
