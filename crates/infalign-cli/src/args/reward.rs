//! What can be typed for reward models: `reward train`, `reward eval`.

use std::path::PathBuf;

use clap::{ArgGroup, Subcommand};

use super::{Format, Judging, language::Dress, machine::Machine, training::Decay};

/// Reward models: trained on preferences, and judged by them.
#[derive(Debug, clap::Args)]
pub(crate) struct Reward {
    #[command(subcommand)]
    pub(crate) command: RewardCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RewardCommand {
    Train(Box<RewardTrain>),
    Eval(RewardEval),
}

/// Trains a reward model on preferences (Bradley-Terry), from any language model or classifier.
///
/// Preferences are rows of a prompt with a chosen and a rejected response, in any of the forms that `infalign data inspect` knows. DIR ends as a
/// `*ForSequenceClassification` folder with one label, which transformers and vLLM open, with metrics.jsonl, TensorBoard's files and checkpoints
/// beside the model. Ctrl-C saves; the same command started again goes on where it was and ends with the same bytes.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:
  infalign reward train --model Qwen2.5-0.5B --data preferences.jsonl --out rm
  infalign reward train --model tiny --data preferences.parquet --out rm --learning-rate 1e-3 --margins --eos")]
pub(crate) struct RewardTrain {
    /// The folder of the model that it begins as.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) model: PathBuf,
    /// Preferences.
    #[arg(long, value_name = "FILE")]
    pub(crate) data: PathBuf,
    /// Output folder.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// Updates of the weights.
    #[arg(
        long,
        value_name = "N",
        conflicts_with = "epochs",
        allow_negative_numbers = true
    )]
    pub(crate) steps: Option<u64>,
    /// Times that every pair is seen, in place of steps; may be a fraction. Default: 1.
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    pub(crate) epochs: Option<f64>,
    /// Pairs of a step.
    #[arg(
        long,
        value_name = "N",
        default_value_t = 16,
        allow_negative_numbers = true
    )]
    pub(crate) batch_size: usize,
    /// Computes a step's pairs in so many parts, one after the other: less memory, the same gradient to rounding.
    #[arg(
        long,
        value_name = "PARTS",
        default_value_t = 1,
        allow_negative_numbers = true
    )]
    pub(crate) accumulate: usize,
    /// Highest learning rate.
    #[arg(
        long,
        value_name = "X",
        default_value_t = 2e-5,
        allow_negative_numbers = true
    )]
    pub(crate) learning_rate: f64,
    /// Steps over which the rate rises: a number (100), or a fraction of all steps (0.05).
    #[arg(
        long,
        value_name = "N|X",
        default_value = "0.05",
        allow_negative_numbers = true
    )]
    pub(crate) warmup: String,
    /// How the rate falls.
    #[arg(long, value_enum, default_value_t = Decay::Linear)]
    pub(crate) decay: Decay,
    /// Weight decay of matrices.
    #[arg(
        long,
        value_name = "X",
        default_value_t = 0.0,
        allow_negative_numbers = true
    )]
    pub(crate) weight_decay: f64,
    /// Takes the rows' margins into the loss: the chosen response should be rewarded more by as much.
    #[arg(long)]
    pub(crate) margins: bool,
    /// The share of preferences taken to be the wrong way round.
    #[arg(
        long,
        value_name = "X",
        default_value_t = 0.0,
        allow_negative_numbers = true
    )]
    pub(crate) label_smoothing: f64,
    /// How strongly the sum of a pair's rewards is drawn to 0.
    #[arg(
        long,
        value_name = "X",
        default_value_t = 0.01,
        allow_negative_numbers = true
    )]
    pub(crate) centring: f64,
    /// Ends every response with the end-of-sequence token, as when it is complete.
    #[arg(long)]
    pub(crate) eos: bool,
    #[command(flatten)]
    pub(crate) dress: Dress,
    /// Leaves pairs out that cannot be used or are longer than the context, and counts them, instead of stopping at the first.
    #[arg(long)]
    pub(crate) skip_bad_rows: bool,
    /// Fraction of prompts held out, on which accuracy is measured; 0: none.
    #[arg(
        long,
        value_name = "X",
        default_value_t = 0.05,
        allow_negative_numbers = true
    )]
    pub(crate) validation: f64,
    /// Steps between two looks at what is held out. Default: a tenth of all.
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) validation_every: Option<u64>,
    /// Steps between two checkpoints. Default: a tenth of all; at least every ten minutes in any case.
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) save_every: Option<u64>,
    /// How many checkpoints stay.
    #[arg(
        long,
        value_name = "N",
        default_value_t = 2,
        allow_negative_numbers = true
    )]
    pub(crate) keep: usize,
    /// Decides a fresh head, the order of the pairs, and what is held out.
    #[arg(
        long,
        value_name = "N",
        default_value_t = 0,
        allow_negative_numbers = true
    )]
    pub(crate) seed: u64,
    /// Starts afresh where DIR holds another run.
    #[arg(long)]
    pub(crate) overwrite: bool,
    /// How to print the result.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
    #[command(flatten)]
    pub(crate) machine: Machine,
}

/// How well a reward agrees with preferences: accuracy with its interval over prompts, log-loss, calibration.
#[derive(Debug, clap::Args)]
#[command(group = ArgGroup::new("judge").required(true).args(["model", "reward"]))]
#[command(after_long_help = "Examples:
  infalign reward eval --model rm --data held-out.jsonl
  infalign reward eval --reward lexicon:vader_lexicon.txt --data held-out.jsonl --format json")]
pub(crate) struct RewardEval {
    /// A reward model's folder.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) model: Option<PathBuf>,
    /// Any other reward: length, lexicon:FILE, regex:PATTERN, exec:COMMAND, a server (vllm:http://…), judge:http://…, sums of them.
    #[arg(long, value_name = "REWARD", conflicts_with_all = ["eos", "chat", "raw"])]
    pub(crate) reward: Option<String>,
    /// Preferences.
    #[arg(long, value_name = "FILE")]
    pub(crate) data: PathBuf,
    /// Ends every response with the end-of-sequence token, as in training.
    #[arg(long)]
    pub(crate) eos: bool,
    #[command(flatten)]
    pub(crate) dress: Dress,
    #[command(flatten)]
    pub(crate) judging: Judging,
    /// Leaves pairs out that cannot be used, and counts them, instead of stopping at the first.
    #[arg(long)]
    pub(crate) skip_bad_rows: bool,
    /// How to print the result.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
    #[command(flatten)]
    pub(crate) machine: Machine,
}
