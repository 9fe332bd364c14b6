//! The program `infalign` as a library: its commands, their texts, and what they print.
//!
//! Results go to standard output, everything else to standard error. Exit codes: 0 done; 1 our fault or the environment's; 2 the user's mistake;
//! 130 interrupted, and saved.

mod args;
mod commands;
mod error;
mod machine;
mod print;
mod prompts;
mod resolve;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

pub use error::{Error, Result};

/// The command line as a value: for reference pages, completions and man pages.
#[must_use]
pub fn command() -> clap::Command {
    args::Args::command()
}

/// Parses the command line, runs it, and says how it went.
#[must_use]
pub fn main() -> ExitCode {
    std::panic::set_hook(Box::new(error::report_panic));
    let args = match args::Args::try_parse() {
        Ok(args) => args,
        Err(refused) => {
            let code = u8::try_from(refused.exit_code()).unwrap_or(2);
            // Writing help to a closed pipe is no failure.
            drop(refused.print());
            return ExitCode::from(code);
        }
    };
    match commands::run(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Error::ClosedPipe) => ExitCode::SUCCESS,
        Err(Error::Interrupted(saved)) => {
            print::note(&saved);
            ExitCode::from(Error::Interrupted(saved).exit_code())
        }
        Err(error) => {
            print::error(&error);
            ExitCode::from(error.exit_code())
        }
    }
}
