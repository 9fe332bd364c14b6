//! What may be removed from a run directory, and which directories are none.

use std::{
    fs::{self, DirEntry},
    io,
    path::{Path, PathBuf},
};

use super::{CONFIG, MANIFEST, lock};
use crate::{
    error::{Error, Result},
    write::atomic::{UNFINISHED, fault, sync_directory},
};

/// Refuses a directory that holds something but was not begun by us.
pub(super) fn refuse_foreign(directory: &Path) -> Result<()> {
    if directory.join(MANIFEST).exists() {
        return Ok(());
    }
    // A run that was killed before its manifest holds nothing but these.
    let ours = |name: &str| name == lock::FILE || name == CONFIG || name.ends_with(UNFINISHED);
    for entry in list(directory)? {
        let entry = entry.file_name().to_string_lossy().into_owned();
        if !ours(&entry) {
            return Err(Error::NotARun {
                path: directory.to_owned(),
                entry,
            });
        }
    }
    Ok(())
}

/// Refuses to empty a directory that holds what the run reads.
pub(super) fn refuse_inputs_inside(
    directory: &Path,
    inputs: impl Iterator<Item = PathBuf>,
) -> Result<()> {
    let real = |path: &Path| fs::canonicalize(path).map_err(|e| Error::read(path, e));
    let within = real(directory)?;
    for input in inputs {
        if real(&input)?.starts_with(&within) {
            let path = directory.to_owned();
            return Err(Error::InputInRun { input, path });
        }
    }
    Ok(())
}

/// Removes files that a killed process left half-written, in all folders.
pub(super) fn unfinished(directory: &Path) -> Result<()> {
    for entry in list(directory)? {
        let kind = entry
            .file_type()
            .map_err(|e| Error::read(entry.path(), e))?;
        if kind.is_dir() {
            unfinished(&entry.path())?;
        } else if entry.file_name().to_string_lossy().ends_with(UNFINISHED) {
            remove(&entry.path())?;
        }
    }
    Ok(())
}

/// Removes everything in a directory but what is named.
pub(super) fn all_but(directory: &Path, kept: &[&str]) -> Result<()> {
    for entry in list(directory)? {
        if !kept.iter().any(|&name| entry.file_name() == name) {
            remove(&entry.path())?;
        }
    }
    Ok(())
}

/// Removes a file or a folder, if it is there.
pub(super) fn remove(path: &Path) -> Result<()> {
    let removed = fault::step().and_then(|()| match fs::symlink_metadata(path) {
        Ok(kind) if kind.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(e) => Err(e),
    });
    match removed {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(Error::write(path, e)),
        _ => sync_directory(path).map_err(|e| Error::write(path, e)),
    }
}

fn list(directory: &Path) -> Result<Vec<DirEntry>> {
    let read = || fs::read_dir(directory)?.collect::<io::Result<Vec<_>>>();
    read().map_err(|e| Error::read(directory, e))
}
