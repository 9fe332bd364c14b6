//! The project's own tasks: one command that decides whether a change is good, and generated pages.
#![expect(clippy::print_stdout, reason = "a task's output is what it prints")]

mod ci;
mod deny;
mod r#gen;
mod gpu_parity;
mod links;
mod results;
mod tiny;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};

/// The project's own tasks.
#[derive(Parser)]
#[command(bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Everything that a change must pass, cheapest first; stops at the first failure.
    Ci,
    /// Write the pages and passages that are generated from the code.
    Gen {
        /// Write nothing: fail, with the list of files, if any differs from the code.
        #[arg(long)]
        check: bool,
    },
    /// Make pages of results and pictures from what the program finds.
    #[command(subcommand)]
    Results(results::Results),
    /// Check the relative links and anchors of every Markdown file.
    Links,
    /// Run the agreement with transformers on a device; builds what the device needs.
    GpuParity {
        /// `wgpu`, `wgpu:1`, `cuda`, `metal`, `rocm` or `cpu`.
        #[arg(default_value = "wgpu")]
        device: String,
    },
    /// Make the tiny policy of the embedded default again, in about three minutes on one core.
    Tiny {
        /// The program that trains. Default: a release build, made first.
        #[arg(long)]
        program: Option<PathBuf>,
    },
    /// Check licences, sources, banned crates and security advisories with cargo-deny.
    Deny,
}

fn main() -> ExitCode {
    match run(&Cli::parse().task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: &Task) -> Result<()> {
    let root = root()?;
    match task {
        Task::Ci => ci::run(&root),
        Task::Gen { check: true } => r#gen::check(&root),
        Task::Gen { check: false } => r#gen::write(&root),
        Task::Results(what) => results::make(&root, what),
        Task::Links => links::run(&root),
        Task::GpuParity { device } => gpu_parity::run(&root, device),
        Task::Tiny { program } => tiny::run(&root, program.as_deref()),
        Task::Deny => deny::run(&root),
    }
}

/// The folder of the workspace.
fn root() -> Result<PathBuf> {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .map(Path::to_path_buf)
        .context("xtask has no parent folder")
}
