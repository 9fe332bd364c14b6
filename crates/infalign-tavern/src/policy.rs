//! The base policy: a tiny Llama that was trained on the grammar's lines, as files in the program.

use std::path::Path;

use crate::error::{Error, Result};

/// The config.json that the policy was trained from.
pub const CONFIG: &str = include_str!("../world/config.json");

/// The files of the policy's folder; config.json, by which a folder is known as a model, last.
pub const POLICY_FILES: [(&str, &[u8]); 5] = [
    (
        "model.safetensors",
        include_bytes!("../assets/policy/model.safetensors"),
    ),
    (
        "tokenizer.json",
        include_bytes!("../assets/policy/tokenizer.json"),
    ),
    (
        "tokenizer_config.json",
        include_bytes!("../assets/policy/tokenizer_config.json"),
    ),
    (
        "generation_config.json",
        include_bytes!("../assets/policy/generation_config.json"),
    ),
    (
        "config.json",
        include_bytes!("../assets/policy/config.json"),
    ),
];

/// Writes the policy's folder. Every file is there whole or not at all, and config.json comes last: a folder that has it is complete.
/// Files of those names that are there are replaced.
///
/// # Errors
/// What the disk said, with the path.
pub fn write_policy(folder: impl AsRef<Path>) -> Result<()> {
    let folder = folder.as_ref();
    std::fs::create_dir_all(folder).map_err(|source| Error::Folder {
        path: folder.to_owned(),
        source,
    })?;
    for (name, bytes) in POLICY_FILES {
        infalign_data::write_atomic(folder.join(name), |file| file.write_all(bytes))?;
    }
    Ok(())
}
