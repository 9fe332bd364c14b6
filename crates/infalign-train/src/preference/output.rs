//! The trained reward model as a folder of the hub: every file whole or not at all.

use std::path::Path;

use infalign_lm::{Decoder, Tokenizer, WriteOptions};

use crate::{
    error::Result,
    supervised::{begin, into_place},
};

/// Writes a `*ForSequenceClassification` folder that transformers and vLLM open, into `directory`, which may hold other files. Tokenizer, chat
/// template and licence are copied from `companions`, else `tokenizer` is written.
///
/// # Errors
/// The disk's refusal.
pub fn write_reward_model(
    model: &Decoder,
    companions: Option<&Path>,
    tokenizer: &Tokenizer,
    directory: &Path,
) -> Result<()> {
    let hidden = begin(directory)?;
    // One file however large: its name is then known beforehand.
    let options = WriteOptions {
        shard_bytes: u64::MAX,
        ..WriteOptions::default()
    };
    model.save(&hidden, companions, options, |folder| match companions {
        Some(_) => Ok(()),
        None => tokenizer.save(folder),
    })?;
    into_place(&hidden, directory)
}
