//! Rollouts and their raw rewards as Parquet shards, one row per prompt.
//!
//! | column | type | a row holds |
//! |---|---|---|
//! | `prompt_id` | string | the prompt's name, not empty, once in a shard |
//! | `prompt` | string | the prompt's text exactly as the model saw it |
//! | `responses` | list of strings | K ≥ 1 responses |
//! | `logprobs` | list of floats | ln p(response) in nats under what it was sampled from, finite; empty where the server did not tell |
//! | `tokens` | list of ints | the number of tokens of each response, the one that ended it included; empty likewise |
//! | `token_ids` | list of ints | those tokens, response after response |
//! | `truncated` | list of booleans | whether the response was cut off at the most tokens |
//!
//! A shard of rewards has `prompt_id` and `rewards` (list of floats, finite), and names the reward
//! in its metadata. The bytes of a shard are a function of its rows and metadata alone, and it is
//! there whole or not at all.

mod columns;
mod rewards;
mod rows;
mod shard;

use std::{collections::BTreeMap, path::Path};

use crate::error::{Error, Result};
pub use shard::{Shard, ShardRow};
pub(crate) use shard::{guarded, undecodable, write as write_shard};

/// What a shard says about itself.
pub type Metadata = BTreeMap<String, String>;

/// The key of a reward shard's metadata that names the reward.
pub const REWARD_KEY: &str = "reward";

/// Responses to one prompt, as a policy sampled them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RolloutRow {
    /// Names the prompt.
    pub prompt_id: String,
    /// The prompt's text exactly as the model saw it, template included.
    pub prompt: String,
    /// The responses, at least one.
    pub responses: Vec<String>,
    /// ln p(response) in nats, under the distribution that it was sampled from; empty where nobody knows.
    pub log_probs: Vec<f32>,
    /// The tokens of each response, the one that ended it included; each below 2³¹. Empty where nobody knows.
    pub tokens: Vec<Vec<u32>>,
    /// Whether each response was cut off before it ended.
    pub truncated: Vec<bool>,
}

/// Raw rewards of the responses to one prompt.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RewardRow {
    /// Names the prompt.
    pub prompt_id: String,
    /// A raw reward per response, in the order of the responses; finite.
    pub rewards: Vec<f32>,
}

/// Writes a shard of rollouts.
///
/// # Errors
/// A row that a shard cannot hold (an empty or repeated id, no response, lists of different
/// lengths, a log-probability that is not finite, a token from 2³¹ on), by its row number; the
/// disk's refusal. An earlier file of that name then stands as it was.
pub fn write_rollouts(
    path: impl AsRef<Path>,
    rows: &[RolloutRow],
    metadata: &Metadata,
) -> Result<()> {
    shard::write::<RolloutRow, _>(path.as_ref(), rows.iter().map(Ok), metadata)
}

/// Reads a whole shard of rollouts.
///
/// # Errors
/// As [`write_rollouts`] about rows; [`Error::Shard`] for a file of other columns,
/// [`Error::Parquet`] for a damaged one, [`Error::TokenCount`].
pub fn read_rollouts(path: impl AsRef<Path>) -> Result<(Vec<RolloutRow>, Metadata)> {
    Shard::open(path.as_ref())?.read()
}

/// Opens a shard of rollouts to be read row by row; memory is that of some rows.
///
/// # Errors
/// [`Error::Read`], [`Error::Shard`], [`Error::Parquet`]; items: as [`read_rollouts`].
pub fn open_rollouts(path: impl AsRef<Path>) -> Result<Shard<RolloutRow>> {
    Shard::open(path.as_ref())
}

/// Writes a shard of rewards; `metadata` names the reward under [`REWARD_KEY`].
///
/// # Errors
/// A row that a shard cannot hold (an empty or repeated id, no reward, one that is not finite),
/// metadata that do not name the reward ([`Error::Shard`]), the disk's refusal. An earlier file of
/// that name then stands as it was.
pub fn write_rewards(
    path: impl AsRef<Path>,
    rows: &[RewardRow],
    metadata: &Metadata,
) -> Result<()> {
    named(path.as_ref(), metadata)?;
    shard::write::<RewardRow, _>(path.as_ref(), rows.iter().map(Ok), metadata)
}

/// Reads a whole shard of rewards.
///
/// # Errors
/// As [`write_rewards`] about rows and metadata; [`Error::Shard`] for a file of other columns,
/// [`Error::Parquet`] for a damaged one.
pub fn read_rewards(path: impl AsRef<Path>) -> Result<(Vec<RewardRow>, Metadata)> {
    open_rewards(path)?.read()
}

/// Opens a shard of rewards to be read row by row; memory is that of some rows.
///
/// # Errors
/// [`Error::Read`], [`Error::Shard`], [`Error::Parquet`]; items: as [`read_rewards`].
pub fn open_rewards(path: impl AsRef<Path>) -> Result<Shard<RewardRow>> {
    let shard = Shard::open(path.as_ref())?;
    named(path.as_ref(), shard.metadata())?;
    Ok(shard)
}

fn named(path: &Path, metadata: &Metadata) -> Result<()> {
    match metadata.get(REWARD_KEY) {
        Some(name) if !name.is_empty() => Ok(()),
        _ => Err(Error::Shard {
            file: path.display().to_string(),
            kind: "rewards",
            what: format!("its metadata do not name the reward under `{REWARD_KEY}`"),
        }),
    }
}

#[cfg(test)]
mod tests;
