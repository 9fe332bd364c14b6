//! What can go wrong with rewards: each error names the reward, the place, what was found, and the remedy.

use std::{io, path::PathBuf};

use infalign_data::Kind;

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What was wrong, in words that a user can act on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A model, its files, or what it is asked to do.
    #[error(transparent)]
    Model(#[from] infalign_lm::Error),
    /// A file behind a reward.
    #[error(transparent)]
    Data(#[from] infalign_data::Error),
    /// A server, or a judge.
    #[error(transparent)]
    Remote(#[from] infalign_remote::reward::Error),
    /// A kind of reward that does not exist.
    #[error("unknown reward `{given}`{}; known are {known}", nearest.as_ref().map_or_else(String::new, |n| format!(": did you mean `{n}`?")))]
    Unknown {
        /// What was typed.
        given: String,
        /// The spelling that is nearest, if one is near.
        nearest: Option<String>,
        /// All kinds.
        known: String,
    },
    /// A known kind with parameters that do not work.
    #[error("reward `{given}`: {why}; an example that works: `{example}`")]
    Malformed {
        /// What was typed.
        given: String,
        /// What is wrong with it.
        why: String,
        /// A text that parses.
        example: &'static str,
    },
    /// A file could not be read.
    #[error("cannot read {}: {source}; check the path", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A file of word valences.
    #[error("{}{}: {why}", path.display(), line.map_or_else(String::new, |l| format!(", line {l}")))]
    Lexicon {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: Option<u64>,
        /// What is wrong and what to do.
        why: String,
    },
    /// A response that the reward model cannot read.
    #[error("reward `{reward}`: response {row} of this batch (prompt {prompt}): {why}")]
    Row {
        /// The reward.
        reward: String,
        /// The response's place among those asked, from 0.
        row: usize,
        /// Its prompt.
        prompt: String,
        /// What is wrong and what to do.
        why: String,
    },
    /// A prompt with a response that a reward model cannot read.
    #[error("{why}")]
    Unreadable {
        /// What is wrong and what to do.
        why: String,
    },
    /// A pattern that finds no answers.
    #[error("answers by `{pattern}`: {why}")]
    Answers {
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        why: String,
    },
    /// A verifiable reward of a prompt without an answer.
    #[error(
        "reward `{reward}`: prompt {prompt} has no `answer`; add the field to the prompts, or choose another reward"
    )]
    NoAnswer {
        /// The reward.
        reward: String,
        /// The prompt.
        prompt: String,
    },
    /// A reward that is no finite number.
    #[error(
        "reward `{reward}` is {value} for response {row} of this batch (prompt {prompt}); every response needs a finite reward"
    )]
    NotFinite {
        /// The reward.
        reward: String,
        /// The response's place among those asked, from 0.
        row: usize,
        /// Its prompt.
        prompt: String,
        /// What came.
        value: String,
    },
    /// A folder whose model is no reward model.
    #[error("{}: {why}", folder.display())]
    NoRewardModel {
        /// The folder.
        folder: PathBuf,
        /// What it is, and what to do.
        why: String,
    },
    /// A program that could not be started.
    #[error(
        "reward `{reward}`: cannot start `{program}`: {source}; check its name and that it may be executed"
    )]
    Start {
        /// The reward.
        reward: String,
        /// The program.
        program: String,
        /// What the operating system said.
        source: io::Error,
    },
    /// A program that does not keep to the protocol, or does not live.
    #[error("reward `{reward}`: {what}{}", told(stderr))]
    Exec {
        /// The reward.
        reward: String,
        /// What happened, to which response, and what to do.
        what: String,
        /// The end of what it wrote to standard error.
        stderr: String,
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
            Self::Model(error) => error.kind(),
            Self::Data(error) => error.kind(),
            Self::Remote(error) => error.kind(),
            Self::Bug { .. } => Kind::Bug,
            _ => Kind::User,
        }
    }
}

fn told(stderr: &str) -> String {
    match stderr.trim() {
        "" => "; it wrote nothing to standard error".to_owned(),
        text => format!("; the end of its standard error:\n{text}"),
    }
}
