//! One process per run directory.

use std::{
    fs::{File, TryLockError},
    path::Path,
};

use crate::error::{Error, Result};

/// The lock's name in the directory; it stays there, empty.
pub(super) const FILE: &str = ".lock";

/// Held until dropped, or until the process ends in whatever way.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    pub(super) fn take(directory: &Path) -> Result<Self> {
        let path = directory.join(FILE);
        let file = File::options().create(true).append(true).open(&path);
        let file = file.map_err(|e| Error::write(&path, e))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(Error::Locked {
                path: directory.to_owned(),
            }),
            Err(TryLockError::Error(e)) => Err(Error::write(path, e)),
        }
    }
}
