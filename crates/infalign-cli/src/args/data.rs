//! What can be typed to look at data files and to convert them: `data inspect`, `data convert`, `data formats`.

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};

use super::Format;

/// Data files: what they are, what they hold, and infalign's own forms of them.
///
/// Formats are recognised by the fields of the first rows: TRL's prompts and preferences, HH transcripts, UltraFeedback, RLHFlow, QRPO, verl,
/// OpenRLHF, distilabel, RewardBench 2 and more, in JSON Lines, JSON or CSV (also .gz and .zst) or Parquet.
#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = true)]
pub(crate) struct Data {
    #[command(subcommand)]
    pub(crate) command: DataCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DataCommand {
    Inspect(Inspect),
    Convert(Convert),
    Formats(Formats),
}

/// What a data file is and holds: format and why, counts, lengths, duplicates, gaps, bad rows, an example.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:
  infalign data inspect preferences.jsonl.gz
  infalign data inspect rollouts.parquet --format json
  infalign data inspect scores.csv --rename proxy=reward")]
pub(crate) struct Inspect {
    /// The file.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// The format of its rows, where it is not to be recognised: see `infalign data formats`.
    #[arg(long = "as", value_name = "FORMAT")]
    pub(crate) form: Option<String>,
    /// Takes a column for a field of a format; may be given several times.
    #[arg(long, value_name = "COLUMN=FIELD", value_parser = renaming)]
    pub(crate) rename: Vec<(String, String)>,
    /// How to print the result.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

/// Writes a data file of any known format in one of infalign's own.
///
/// JSON Lines (also .gz and .zst) for everything; Parquet shards, one row per prompt, for rewards and for rollouts whose tokens and
/// log-probabilities are known. The file is written whole or not at all.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:
  infalign data convert hh.jsonl.gz preferences.jsonl --to preferences
  infalign data convert train.parquet prompts.jsonl --to prompts
  infalign data convert samples.jsonl rollouts.parquet --to rollouts
  infalign data convert iteration1.json rewards.parquet --to rewards --reward-name armo --skip-bad")]
pub(crate) struct Convert {
    /// The file to read.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// The file to write: .jsonl, .jsonl.gz, .jsonl.zst, or .parquet.
    #[arg(value_name = "OUT")]
    pub(crate) out: PathBuf,
    /// What to write.
    #[arg(long, value_enum)]
    pub(crate) to: To,
    /// The format of the rows, where it is not to be recognised: see `infalign data formats`.
    #[arg(long = "as", value_name = "FORMAT")]
    pub(crate) form: Option<String>,
    /// Takes a column for a field of a format; may be given several times.
    #[arg(long, value_name = "COLUMN=FIELD", value_parser = renaming)]
    pub(crate) rename: Vec<(String, String)>,
    /// Leaves rows out that cannot be used, counts and lists them; else the first ends the conversion.
    #[arg(long)]
    pub(crate) skip_bad: bool,
    /// What a Parquet shard of rewards calls the reward. Default: the name of the format.
    #[arg(long, value_name = "NAME")]
    pub(crate) reward_name: Option<String>,
    /// How to print what was done.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

/// Lists the formats that are read, with their fields.
#[derive(Debug, clap::Args)]
pub(crate) struct Formats {
    /// How to print the result.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

/// What data become.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum To {
    /// Each prompt once, with its answer.
    Prompts,
    /// Responses with their rewards or tokens, one row per prompt.
    Rollouts,
    /// Raw rewards, one row per prompt.
    Rewards,
    /// A prompt with the chosen and the rejected response.
    Preferences,
    /// Responses with their rewards or tokens, one row per response.
    Samples,
}

fn renaming(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((column, field)) if !column.is_empty() && !field.is_empty() => {
            Ok((column.to_owned(), field.to_owned()))
        }
        _ => Err("write COLUMN=FIELD, as in proxy=reward".to_owned()),
    }
}
