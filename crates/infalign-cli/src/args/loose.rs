//! Flags of the commands that work on loose files: rewards, samples, verdicts, without a configuration or a model.

use std::path::PathBuf;

use super::{Columns, Stage};

/// The heading of the flags that go with `--rewards`.
const REWARDS: &str = "Rewards alone";

/// The main job as far as rewards, calibration and design: what would be trained, and what it should win. Or, with `--rewards`, rewards alone.
///
/// With `--rewards` neither configuration nor model is needed: files of base rewards become the calibration table that everything else reads,
/// and its diagnostics: whether Ĉ is uniform, whether it is right, how the spread of rewards differs between prompts, how much ties, and how
/// many rollouts the design needs. The files stream by, so that memory stays flat where each row is a prompt (Parquet, .npy).
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:
  infalign calibrate my-run.toml
  infalign calibrate --rewards rewards.parquet
  infalign calibrate --rewards shard-*.parquet --out calibration.parquet --check 8 --plots plots
  infalign calibrate --rewards rewards.npy --procedure best-of:16 --kl 1 --format json")]
pub(crate) struct Calibrate {
    #[command(flatten)]
    pub(crate) stage: Stage,
    /// Rewards of the base: one row per prompt with a list, or one row per response (Parquet, JSONL, CSV; .gz and .zst), or .npy of [prompts, K].
    /// Further files are further shards.
    #[arg(long, value_name = "FILE", num_args = 1.., conflicts_with = "config", help_heading = REWARDS)]
    pub(crate) rewards: Vec<PathBuf>,
    #[command(flatten, next_help_heading = REWARDS)]
    pub(crate) columns: Columns,
    /// Where the calibration table goes (Parquet); without it, only the diagnostics are made.
    #[arg(long, value_name = "FILE", requires = "rewards", help_heading = REWARDS)]
    pub(crate) out: Option<PathBuf>,
    /// How many rewards of each prompt, its last, the diagnostics hold against the others. The table keeps all.
    #[arg(long, value_name = "N", default_value_t = 2, allow_negative_numbers = true, help_heading = REWARDS)]
    pub(crate) check: usize,
    /// The base policy's name, for the table.
    #[arg(long, value_name = "NAME", requires = "rewards", help_heading = REWARDS)]
    pub(crate) base: Option<String>,
    /// What deployment does, for the rollouts that the design needs; may be given several times. Default: best-of:4 and worst-of:4.
    #[arg(long = "procedure", value_name = "P", requires = "rewards", help_heading = REWARDS)]
    pub(crate) procedures: Vec<String>,
    /// The design's KL budget in nats.
    #[arg(long, value_name = "X", default_value_t = 0.5, allow_negative_numbers = true, help_heading = REWARDS)]
    pub(crate) kl: f64,
    /// Transforms to be designed for, separated by commas. Default: what `infalign design` recommends.
    #[arg(long, value_name = "T,…", value_delimiter = ',', requires = "rewards", help_heading = REWARDS)]
    pub(crate) transforms: Vec<String>,
    /// A folder for pictures: an SVG of each diagnostic.
    #[arg(long, value_name = "DIR", requires = "rewards", help_heading = REWARDS)]
    pub(crate) plots: Option<PathBuf>,
}
