//! Reading a reward table: the format is told by the name and the first bytes, the form (one row per
//! prompt with lists, or one row per response) by the reward column.

pub(crate) mod columns;
pub(crate) mod csv;
mod json;
mod parquet;
pub(crate) mod source;

use std::{io::Read, path::Path};

use bytes::Bytes;

use crate::{RewardTable, error::Result};
pub(crate) use parquet::{Runs, stream as stream_parquet};
use source::{Format, Source};

/// Which columns to read, when they are not the usual ones.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReadOptions {
    /// Names the prompt; else `prompt_id` or `prompt`. One row per prompt needs none: prompts are
    /// then numbered from 0 (so are conversations in Parquet, which are no plain column).
    pub prompt_column: Option<String>,
    /// The training reward; else `rewards`, `reward` or `ref_rewards`.
    pub reward_column: Option<String>,
    /// Further rewards that judge; else `gold`, `gold_rewards` or `gold_reward` when there.
    pub gold_columns: Vec<String>,
    /// Also keep the texts of prompts (`prompt`) and responses (`responses`, `response`,
    /// `completions`, `completion`, `ref_completions`) when there.
    pub texts: bool,
}

/// Reads prompts with their rewards from a file.
///
/// | name | one row per prompt | one row per response |
/// |---|---|---|
/// | `.jsonl`, `.ndjson`, `.json` (also `.gz`, `.zst`) | `{"prompt_id", "rewards": […]}`, `{"instances": […]}` | `{"prompt_id", "reward"}` |
/// | `.parquet` | list columns | numbers |
/// | `.csv`, `.tsv` (also `.gz`, `.zst`) | cells like `[1, 2]` | numbers |
///
/// Rows of one prompt need not stand together; prompts keep the order of their first appearance.
/// Memory beside the table itself is that of a row (JSON, CSV) or of a page (Parquet).
///
/// # Errors
/// Every variant of [`crate::Error`] that speaks of a file: nothing is skipped or repaired.
pub fn read_table(path: impl AsRef<Path>, options: &ReadOptions) -> Result<RewardTable> {
    let path = path.as_ref();
    let name = path.display().to_string();
    match source::open(path)? {
        Source::Parquet(file) => parquet::read(file, &name, options),
        Source::Text(format, input) => match format {
            Format::JsonLines => json::read_lines(input, &name, options),
            Format::Json => json::read_document(input, &name, options),
            Format::Csv => csv::read(input, &name, b',', options),
            Format::Tsv => csv::read(input, &name, b'\t', options),
        },
    }
}

/// Reads JSON Lines, plain or compressed; `name` stands in errors.
///
/// # Errors
/// As [`read_table`].
pub fn read_jsonl(input: impl Read, name: &str, options: &ReadOptions) -> Result<RewardTable> {
    json::read_lines(source::decompress(input, name)?, name, options)
}

/// Reads comma-separated values with a header row, plain or compressed; `name` stands in errors.
///
/// # Errors
/// As [`read_table`].
pub fn read_csv(input: impl Read, name: &str, options: &ReadOptions) -> Result<RewardTable> {
    csv::read(source::decompress(input, name)?, name, b',', options)
}

/// Reads a Parquet file held in memory; `name` stands in errors.
///
/// # Errors
/// As [`read_table`].
pub fn read_parquet(bytes: Bytes, name: &str, options: &ReadOptions) -> Result<RewardTable> {
    parquet::read(bytes, name, options)
}
