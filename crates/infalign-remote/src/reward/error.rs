//! What can go wrong with remote rewards: each error names the server or the text, what was found, and the remedy.

use std::{io, path::PathBuf};

use infalign_data::Kind;

use crate::GivenUp;

/// A result of remote rewards.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What was wrong, in words that a user can act on. No key and no text of a prompt is in them.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The address, the key or the limits.
    #[error(transparent)]
    Remote(#[from] crate::Error),
    /// A word before the address that names no dialect.
    #[error("unknown kind of reward server `{given}`{}; known are {known}, and a plain http://… to detect the kind", nearest.map_or_else(String::new, |n| format!(": did you mean `{n}`?")))]
    Unknown {
        /// What was typed before the address.
        given: String,
        /// The spelling that is nearest, if one is near.
        nearest: Option<&'static str>,
        /// All of them.
        known: String,
    },
    /// A known kind with an address or options that do not work.
    #[error("remote reward `{given}`: {why}; an example that works: `{example}`")]
    Malformed {
        /// What was typed, without what may be a secret.
        given: String,
        /// What is wrong with it.
        why: String,
        /// A text that parses.
        example: &'static str,
    },
    /// A server of a kind that is not known here.
    #[error(
        "{server} is no reward server of a known kind (asked: {asked}); name its kind, as in `{example}`"
    )]
    Undetected {
        /// The address.
        server: String,
        /// What was asked.
        asked: String,
        /// A text with a named kind.
        example: &'static str,
    },
    /// A server that did not say what it is.
    #[error("{server} does not answer: {source}")]
    Silent {
        /// The address.
        server: String,
        /// The end of the last try.
        source: GivenUp,
    },
    /// The probe at opening found the server unfit.
    #[error("reward `{reward}` is refused: {refusal}")]
    Refused {
        /// The reward.
        reward: String,
        /// What was found, and what mends it.
        refusal: Refusal,
    },
    /// Responses that got no reward.
    #[error("reward `{reward}`: response {row}{} of this batch (prompt {prompt}): {source}", through(*row, *last))]
    Given {
        /// The reward.
        reward: String,
        /// The first of them, from 0.
        row: usize,
        /// The last one of the same request.
        last: usize,
        /// The prompt of the first.
        prompt: String,
        /// The end of the last try.
        source: GivenUp,
    },
    /// A text that would get its first special token twice.
    #[error(
        "reward `{reward}`: response {row} of this batch (prompt {prompt}): its text begins with {token}, and the server would put another before it; write `:bare` for texts that hold their special tokens"
    )]
    Doubled {
        /// The reward.
        reward: String,
        /// The response, from 0.
        row: usize,
        /// Its prompt.
        prompt: String,
        /// The token.
        token: &'static str,
    },
    /// An option of a judge outside its range.
    #[error("judge: `{field}` is {found}; allowed is {allowed}")]
    Setting {
        /// Its name.
        field: &'static str,
        /// What was given.
        found: String,
        /// What may be given.
        allowed: &'static str,
    },
    /// A rubric that cannot be used.
    #[error("rubric {from}: {why}")]
    Rubric {
        /// The file, or "as given".
        from: String,
        /// What is wrong and what to do.
        why: String,
    },
    /// A rubric that shows the answer, and a prompt without one.
    #[error(
        "judge: prompt {prompt} has no `answer`, which the rubric asks for; add the field to the prompts, or take {{answer}} out of the rubric"
    )]
    NoAnswer {
        /// The prompt.
        prompt: String,
    },
    /// Replies of a judge without a verdict.
    #[error(
        "judge: {count} of {of} replies held no verdict, also when asked again; the first is about response {row} (prompt {prompt}): {why}"
    )]
    Unparsed {
        /// How many.
        count: usize,
        /// Of how many.
        of: usize,
        /// The response of the first, from 0.
        row: usize,
        /// Its prompt.
        prompt: String,
        /// Why it is none.
        why: String,
    },
    /// The file of verdicts.
    #[error("the judge's verdicts in {}: {source}; check the folder's rights and room", path.display())]
    Cache {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl Error {
    /// Whose move it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Remote(error) => error.kind(),
            Self::Silent { .. }
            | Self::Given { .. }
            | Self::Refused {
                refusal: Refusal::Unanswered { .. },
                ..
            }
            | Self::Unparsed { .. }
            | Self::Cache { .. } => Kind::Environment,
            _ => Kind::User,
        }
    }
}

/// Why a server is not taken. Each says what mends it.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// It does not answer a plain request.
    #[error("it does not answer the probe: {given_up}; such a server is started by `{start}`")]
    Unanswered {
        /// The end of the last try.
        given_up: GivenUp,
        /// The command.
        start: &'static str,
    },
    /// It answers something else than one number.
    #[error("its reply to one text {what}; such a server is started by `{start}`")]
    Unreadable {
        /// What is wrong.
        what: String,
        /// The command.
        start: &'static str,
    },
    /// It answers one text, but not several.
    #[error(
        "it answers one text, but its reply to several {what}; write `:single` to send one at a time"
    )]
    Several {
        /// What is wrong.
        what: String,
    },
    /// It does not tell texts apart.
    #[error(
        "it gives {value} to two different texts: either an activation is on that saturates ({mend}), or its rewards need other texts than the probe's"
    )]
    Same {
        /// The number.
        value: f32,
        /// What turns an activation off.
        mend: &'static str,
    },
    /// Its numbers have gone through a sigmoid or softmax.
    #[error(
        "it gives {good} and {bad}, as after a sigmoid or softmax, {sign}; rewards then tie at the ends: {mend}. If its rewards do lie in [0, 1], write `:unit`"
    )]
    Saturates {
        /// For the good response.
        good: f32,
        /// For the bad one.
        bad: f32,
        /// What shows it.
        sign: &'static str,
        /// What turns it off.
        mend: &'static str,
    },
    /// Its numbers come in another order than the texts.
    #[error(
        "it answers several texts in another order than it was asked; let it keep the order, or write `:single` to send one at a time"
    )]
    Reorders,
    /// A text's number depends on its company.
    #[error(
        "it gives one text {alone} alone and {together} among others, more than the {tolerance} that rounding explains: padding is seen, or texts are cut; serve in float32 and check the tokenizer's padding side, or write `:single` to send one at a time"
    )]
    Unsteady {
        /// Alone.
        alone: f32,
        /// Among others.
        together: f32,
        /// The most difference.
        tolerance: f32,
    },
}

fn through(row: usize, last: usize) -> String {
    if last > row {
        format!(" to {last}")
    } else {
        String::new()
    }
}
