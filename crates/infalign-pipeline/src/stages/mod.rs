//! The stages of a run, one file each, in the order in which they come.

pub(crate) mod base;
pub(crate) mod calibration;
pub(crate) mod designs;
pub(crate) mod distill;
pub(crate) mod evaluate;
pub(crate) mod fit;
pub(crate) mod report;
pub(crate) mod rollouts;
pub(crate) mod train;

use std::path::Path;

use infalign_data::RunDir;
use serde::{Serialize, de::DeserializeOwned};

use crate::error::{Error, Result};

/// Writes a record as JSON.
pub(crate) fn write_json(dir: &RunDir, name: &str, value: &impl Serialize) -> Result<()> {
    Ok(dir.write(name, |mut out| {
        serde_json::to_writer_pretty(&mut out, value)?;
        out.write_all(b"\n")
    })?)
}

/// Reads a record that a stage wrote.
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let bytes = std::fs::read(path).map_err(|source| infalign_data::Error::Read {
        path: path.to_owned(),
        source,
    })?;
    serde_json::from_slice(&bytes).map_err(|e| Error::Config {
        place: path.display().to_string(),
        why: format!("{e}; delete it and run again: it is made anew"),
    })
}
