//! What a user can type: every command, flag and help text.

mod data;
mod judging;
mod language;
mod loose;
mod machine;
mod reward;
mod run;
mod serve;
mod training;

use std::{num::NonZero, path::PathBuf};

use clap::{ArgGroup, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

pub(crate) use data::{Convert, Data, DataCommand, Formats, Inspect, To};
pub(crate) use judging::Judging;
pub(crate) use language::{Devices, Dress, LongPrompts, Sample, Score};
pub(crate) use loose::{Calibrate, Evaluate};
pub(crate) use machine::Machine;
pub(crate) use reward::{Reward, RewardCommand, RewardEval, RewardTrain};
pub(crate) use run::{Config, ConfigAction, Distill, Place, Report, Run, Stage, Train};
pub(crate) use serve::{Label, Serve, Unknown as UnknownPrompts};
pub(crate) use training::{Pretrain, Sft, Training};

/// Inference-aware alignment of language models.
///
/// Which reward should a policy be trained with, when deployment reranks N samples, when an attacker draws N, when answers are voted on?
/// `infalign` answers with the transform of the calibrated reward (InfAlign, arXiv 2412.19792), measures it on rollouts that you have,
/// and says what a finite table can and cannot tell.
#[derive(Debug, Parser)]
#[command(
    name = "infalign",
    version,
    max_term_width = 100,
    arg_required_else_help = true
)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Run(Box<Run>),
    /// The main job as far as the base's rollouts; the same command as `run` goes on from there.
    Rollout(Box<Stage>),
    Calibrate(Box<Calibrate>),
    /// The main job as far as trained policies.
    Train(Box<Train>),
    Distill(Box<Distill>),
    Evaluate(Box<Evaluate>),
    Report(Report),
    Serve(Box<Serve>),
    Config(Config),
    Data(Data),
    Design(Design),
    Simulate(Simulate),
    Pretrain(Box<Pretrain>),
    Sft(Box<Sft>),
    Sample(Box<Sample>),
    Score(Box<Score>),
    Reward(Reward),
    Devices(Devices),
    Procedures(List),
    Transforms(List),
    Completions(Completions),
    Man(Man),
}

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Tables for people.
    Text,
    /// The documented JSON for scripts.
    Json,
}

/// Which transform and β for this procedure and KL budget, and how much it wins.
#[derive(Debug, clap::Args)]
#[command(group = ArgGroup::new("budget").required(true).args(["kl", "beta"]))]
#[command(after_long_help = "Examples:
  infalign design --procedure best-of:4 --kl 0.5
  infalign design --procedure worst-of:16 --kl 0.3 --k 100 --plot frontier.html
  infalign design --procedure best-of:8 --kl 0.5 --levels 0.7,0.3
  infalign design --procedure best-of:4 --kl 0.5 --calibration rollouts.jsonl --format json")]
pub(crate) struct Design {
    /// What deployment does: see `infalign procedures`.
    #[arg(long, value_name = "P")]
    pub(crate) procedure: String,
    /// KL budget: what the policy may move from the base, KL(π‖p) in nats.
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    pub(crate) kl: Option<f64>,
    /// Price of KL, in place of a budget.
    #[arg(long, value_name = "B", allow_negative_numbers = true)]
    pub(crate) beta: Option<f64>,
    /// Transforms to compare, separated by commas: see `infalign transforms`. Default: identity, log, exponentials with the
    /// sign that suits, and the best exponent by search.
    #[arg(long, value_name = "T,…", value_delimiter = ',')]
    pub(crate) transforms: Vec<String>,
    /// Rollouts per prompt of the calibration: adds what that K costs, and the β to train with.
    #[arg(long, value_name = "K", allow_negative_numbers = true)]
    pub(crate) k: Option<usize>,
    /// Base probabilities of the reward's values, lowest first, when it has few (0/1 rewards: `0.7,0.3`).
    #[arg(
        long,
        value_name = "P1,P2,…",
        value_delimiter = ',',
        conflicts_with = "calibration",
        allow_negative_numbers = true
    )]
    pub(crate) levels: Vec<f64>,
    /// A table of base rewards (Parquet, JSONL or CSV): adds the row `raw`, ordinary raw-reward RLHF on these rewards.
    #[arg(long, value_name = "FILE")]
    pub(crate) calibration: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) columns: Columns,
    /// Adds the whole frontier: every transform and the optimum at 96 KLs from 0.001 to 4 nats.
    #[arg(long)]
    pub(crate) frontier: bool,
    /// Draws the frontier and the transform into a file.
    #[arg(long, value_name = "FILE.{html,svg,png}")]
    pub(crate) plot: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) output: Output,
}

/// Writes a table of simulated rollouts with a proxy reward and the gold reward behind it.
///
/// Each response has a gold reward g ~ N(0,1). The proxy that training sees is a + s·(g + 0.5·t), t Student with 3 degrees of freedom: right
/// on average, but its extremes are mostly error, so that a policy that chases them is over-optimised. The offset a ~ N(0,2²) and the
/// spread s = e^{0.6·N(0,1)} differ from prompt to prompt, as those of reward models do.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Example:
  infalign simulate --prompts 200 --k 128 --out rollouts.parquet")]
pub(crate) struct Simulate {
    /// Where to write: .parquet, .jsonl or .csv (the last two also .gz or .zst).
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// Number of prompts.
    #[arg(
        long,
        value_name = "N",
        default_value_t = 200,
        allow_negative_numbers = true
    )]
    pub(crate) prompts: usize,
    /// Responses per prompt.
    #[arg(
        long,
        value_name = "K",
        default_value_t = 128,
        allow_negative_numbers = true
    )]
    pub(crate) k: usize,
    /// Seed.
    #[arg(
        long,
        value_name = "N",
        default_value_t = 0,
        allow_negative_numbers = true
    )]
    pub(crate) seed: u64,
}

/// Lists what can be typed, with a line and an example each.
#[derive(Debug, clap::Args)]
pub(crate) struct List {
    #[command(flatten)]
    pub(crate) output: Output,
}

/// Prints what a shell needs to complete this program's commands and flags.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:
  infalign completions bash > ~/.local/share/bash-completion/completions/infalign
  infalign completions zsh > ~/.zfunc/_infalign
  infalign completions fish > ~/.config/fish/completions/infalign.fish")]
pub(crate) struct Completions {
    /// The shell.
    #[arg(value_enum)]
    pub(crate) shell: Shell,
}

/// Writes a manual page for every command into a folder.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Example:
  infalign man ~/.local/share/man/man1")]
pub(crate) struct Man {
    /// The folder; it is made where it is not there.
    #[arg(value_name = "DIR")]
    pub(crate) dir: PathBuf,
}

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Columns {
    /// Column that names the prompt. Default: `prompt_id`, else `prompt`.
    #[arg(long, value_name = "NAME")]
    pub(crate) prompt_column: Option<String>,
    /// Column with the training reward. Default: `rewards`, else `reward`.
    #[arg(long, value_name = "NAME")]
    pub(crate) reward_column: Option<String>,
}

#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct Output {
    /// How to print the result.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
    /// Worker threads; results do not depend on it.
    #[arg(
        long,
        value_name = "N",
        default_value = "1",
        allow_negative_numbers = true
    )]
    pub(crate) threads: NonZero<usize>,
}
