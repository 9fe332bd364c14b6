//! `manifest.json`: what a run was made from and what is done, in bytes that depend on nothing else.

use std::{collections::BTreeMap, fs, path::Path};

use serde::{Deserialize, Serialize};

use super::{Fingerprint, Identity};
use crate::error::{Error, Result};

/// The record of a run; hashes are SHA-256 in hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The program's version.
    pub version: String,
    /// The seed.
    pub seed: u64,
    /// Hash of `config.toml`.
    pub config: String,
    /// Hash of every input file, by the name that the user gave.
    pub inputs: BTreeMap<String, String>,
    /// The stages that are done.
    pub stages: BTreeMap<String, StageRecord>,
}

/// A stage that is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StageRecord {
    /// Hash of its inputs.
    pub inputs: String,
    /// Hash of every output, by its name in the run directory.
    pub outputs: BTreeMap<String, String>,
}

impl Manifest {
    pub(super) fn new<C>(identity: &Identity<'_, C>, config: &str) -> Result<Self> {
        let mut inputs = BTreeMap::new();
        for path in identity.inputs {
            let hash = Fingerprint::of_file(&identity.root.join(path))?;
            inputs.insert(path.display().to_string(), hash);
        }
        Ok(Self {
            version: identity.version.to_owned(),
            seed: identity.seed,
            config: Fingerprint::of_bytes(config.as_bytes()),
            inputs,
            stages: BTreeMap::new(),
        })
    }

    pub(super) fn load(path: &Path) -> Result<Self> {
        let bytes = fs::read(path).map_err(|e| Error::read(path, e))?;
        serde_json::from_slice(&bytes).map_err(|e| Error::DamagedRun {
            path: path.to_owned(),
            what: e.to_string(),
        })
    }

    pub(super) fn to_json(&self) -> Result<String> {
        serde_json::to_string_pretty(self)
            .map(|text| text + "\n")
            .map_err(|e| Error::Bug {
                what: format!("the manifest cannot be written: {e}"),
            })
    }
}
