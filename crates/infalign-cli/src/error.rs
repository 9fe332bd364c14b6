//! What a command can fail with, whose fault it is, and the exit code that says so.

use std::{io, panic::PanicHookInfo, path::PathBuf};

use infalign_data::Kind;

/// A result of a command.
pub type Result<T, E = Error> = core::result::Result<T, E>;

/// Why a command stopped.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A number, procedure or transform that cannot be.
    #[error(transparent)]
    Mathematics(#[from] infalign::Error),
    /// A file or run directory.
    #[error(transparent)]
    Data(#[from] infalign_data::Error),
    /// A picture or report.
    #[error(transparent)]
    Report(#[from] infalign_report::Error),
    /// A model, its files, or what it is asked to do.
    #[error(transparent)]
    Model(#[from] infalign_lm::Error),
    /// A training run.
    #[error(transparent)]
    Training(#[from] infalign_train::Error),
    /// The main job.
    #[error(transparent)]
    Pipeline(infalign_pipeline::Error),
    /// A reward.
    #[error(transparent)]
    Reward(#[from] infalign_reward::Error),
    /// A policy behind HTTP.
    #[error(transparent)]
    Remote(#[from] infalign_remote::Error),
    /// The reward service.
    #[error(transparent)]
    Serve(#[from] infalign_serve::Error),
    /// A run was asked to stop, and has saved.
    #[error("{0}")]
    Interrupted(String),
    /// Prompts that a server left without responses.
    #[error("{0}")]
    Unanswered(String),
    /// A run directory that another process holds.
    #[error("{0}")]
    Busy(String),
    /// A two-column file of a table transform or of a CDF map.
    #[error("{}{}: {why}", path.display(), line.map_or_else(String::new, |l| format!(", line {l}")))]
    Points {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: Option<u64>,
        /// What is wrong with it and what to do.
        why: String,
    },
    /// Flags that exclude or demand each other.
    #[error("{0}")]
    Usage(String),
    /// Standard output could not be written.
    #[error("standard output: {0}")]
    Output(io::Error),
    /// Whoever read our output has seen enough.
    #[error("standard output was closed")]
    ClosedPipe,
}

impl Error {
    /// 2 for the user's mistake, 1 for ours and the environment's; 130 for a run that was interrupted, as shells have it.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Mathematics(_) | Self::Points { .. } | Self::Usage(_) => 2,
            Self::Data(error) => code(error.kind()),
            Self::Model(error) => code(error.kind()),
            Self::Training(error) => code(error.kind()),
            Self::Pipeline(error) => code(error.kind()),
            Self::Reward(error) => code(error.kind()),
            Self::Remote(error) => code(error.kind()),
            Self::Serve(error) => code(error.kind()),
            Self::Busy(_) | Self::Unanswered(_) => 1,
            Self::Interrupted(_) => INTERRUPTED,
            Self::Report(infalign_report::Error::Format { .. }) => 2,
            Self::Report(_) | Self::Output(_) => 1,
            Self::ClosedPipe => 0,
        }
    }
}

/// 128 + SIGINT.
const INTERRUPTED: u8 = 130;

const fn code(kind: Kind) -> u8 {
    match kind {
        Kind::User => 2,
        Kind::Environment | Kind::Bug => 1,
    }
}

impl From<infalign_pipeline::Error> for Error {
    fn from(error: infalign_pipeline::Error) -> Self {
        match error {
            infalign_pipeline::Error::Interrupted { .. } => Self::Interrupted(error.to_string()),
            other => Self::Pipeline(other),
        }
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            Self::ClosedPipe
        } else {
            Self::Output(error)
        }
    }
}

/// A panic is our fault, unless it happens where it is caught: decoding a hostile Parquet file.
pub(crate) fn report_panic(info: &PanicHookInfo<'_>) {
    let place = info
        .location()
        .map_or_else(String::new, ToString::to_string);
    if place.contains("parquet") {
        return;
    }
    let what = info.payload_as_str().unwrap_or("no message");
    crate::print::fault(&format!(
        "infalign failed at {place}: {what}\nThis is a fault of infalign; please report it."
    ));
}
