//! `state.json`: where a run stood and what it was made from, typed and versioned.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use infalign_data::{Fingerprint, write_atomic};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    Cursor, Schedule,
    error::{Error, Result},
};

pub(super) const STATE: &str = "state.json";
const VERSION: u64 = 1;
const EARLIER: &str = "remove this checkpoint to resume from the one before";

/// Where a run stands after a step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunState {
    /// Of this file's layout.
    version: u64,
    /// Steps taken.
    pub step: u64,
    /// Where the data stand.
    pub data: Cursor,
    /// Seeds by what they are for.
    pub seeds: BTreeMap<String, u64>,
    /// The schedule of the learning rate.
    pub schedule: Schedule,
    /// SHA-256 of `config`.
    config_hash: String,
    /// Every setting on which the result depends, by dotted key, as JSON.
    config: BTreeMap<String, Value>,
}

impl RunState {
    /// The state after `step` steps. `config` holds every setting on which the result depends, and
    /// none that may differ after a resume (intervals of saving and logging, threads).
    ///
    /// # Errors
    /// [`Error::Bug`] for a configuration without JSON.
    pub fn new(
        step: u64,
        data: Cursor,
        seeds: BTreeMap<String, u64>,
        schedule: Schedule,
        config: &impl Serialize,
    ) -> Result<Self> {
        let config = flat(config)?;
        Ok(Self {
            version: VERSION,
            step,
            data,
            seeds,
            schedule,
            config_hash: hash(&config)?,
            config,
        })
    }

    /// Refuses to go on under another configuration.
    ///
    /// # Errors
    /// [`Error::ConfigDiffers`] naming the keys with both values; `checkpoint` stands in it.
    pub fn check_config(&self, checkpoint: &Path, config: &impl Serialize) -> Result<()> {
        let now = flat(config)?;
        if hash(&now)? == self.config_hash {
            return Ok(());
        }
        let mut keys: Vec<&String> = self.config.keys().chain(now.keys()).collect();
        keys.sort_unstable();
        keys.dedup();
        let show = |values: &BTreeMap<String, Value>, key| match values.get(key) {
            Some(value) => value.to_string(),
            None => "unset".to_owned(),
        };
        let keys = keys
            .into_iter()
            .filter(|&key| self.config.get(key) != now.get(key))
            .map(|key| {
                format!(
                    "{key}: {} then, {} now",
                    show(&self.config, key),
                    show(&now, key)
                )
            })
            .collect();
        Err(Error::ConfigDiffers {
            path: checkpoint.to_owned(),
            keys,
        })
    }

    pub(super) fn load(directory: &Path) -> Result<Self> {
        #[derive(Deserialize)]
        struct Version {
            version: u64,
        }
        let path = directory.join(STATE);
        let text = fs::read(&path).map_err(|e| Error::read(&path, e))?;
        let damaged = |what: String| damaged(&path, what);
        let Version { version } =
            serde_json::from_slice(&text).map_err(|e| damaged(e.to_string()))?;
        if version != VERSION {
            return Err(Error::CheckpointVersion {
                path,
                found: version,
                known: VERSION,
            });
        }
        let state: Self = serde_json::from_slice(&text).map_err(|e| damaged(e.to_string()))?;
        if hash(&state.config)? != state.config_hash {
            return Err(damaged("its configuration was changed".to_owned()));
        }
        Ok(state)
    }

    pub(super) fn write(&self, directory: &Path) -> Result<()> {
        let json = serde_json::to_string_pretty(self).map_err(|e| Error::Bug {
            what: format!("the state cannot be written: {e}"),
        })?;
        write_atomic(directory.join(STATE), |file| -> io::Result<()> {
            writeln!(file, "{json}")
        })?;
        Ok(())
    }
}

fn damaged(path: &Path, what: String) -> Error {
    Error::Damaged {
        path: PathBuf::from(path),
        what,
        remedy: EARLIER,
    }
}

/// Values by dotted key, so that neither order nor nesting decides.
fn flat(config: &impl Serialize) -> Result<BTreeMap<String, Value>> {
    fn add(prefix: &str, value: Value, into: &mut BTreeMap<String, Value>) {
        match value {
            Value::Object(fields) if !fields.is_empty() => {
                for (key, value) in fields {
                    let key = match prefix {
                        "" => key,
                        _ => format!("{prefix}.{key}"),
                    };
                    add(&key, value, into);
                }
            }
            value => {
                into.insert(prefix.to_owned(), value);
            }
        }
    }
    let value = serde_json::to_value(config).map_err(|e| Error::Bug {
        what: format!("the configuration has no JSON: {e}"),
    })?;
    let mut values = BTreeMap::new();
    add("", value, &mut values);
    Ok(values)
}

fn hash(config: &BTreeMap<String, Value>) -> Result<String> {
    Ok(Fingerprint::new().value("config", config)?.hex())
}
