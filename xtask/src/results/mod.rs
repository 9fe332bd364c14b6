//! `cargo xtask results`: pages of results and pictures, written from what the program finds, never by hand.

mod findings;
mod readme_figure;
mod run;
mod superhf;
mod tables;

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Subcommand;

/// What can be made.
#[derive(Subcommand)]
pub(crate) enum Results {
    /// The first results page: recorded rollouts with a proxy and a gold reward (openfeedback/superhf).
    Superhf {
        /// The table of scores: CSV with `prompt_id`, `proxy_train_rm`, `gold_test_rm`.
        #[arg(long, value_name = "FILE")]
        data: PathBuf,
    },
    /// The picture at the top of the README: what `infalign run` shows first.
    ReadmeFigure,
}

/// Makes it, under the workspace `root`.
pub(crate) fn make(root: &Path, what: &Results) -> Result<()> {
    match what {
        Results::Superhf { data } => superhf::write(root, data),
        Results::ReadmeFigure => readme_figure::write(root),
    }
}
