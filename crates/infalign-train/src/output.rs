//! The trained model in the output folder itself, beside its metrics: every file whole or not at all.
//!
//! The model is made whole in a hidden folder first, then its files are renamed into place, weights before the configuration that announces
//! them. A kill between leaves a folder that the same command completes.

use std::{fs, io, path::Path};

use infalign_data::write_atomic;
use infalign_lm::{Decoder, Dtype, TokenIds, Tokenizer, WriteOptions};
use serde_json::{Map, Value};

use crate::{
    Policy,
    error::{Error, Result},
};

/// What [`write_model`] always writes.
pub const MODEL_FILES: [&str; 3] = ["model.safetensors", "generation_config.json", "config.json"];
/// What [`write_adapter`] writes.
pub const ADAPTER_FILES: [&str; 2] = ["adapter_model.safetensors", "adapter_config.json"];
/// One file however large: its name is then known beforehand.
const ONE_FILE: WriteOptions = WriteOptions {
    dtype: Dtype::F32,
    shard_bytes: u64::MAX,
};

/// Writes a folder that transformers opens: configuration, weights (adapters merged), tokenizer, defaults of generation. Tokenizer and defaults
/// are those of the policy's folder, else `tokenizer` and its tokens.
///
/// # Errors
/// The disk's refusal.
pub fn write_model(
    model: &Decoder,
    policy: &Policy,
    tokenizer: &Tokenizer,
    tokens: &TokenIds,
    directory: &Path,
) -> Result<()> {
    let companions = policy.folder().map(infalign_lm::Folder::path);
    placed(directory, |hidden| {
        Ok(model.save(hidden, companions, ONE_FILE, |folder| {
            if companions.is_none() {
                tokenizer.save(folder)?;
            }
            let defaults = folder.join("generation_config.json");
            if !defaults.exists() {
                let text = format!("{:#}\n", Value::Object(generation(tokens)));
                write_atomic(defaults, |f| f.write_all(text.as_bytes()))?;
            }
            Ok(())
        })?)
    })
}

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
    placed(directory, |hidden| {
        Ok(
            model.save(hidden, companions, ONE_FILE, |folder| match companions {
                Some(_) => Ok(()),
                None => tokenizer.save(folder),
            })?,
        )
    })
}

/// Writes a folder that peft opens: the adapters beside the weights of `base`, wherever that is.
///
/// # Errors
/// The disk's refusal; a model without adapters is a bug.
pub fn write_adapter(model: &Decoder, base: &str, directory: &Path) -> Result<()> {
    let adapter = model
        .adapter(Some(base.to_owned()))
        .ok_or_else(|| Error::Bug {
            what: "a model without adapters was to be saved as one".to_owned(),
        })?;
    placed(directory, |hidden| {
        Ok(adapter.save(hidden, model.spec(), Dtype::F32)?)
    })
}

fn generation(tokens: &TokenIds) -> Map<String, Value> {
    let mut fields = Map::new();
    let mut add = |name: &str, value: Option<Value>| {
        fields.extend(value.map(|value| (name.to_owned(), value)));
    };
    add("bos_token_id", tokens.bos.map(Value::from));
    let eos = match tokens.eos.as_slice() {
        [] => None,
        [one] => Some(Value::from(*one)),
        many => Some(Value::from(many.to_vec())),
    };
    add("eos_token_id", eos);
    add("pad_token_id", tokens.pad.map(Value::from));
    fields
}

/// Lets `write` make files in an empty folder inside of where they belong, then moves them there, those that announce the others last.
fn placed(directory: &Path, write: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let hidden = directory.join(".model");
    match fs::remove_dir_all(&hidden) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(Error::write(hidden, e)),
        _ => {}
    }
    write(&hidden)?;
    let mut names = Vec::new();
    for entry in fs::read_dir(&hidden).map_err(|e| Error::read(&hidden, e))? {
        names.push(entry.map_err(|e| Error::read(&hidden, e))?.file_name());
    }
    let announces = |name: &&std::ffi::OsString| {
        matches!(name.to_str(), Some("config.json" | "adapter_config.json"))
    };
    let (last, first): (Vec<_>, Vec<_>) = names.iter().partition(announces);
    for name in first.into_iter().chain(last) {
        let place = directory.join(name);
        let refused = |e| Error::write(&place, e);
        if place.is_dir() {
            fs::remove_dir_all(&place).map_err(refused)?;
        }
        fs::rename(hidden.join(name), &place).map_err(refused)?;
    }
    fs::remove_dir_all(&hidden).map_err(|e| Error::write(&hidden, e))
}
