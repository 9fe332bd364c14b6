//! A directory of checkpoints: each is there whole or not at all, and the newest is never removed.
//!
//! ```text
//! step-000100/                             complete: it was renamed into place
//!   state.json                             step, epoch, position, seeds, schedule, configuration
//!   …                                      what the caller wrote (weights, optimiser)
//! .step-000200.4711-0.new.infalign-tmp/    in the making: ignored, swept up at the next opening
//! .step-000100.4711-1.old.infalign-tmp/    replaced or removed: put back if its place is empty
//! ```
//!
//! Saving: fill a hidden sibling, sync every file and folder in it, rename, sync the parent. A kill
//! or power cut leaves all earlier checkpoints as they were. Saving a step again moves the earlier
//! one aside first; a kill between the two renames is undone at the next opening.
//!
//! One process at a time works in a directory: the run directory's lock sees to that.

mod state;

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use crate::error::{Error, Result};
pub use state::RunState;
use state::STATE;

const PREFIX: &str = "step-";
const UNFINISHED: &str = ".infalign-tmp"; // as in crate infalign-data
const NEW: &str = ".new.infalign-tmp";
const OLD: &str = ".old.infalign-tmp"; // replaced: comes back where the new one is missing
const GONE: &str = ".gone.infalign-tmp"; // pruned: never comes back

/// A complete checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The step after which it was made.
    pub step: u64,
    /// Its directory.
    pub path: PathBuf,
}

impl Checkpoint {
    /// Reads `state.json`; see [`RunState::check_config`] before resuming from it.
    ///
    /// # Errors
    /// [`Error::Damaged`], [`Error::CheckpointVersion`], or the disk's refusal.
    pub fn state(&self) -> Result<RunState> {
        RunState::load(&self.path)
    }
}

/// The checkpoints of a run.
#[derive(Debug)]
pub struct Checkpoints {
    directory: PathBuf,
    keep: usize,
}

impl Checkpoints {
    /// Opens or makes a directory of checkpoints, of which the newest `keep` are kept (0 counts as
    /// 1); sweeps up what a killed process left.
    ///
    /// # Errors
    /// The disk's refusal.
    pub fn open(directory: impl Into<PathBuf>, keep: usize) -> Result<Self> {
        let directory = directory.into();
        fs::create_dir_all(&directory).map_err(|e| Error::write(&directory, e))?;
        let checkpoints = Self {
            directory,
            keep: keep.max(1),
        };
        checkpoints.sweep()?;
        Ok(checkpoints)
    }

    /// The newest complete checkpoint.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn latest(&self) -> Result<Option<Checkpoint>> {
        Ok(self.list()?.pop())
    }

    /// All complete checkpoints, oldest first.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn list(&self) -> Result<Vec<Checkpoint>> {
        let mut found = Vec::new();
        for (name, path) in self.entries()? {
            if let Some(step) = step_of(&name)
                && path.join(STATE).is_file()
            {
                found.push(Checkpoint { step, path });
            }
        }
        found.sort_by_key(|checkpoint| checkpoint.step);
        Ok(found)
    }

    /// Makes the checkpoint of `state.step`: `fill` writes its files into the directory that it is
    /// given. Older checkpoints beyond the newest `keep` are then removed.
    ///
    /// # Errors
    /// What `fill` or the disk said; earlier checkpoints then stand.
    pub fn save(
        &self,
        state: &RunState,
        fill: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<Checkpoint> {
        let place = self.directory.join(format!("{PREFIX}{:06}", state.step));
        let new = self.hidden(state.step, NEW);
        let saved = self.write(state, &new, &place, fill, &mut || Ok(()));
        if saved.is_err() {
            let _ = fs::remove_dir_all(&new); // the error that stopped us says more
            self.sweep()?;
        }
        saved?;
        self.prune(&mut || Ok(()))?;
        Ok(Checkpoint {
            step: state.step,
            path: place,
        })
    }

    /// `kill` is asked at every point at which a process may die.
    fn write(
        &self,
        state: &RunState,
        new: &Path,
        place: &Path,
        fill: impl FnOnce(&Path) -> Result<()>,
        kill: &mut impl FnMut() -> io::Result<()>,
    ) -> Result<()> {
        let refused = |e| Error::write(place, e);
        kill().map_err(refused)?;
        fs::create_dir(new).map_err(refused)?;
        kill().map_err(refused)?;
        fill(new)?;
        kill().map_err(refused)?;
        state.write(new)?;
        kill().map_err(refused)?;
        sync_all(new).map_err(refused)?;
        kill().map_err(refused)?;
        if fs::symlink_metadata(place).is_ok() {
            fs::rename(place, self.hidden(state.step, OLD)).map_err(refused)?;
            kill().map_err(refused)?;
        }
        fs::rename(new, place).map_err(refused)?;
        kill().map_err(refused)?;
        sync_directory(&self.directory).map_err(refused)
    }

    /// Removes all but the newest, and what lies aside.
    fn prune(&self, kill: &mut impl FnMut() -> io::Result<()>) -> Result<()> {
        let mut all = self.list()?;
        all.truncate(all.len().saturating_sub(self.keep));
        for old in all {
            let refused = |e| Error::write(&old.path, e);
            // First out of sight: a checkpoint that is half removed must not look complete.
            let gone = self.hidden(old.step, GONE);
            kill().map_err(refused)?;
            fs::rename(&old.path, &gone).map_err(refused)?;
            kill().map_err(refused)?;
            fs::remove_dir_all(&gone).map_err(refused)?;
        }
        self.sweep()
    }

    /// Puts back what was replaced by nothing, removes the rest of what is unfinished.
    fn sweep(&self) -> Result<()> {
        for (name, path) in self.entries()? {
            if !name.ends_with(UNFINISHED) {
                continue;
            }
            let step = name.strip_prefix('.').and_then(|n| n.split('.').next());
            let place = step.map(|step| self.directory.join(step));
            let refused = |e| Error::write(&path, e);
            match place {
                Some(place) if name.ends_with(OLD) && !place.exists() => {
                    fs::rename(&path, &place).map_err(refused)?;
                    sync_directory(&self.directory).map_err(refused)?;
                }
                _ if path.is_dir() => fs::remove_dir_all(&path).map_err(refused)?,
                _ => fs::remove_file(&path).map_err(refused)?,
            }
        }
        Ok(())
    }

    fn entries(&self) -> Result<Vec<(String, PathBuf)>> {
        let unreadable = |e| Error::read(&self.directory, e);
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.directory).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            if let Ok(name) = entry.file_name().into_string() {
                found.push((name, entry.path()));
            }
        }
        found.sort();
        Ok(found)
    }

    /// A name that no other writer uses and no reader sees.
    fn hidden(&self, step: u64, kind: &str) -> PathBuf {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let process = std::process::id();
        self.directory
            .join(format!(".{PREFIX}{step:06}.{process}-{count}{kind}"))
    }
}

/// The step of a checkpoint's directory name.
fn step_of(name: &str) -> Option<u64> {
    let digits = name.strip_prefix(PREFIX)?;
    let step: u64 = digits.parse().ok()?;
    (format!("{step:06}") == digits).then_some(step)
}

/// Makes every file and folder below last through a power cut.
fn sync_all(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_all(&entry.path())?;
        } else {
            // Windows syncs only what may be written.
            File::options().write(true).open(entry.path())?.sync_all()?;
        }
    }
    sync_directory(directory)
}

fn sync_directory(directory: &Path) -> io::Result<()> {
    if cfg!(unix) {
        File::open(directory)?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
