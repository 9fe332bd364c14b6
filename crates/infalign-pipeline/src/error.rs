//! What can go wrong in a run: the stages' own errors, and what a configuration cannot be.

use infalign_data::Kind;

use crate::stages::source::Missing;

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a run stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A configuration that cannot be.
    #[error("{place}: {why}")]
    Config {
        /// The file with the line, or the setting.
        place: String,
        /// What is wrong and what is allowed.
        why: String,
    },
    /// The mathematics' complaint.
    #[error(transparent)]
    Mathematics(#[from] infalign::Error),
    /// A file or the run directory.
    #[error(transparent)]
    Data(#[from] infalign_data::Error),
    /// A model, its files, or what it is asked to do.
    #[error(transparent)]
    Model(#[from] infalign_lm::Error),
    /// Training.
    #[error(transparent)]
    Training(#[from] infalign_train::Error),
    /// A reward.
    #[error(transparent)]
    Reward(#[from] infalign_reward::Error),
    /// A server that answers to nothing.
    #[error(transparent)]
    Remote(#[from] infalign_remote::Error),
    /// A server left prompts unanswered; what it answered is kept.
    #[error(
        "{} of {of} prompts have no response after all tries; the first is {} ({}). All are listed in {}; the same command asks for them alone",
        .missing.len(),
        .missing.first().map_or("", |m| &m.prompt_id),
        .missing.first().map_or("", |m| &m.error),
        .list.display()
    )]
    Unanswered {
        /// Prompts in all.
        of: usize,
        /// Where they are listed.
        list: std::path::PathBuf,
        /// Which, with the last fault of each.
        missing: Vec<Missing>,
    },
    /// The embedded task.
    #[error(transparent)]
    Tavern(#[from] infalign_tavern::Error),
    /// The report.
    #[error(transparent)]
    Report(#[from] infalign_report::Error),
    /// The run was asked to stop, and has saved.
    #[error("stopped while training {}; the same command goes on from there", told(.at))]
    Interrupted {
        /// Every policy that was in training, and the steps that it has taken.
        at: Vec<(String, u64)>,
    },
    /// A mistake of infalign.
    #[error("{what}; this is a fault of infalign, please report it")]
    Bug {
        /// What went wrong.
        what: String,
    },
}

/// `a` after step 3 and `b` after step 5.
fn told(at: &[(String, u64)]) -> String {
    let one = |(policy, step): &(String, u64)| format!("`{policy}` after step {step}");
    let all: Vec<String> = at.iter().map(one).collect();
    match all.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => all.concat(),
    }
}

impl Error {
    /// Whose fault it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Config { .. } | Self::Mathematics(_) => Kind::User,
            Self::Data(e) => e.kind(),
            Self::Model(e) => e.kind(),
            Self::Training(e) => e.kind(),
            Self::Reward(e) => e.kind(),
            Self::Tavern(e) => e.kind(),
            Self::Remote(e) => e.kind(),
            Self::Report(_) | Self::Interrupted { .. } | Self::Unanswered { .. } => {
                Kind::Environment
            }
            Self::Bug { .. } => Kind::Bug,
        }
    }

    pub(crate) fn bug(what: impl Into<String>) -> Self {
        Self::Bug { what: what.into() }
    }
}
