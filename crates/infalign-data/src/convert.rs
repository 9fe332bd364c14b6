//! From a data file of any known format to one of infalign's own.
//!
//! | to | file | a row |
//! |---|---|---|
//! | prompts | `.jsonl` | `{"prompt_id"?, "prompt", "answer"?}`, each prompt once |
//! | rollouts | `.jsonl` | `{"prompt_id", "prompt", "responses", "rewards"?, …}` |
//! | rollouts | `.parquet` | a shard: of responses whose tokens and log-probabilities are known |
//! | rewards | `.jsonl`, `.parquet` | `{"prompt_id", "rewards"}` |
//! | preferences | `.jsonl` | `{"prompt_id"?, "prompt", "chosen", "rejected", "margin"?, "tie"?}` |
//! | samples | `.jsonl` | `{"prompt_id", "index", "prompt", "response", "reward"?, …}` |
//!
//! JSON Lines may also be `.gz` or `.zst`. Rows pass one by one; only where a file has one row per
//! response are they gathered in memory, since those of a prompt need not stand together.

mod group;
mod lines;

use std::{cell::Cell, path::Path};

use serde::Serialize;

use crate::{
    REWARD_KEY, RewardRow, RolloutRow,
    error::{Error, Result},
    formats::{RecordOptions, Records, Target, read_records},
    preferences::{gives, preference},
    rollouts::{Metadata, write_shard},
    texts::OnBadRow,
    write::{Compression, TableFormat},
};
use group::Group;
pub(crate) use group::{Groups, Needs};
use lines::write_lines;

/// How data are converted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConvertOptions {
    /// The name of the format; else it is recognised.
    pub format: Option<String>,
    /// What becomes of a row that cannot be used.
    pub on_bad: OnBadRow,
    /// Columns that are to be taken for fields of a format: (column, field).
    pub rename: Vec<(String, String)>,
    /// What a shard of rewards calls the reward; else the name of the format.
    pub reward: Option<String>,
}

/// What was converted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Converted {
    /// The file read.
    pub file: String,
    /// Its format.
    pub format: &'static str,
    /// Why it is that format.
    pub why: String,
    /// The file written.
    pub out: String,
    /// What it holds.
    pub to: Target,
    /// Rows written.
    pub rows: u64,
    /// Rows left out because their prompt had come before.
    pub repeated: u64,
    /// The rows that could not be used.
    pub bad: BadList,
}

/// Rows that could not be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BadList {
    /// How many.
    pub count: u64,
    /// What is wrong with the first of them, with file and line.
    pub first: Vec<String>,
}

impl BadList {
    pub(crate) fn of(records: &Records) -> Self {
        let bad = records.bad();
        Self {
            count: bad.count,
            first: bad.first.iter().map(Error::to_string).collect(),
        }
    }
}

/// Converts `input` and writes it to `output`, whole or not at all.
///
/// # Errors
/// A file that cannot be read, is of no known format or of one that does not hold `to`; a name of
/// `output` that is neither `.jsonl` (also `.gz`, `.zst`) nor, for rollouts and rewards, `.parquet`;
/// the first bad row ([`OnBadRow::Fail`]), or a file without a usable one; the disk's refusal.
pub fn convert(
    input: impl AsRef<Path>,
    output: impl AsRef<Path>,
    to: Target,
    options: &ConvertOptions,
) -> Result<Converted> {
    let (input, output) = (input.as_ref(), output.as_ref());
    let form = form(output, to)?;
    let mut records = read_records(
        input,
        &RecordOptions {
            format: options.format.clone(),
            on_bad: options.on_bad,
            rename: options.rename.clone(),
        },
    )?;
    gives(&records, to)?;
    let rows = Cell::new(0);
    let one = || rows.set(rows.get() + 1);
    let mut repeated = 0;
    match (to, form) {
        (Target::Prompts, Form::Lines(compression)) => {
            let mut prompts = lines::Prompts::new(&mut records);
            write_lines(output, compression, prompts.by_ref().inspect(|_| one()))?;
            repeated = prompts.repeated();
        }
        (Target::Preferences, Form::Lines(compression)) => {
            let found = std::iter::from_fn(|| records.usable(preference)).inspect(|_| one());
            let found = found.map(|row| row.map(lines::preference));
            write_lines(output, compression, found)?;
        }
        (Target::Samples, Form::Lines(compression)) => {
            let groups = Groups::new(&mut records, needs(to, false));
            let samples = groups.flat_map(lines::samples).inspect(|_| one());
            write_lines(output, compression, samples)?;
        }
        (Target::Rewards, Form::Lines(compression)) => {
            let groups = Groups::new(&mut records, needs(to, false)).inspect(|_| one());
            write_lines(output, compression, groups.map(|g| g.map(lines::rewards)))?;
        }
        (Target::Rollouts, Form::Lines(compression)) => {
            let groups = Groups::new(&mut records, needs(to, false)).inspect(|_| one());
            write_lines(output, compression, groups.map(|g| g.map(lines::rollouts)))?;
        }
        (Target::Rewards, Form::Shard) => {
            let name = options.reward.as_deref().unwrap_or(records.format().name);
            let metadata = Metadata::from([(REWARD_KEY.to_owned(), name.to_owned())]);
            let groups = Groups::new(&mut records, needs(to, true)).inspect(|_| one());
            let rewards = groups.map(|g| g.map(Group::into_rewards));
            write_shard::<RewardRow, _>(output, rewards, &metadata)?;
        }
        (_, Form::Shard) => {
            let groups = Groups::new(&mut records, needs(to, true)).inspect(|_| one());
            let rollouts = groups.map(|g| g.map(Group::into_rollouts));
            write_shard::<RolloutRow, _>(output, rollouts, &Metadata::new())?;
        }
    }
    Ok(Converted {
        file: records.file().to_owned(),
        format: records.format().name,
        why: records.why().to_owned(),
        out: output.display().to_string(),
        to,
        rows: rows.get(),
        repeated,
        bad: BadList::of(&records),
    })
}

enum Form {
    Lines(Compression),
    Shard,
}

fn form(output: &Path, to: Target) -> Result<Form> {
    match (TableFormat::of(output), to) {
        (Some(TableFormat::Jsonl(compression)), _) => Ok(Form::Lines(compression)),
        (Some(TableFormat::Parquet), Target::Rollouts | Target::Rewards) => Ok(Form::Shard),
        _ => Err(Error::Table {
            what: format!(
                "{}: {to} are written as JSON Lines{}; name the file .jsonl (also .jsonl.gz, .jsonl.zst){}",
                output.display(),
                if matches!(to, Target::Rollouts | Target::Rewards) {
                    " or Parquet"
                } else {
                    ""
                },
                if matches!(to, Target::Rollouts | Target::Rewards) {
                    " or .parquet"
                } else {
                    ""
                },
            ),
        }),
    }
}

/// What every response must have.
const fn needs(to: Target, shard: bool) -> Needs {
    Needs {
        texts: !matches!(to, Target::Rewards),
        rewards: matches!(to, Target::Rewards),
        sampled: shard && matches!(to, Target::Rollouts),
    }
}

#[cfg(test)]
mod tests;
