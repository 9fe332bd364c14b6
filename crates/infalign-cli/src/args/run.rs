//! Flags of the main job: `run`, its stages as commands of their own, `report` and `config`.

use std::{num::NonZero, path::PathBuf};

use clap::Subcommand;

use super::{Columns, Format, Machine};

/// The heading of the flags that go with `--rollouts`.
const RECORDED: &str = "Recorded rollouts";

/// The main job: calibrate, transform, train, measure under the procedure, report.
///
/// Without a configuration it runs a small task that comes along: a tiny policy writes lines into a tavern's guest book, a proxy reward model is
/// fitted to noisy preferences, and three policies are trained at one KL budget: on the raw reward, on the calibrated one, and on the transformed one.
/// With a configuration it does the same for your model, reward and prompts. With `--rollouts` no model is needed: half of each prompt's recorded
/// responses calibrate the reward, and on the other half the aligned policies are reweightings.
///
/// Where `policy.model` is an address, or `train.trainer` names another trainer, everything up to training is done and what that trainer needs is
/// written; `--trained` then takes what it made.
///
/// Every stage is done once. A run that was stopped or killed goes on with the same command, and ends with the same bytes.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:
  infalign run
  infalign run my-run.toml
  infalign run my-run.toml --set train.steps=50 --set design.kl=[0.25,0.5] --dry
  infalign run my-run.toml --trained exp:-10=http://127.0.0.1:8001
  infalign run --rollouts rollouts.parquet --procedure best-of:4 --kl 0.25,0.5")]
pub(crate) struct Run {
    /// The configuration (TOML); `infalign config default` prints one with every key.
    #[arg(value_name = "CONFIG", conflicts_with = "rollouts")]
    pub(crate) config: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) place: Place,
    /// A policy that another trainer made, by the name that this run gives it: a folder, or an address. May be given several times.
    #[arg(long, value_name = "NAME=PLACE", conflicts_with = "rollouts")]
    pub(crate) trained: Vec<String>,
    /// Prints what would be done and how large it is, and does nothing.
    #[arg(long, conflicts_with = "rollouts")]
    pub(crate) dry: bool,
    /// Policies that are trained at a time; results do not depend on it. Default: on a CPU as many small ones (up to 2 million parameters) as
    /// there are threads, else one.
    #[arg(
        long,
        value_name = "N",
        allow_negative_numbers = true,
        conflicts_with = "rollouts"
    )]
    pub(crate) side_by_side: Option<NonZero<usize>>,
    #[command(flatten)]
    pub(crate) machine: Machine,
    /// How to print the result.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
    /// Recorded rollouts with rewards instead of a model: one row per prompt with lists, or one row per response (Parquet, JSONL, CSV; .gz and .zst).
    #[arg(long, value_name = "FILE", help_heading = RECORDED)]
    pub(crate) rollouts: Option<PathBuf>,
    #[command(flatten, next_help_heading = RECORDED)]
    pub(crate) columns: Columns,
    /// Columns with further rewards that only judge; may be given several times.
    #[arg(long, value_name = "NAME", value_delimiter = ',', requires = "rollouts", help_heading = RECORDED)]
    pub(crate) gold_column: Vec<String>,
    /// What deployment does; may be given several times. Default: best-of:4 and worst-of:4.
    #[arg(long = "procedure", value_name = "P", requires = "rollouts", help_heading = RECORDED)]
    pub(crate) procedures: Vec<String>,
    /// KL budgets in nats, separated by commas. Default: 0.1,0.25,0.5,1.
    #[arg(long, value_name = "X,…", value_delimiter = ',', allow_negative_numbers = true, requires = "rollouts", help_heading = RECORDED)]
    pub(crate) kl: Vec<f64>,
    /// Transforms to compare beside `raw`, separated by commas. Default: as `design`, and `optimal`.
    #[arg(long, value_name = "T,…", value_delimiter = ',', requires = "rollouts", help_heading = RECORDED)]
    pub(crate) transforms: Vec<String>,
}

/// Where a run lives, and what is changed about its configuration.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Place {
    /// Sets a key of the configuration; may be given several times.
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
    /// Name of the run directory. Default: the configuration's or file's name, or `tavern`.
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Folder that holds the run directories.
    #[arg(long, value_name = "DIR", default_value = "runs")]
    pub(crate) runs: PathBuf,
    /// Starts afresh where the run directory holds another run.
    #[arg(long)]
    pub(crate) overwrite: bool,
    /// The run's seed; wins over the configuration's.
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) seed: Option<u64>,
}

/// The main job as far as this stage; `infalign run` with the same configuration goes on from there.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:
  infalign rollout my-run.toml
  infalign calibrate my-run.toml
  infalign train my-run.toml --set train.objective=projection
  infalign evaluate my-run.toml")]
pub(crate) struct Stage {
    /// The configuration (TOML); without one, the task that comes along.
    #[arg(value_name = "CONFIG")]
    pub(crate) config: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) place: Place,
    #[command(flatten)]
    pub(crate) machine: Machine,
    /// How to print the result.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

/// The main job as far as trained policies; `infalign run` with the same configuration goes on from there.
#[derive(Debug, clap::Args)]
pub(crate) struct Train {
    #[command(flatten)]
    pub(crate) stage: Stage,
    /// Policies that are trained at a time; results do not depend on it. Default: on a CPU as many small ones (up to 2 million parameters) as
    /// there are threads, else one.
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) side_by_side: Option<NonZero<usize>>,
}

/// Writes the base's calibrated rollouts as a training set for any supervised trainer: CTRL without reinforcement learning.
///
/// The optimum's density against the base is known at every rollout once the reward is calibrated. Supervised fine-tuning with these weights, or on
/// rollouts resampled by them, projects the optimum onto your policy.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:
  infalign distill my-run.toml
  infalign distill my-run.toml --resample 8")]
pub(crate) struct Distill {
    #[command(flatten)]
    pub(crate) stage: Stage,
    /// Rows for each prompt, drawn by the weights; without it every rollout has a row with its `weight`.
    #[arg(long, value_name = "N")]
    pub(crate) resample: Option<NonZero<usize>>,
}

/// Writes the page of a finished run anew, or one page that compares several.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:
  infalign report runs/tavern
  infalign report runs/a runs/b runs/c --out compared.html")]
pub(crate) struct Report {
    /// Run directories.
    #[arg(value_name = "RUN", required = true)]
    pub(crate) runs: Vec<PathBuf>,
    /// Where the page goes. Default: report.html in the run, or compared.html here for several.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

/// The configuration of `infalign run`: a complete one to begin with, its schema, a check of yours.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:
  infalign config default > my-run.toml
  infalign config check my-run.toml
  infalign config schema > run.schema.json")]
pub(crate) struct Config {
    #[command(subcommand)]
    pub(crate) action: ConfigAction,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigAction {
    /// Prints the default configuration, every key written out.
    Default,
    /// Prints the JSON Schema.
    Schema,
    /// Checks a configuration, and prints it as resolved.
    Check {
        /// The configuration.
        #[arg(value_name = "CONFIG")]
        config: PathBuf,
        /// Sets a key; may be given several times.
        #[arg(long, value_name = "KEY=VALUE")]
        set: Vec<String>,
    },
}
