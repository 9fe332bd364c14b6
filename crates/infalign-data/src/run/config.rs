//! The configuration of a run as TOML, and in which keys two of them differ.

use std::{collections::BTreeMap, fs, io, path::Path};

use serde::Serialize;
use toml::{Table, Value};

use super::{Fingerprint, Manifest};
use crate::error::{Error, Result};

pub(super) fn to_toml(config: &impl Serialize) -> Result<String> {
    toml::to_string(config).map_err(|e| Error::Bug {
        what: format!("the configuration cannot be written as TOML: {e}"),
    })
}

/// The keys (with old and new value) in which the stored run differs from the one asked for; a key that the stored one lacks, and that has its
/// default now, is none.
pub(super) fn differences(
    stored: &Path,
    (wanted, defaults): (&str, Option<&str>),
    old: &Manifest,
    new: &Manifest,
) -> Result<Vec<String>> {
    let damaged = |what| Error::DamagedRun {
        path: stored.to_owned(),
        what,
    };
    let text = fs::read_to_string(stored).map_err(|e| match e.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::InvalidData => damaged(e.to_string()),
        _ => Error::read(stored, e),
    })?;
    let mut keys = Vec::new();
    if old.seed != new.seed {
        keys.push(format!("seed: {} then, {} now", old.seed, new.seed));
    }
    if text == wanted {
        // The run was made with what the manifest says, not with what stands here since.
        if Fingerprint::of_bytes(text.as_bytes()) != old.config {
            return Err(damaged("it was changed after the run began".to_owned()));
        }
        return Ok(keys);
    }
    let then = flat(&text).map_err(damaged)?;
    let now = flat(wanted).map_err(damaged)?;
    let defaults = defaults.map_or_else(|| Ok(BTreeMap::new()), flat);
    let defaults = defaults.map_err(damaged)?;
    let mut all: Vec<&String> = then.keys().chain(now.keys()).collect();
    all.sort_unstable();
    all.dedup();
    let mut younger = false;
    for key in all.into_iter().filter(|&key| then.get(key) != now.get(key)) {
        if !then.contains_key(key) && now.get(key) == defaults.get(key) {
            younger = true;
            continue;
        }
        let show = |values: &BTreeMap<String, Value>| {
            values
                .get(key)
                .map_or_else(|| "unset".to_owned(), Value::to_string)
        };
        keys.push(format!("{key}: {} then, {} now", show(&then), show(&now)));
    }
    if keys.is_empty() && !younger {
        keys.push("the layout of config.toml".to_owned());
    }
    Ok(keys)
}

/// Values by dotted key.
fn flat(text: &str) -> Result<BTreeMap<String, Value>, String> {
    fn add(prefix: &str, table: Table, into: &mut BTreeMap<String, Value>) {
        for (key, value) in table {
            let key = if prefix.is_empty() {
                key
            } else {
                format!("{prefix}.{key}")
            };
            match value {
                Value::Table(inner) => add(&key, inner, into),
                value => {
                    into.insert(key, value);
                }
            }
        }
    }
    let table: Table = text
        .parse()
        .map_err(|e: toml::de::Error| e.message().to_owned())?;
    let mut values = BTreeMap::new();
    add("", table, &mut values);
    Ok(values)
}
