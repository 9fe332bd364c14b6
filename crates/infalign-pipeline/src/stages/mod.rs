//! The stages of a run, one file each, in the order in which they come.

pub(crate) mod base;
pub(crate) mod calibration;
pub(crate) mod designs;
pub(crate) mod distill;
pub(crate) mod evaluate;
pub(crate) mod fit;
pub(crate) mod handover;
pub(crate) mod report;
pub(crate) mod rollouts;
pub(crate) mod side_by_side;
pub(crate) mod source;
pub(crate) mod train;

use std::{fs, path::Path};

use infalign_data::{RunDir, write_atomic};
use serde::{Serialize, de::DeserializeOwned};

use crate::error::{Error, Result};

/// Writes a record as JSON.
pub(crate) fn write_json(dir: &RunDir, name: &str, value: &impl Serialize) -> Result<()> {
    Ok(dir.write(name, |mut out| {
        serde_json::to_writer_pretty(&mut out, value)?;
        out.write_all(b"\n")
    })?)
}

/// The same where the file's folder is there.
pub(crate) fn write_json_at(path: &Path, value: &impl Serialize) -> Result<()> {
    Ok(write_atomic(path, |mut out| {
        serde_json::to_writer_pretty(&mut out, value)?;
        out.write_all(b"\n")
    })?)
}

/// Removes what a killed training would go on from, once the stage is on record as done: a kill in the middle of the removal then leaves
/// nothing that anyone would resume from.
pub(crate) fn remove_checkpoints(folder: &Path) -> Result<()> {
    let (kept, doomed) = (
        folder.join("checkpoints"),
        folder.join("checkpoints.infalign-tmp"),
    );
    let refused = |source| infalign_data::Error::Write {
        path: kept.clone(),
        source,
    };
    if doomed.exists() {
        fs::remove_dir_all(&doomed).map_err(refused)?;
    }
    if kept.exists() {
        fs::rename(&kept, &doomed).map_err(refused)?;
        fs::remove_dir_all(&doomed).map_err(refused)?;
    }
    Ok(())
}

/// Reads a record that a stage wrote.
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let bytes = fs::read(path).map_err(|source| infalign_data::Error::Read {
        path: path.to_owned(),
        source,
    })?;
    serde_json::from_slice(&bytes).map_err(|e| Error::Config {
        place: path.display().to_string(),
        why: format!("{e}; delete it and run again: it is made anew"),
    })
}
