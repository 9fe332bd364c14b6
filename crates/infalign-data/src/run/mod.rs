//! The run directory: `runs/<name>/`, whose stages are done once, and whose bytes do not tell whether
//! the run was ever killed.
//!
//! | file | what |
//! |---|---|
//! | `.lock` | held while a process works here; empty |
//! | `config.toml` | the configuration as resolved |
//! | `manifest.json` | version, seed, hashes of configuration, inputs and stages; no times, no host names |
//! | everything else | written by stages |
//!
//! Killed at any moment, the directory holds whole files only (beside `*.infalign-tmp`, swept up by
//! the next open), and a stage counts as done only when the manifest says so with the hashes of its
//! outputs. Started again, a stage with the same inputs and untouched outputs is skipped.

mod config;
mod fingerprint;
mod lock;
mod manifest;
mod sweep;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde::Serialize;

use crate::{
    error::{Error, Result},
    write::{Output, write_atomic},
};
pub use fingerprint::Fingerprint;
use lock::Lock;
pub use manifest::{Manifest, StageRecord};

const CONFIG: &str = "config.toml";
const MANIFEST: &str = "manifest.json";

/// What makes a run this run: another one needs another directory.
#[derive(Debug, Clone, Copy)]
pub struct Identity<'a, C> {
    /// The version of the program; another version does the stages again.
    pub version: &'a str,
    /// The seed of all randomness.
    pub seed: u64,
    /// The configuration as resolved; a table in TOML's sense.
    pub config: &'a C,
    /// What a configuration that says nothing is: a key that an older version did not know is no difference where it has this value.
    pub defaults: Option<&'a C>,
    /// The files that the run reads, as the user named them; their contents are hashed.
    pub inputs: &'a [&'a Path],
    /// Where relative names of inputs begin; empty for the working directory. It is no part of what makes the run.
    pub root: &'a Path,
}

/// What to do with a run directory that is already there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// Go on where it was, if it has the same configuration and seed.
    Resume,
    /// Remove what the earlier run made and start afresh.
    Overwrite,
}

/// Whether a stage had to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Its inputs and outputs were as recorded.
    Skipped,
    /// It ran, and its outputs are recorded.
    Done,
}

/// An open run directory, locked against other processes until it is dropped.
#[derive(Debug)]
pub struct RunDir {
    path: PathBuf,
    manifest: Manifest,
    /// Whether this process made the directory a run, and whether it made the folder of runs.
    began: bool,
    made_runs: bool,
    _lock: Lock,
}

impl RunDir {
    /// Creates `runs/<name>` or opens it again.
    ///
    /// # Errors
    /// [`Error::RunName`], [`Error::Locked`], [`Error::NotARun`] (also with `Overwrite`: only runs
    /// are ever removed), [`Error::ConfigDiffers`] with the keys, [`Error::DamagedRun`], [`Error::InputInRun`], an input
    /// that cannot be read, or the disk's refusal.
    pub fn open<C: Serialize>(
        runs: impl AsRef<Path>,
        name: &str,
        identity: &Identity<'_, C>,
        existing: Existing,
    ) -> Result<Self> {
        check_name(name)?;
        let config = config::to_toml(identity.config)?;
        let fresh = Manifest::new(identity, &config)?;
        let path = runs.as_ref().join(name);
        let made_runs = !runs.as_ref().exists();
        fs::create_dir_all(&path).map_err(|e| Error::write(&path, e))?;
        sweep::refuse_foreign(&path)?;
        let lock = Lock::take(&path)?;
        sweep::unfinished(&path)?;

        let mut run = Self {
            path,
            manifest: fresh,
            began: false,
            made_runs,
            _lock: lock,
        };
        let manifest_path = run.path.join(MANIFEST);
        let begun = manifest_path.exists();
        if begun && existing == Existing::Overwrite {
            let inputs = identity
                .inputs
                .iter()
                .map(|input| identity.root.join(input));
            sweep::refuse_inputs_inside(&run.path, inputs)?;
            // The manifest first: from here on the old stages do not count.
            run.save_manifest()?;
            run.save_config(&config)?;
            sweep::all_but(&run.path, &[lock::FILE, MANIFEST, CONFIG])?;
        } else if begun {
            let old = Manifest::load(&manifest_path)?;
            let defaults = identity.defaults.map(config::to_toml).transpose()?;
            let differing = config::differences(
                &run.path.join(CONFIG),
                (&config, defaults.as_deref()),
                &old,
                &run.manifest,
            )?;
            if !differing.is_empty() {
                return Err(Error::ConfigDiffers {
                    path: run.path,
                    keys: differing,
                });
            }
            run.manifest.stages = old.stages;
            run.save_manifest()?;
            // After the manifest, which holds its hash: in between, keys that an older version did not know still make no difference.
            run.save_config(&config)?;
        } else {
            run.began = true;
            run.save_config(&config)?;
            run.save_manifest()?;
        }
        Ok(run)
    }

    /// Takes back a run that this process began: its directory is removed, so that a corrected command is not refused for the sake of
    /// the mistaken one. A run that was there before stays as it is.
    ///
    /// # Errors
    /// What the disk said.
    pub fn abandon(self) -> Result<()> {
        if self.began {
            fs::remove_dir_all(&self.path).map_err(|e| Error::write(&self.path, e))?;
            if let Some(runs) = self.path.parent().filter(|_| self.made_runs) {
                drop(fs::remove_dir(runs)); // not if another run has moved in
            }
        }
        Ok(())
    }

    /// The directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path of a file of the run, named with `/`.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// What is on record.
    #[must_use]
    pub const fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Writes a file of the run whole or not at all, with the folders that it needs.
    ///
    /// # Errors
    /// What `fill` or the disk said.
    pub fn write(&self, name: &str, fill: impl FnOnce(Output<'_>) -> io::Result<()>) -> Result<()> {
        let path = self.file(name);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(|e| Error::write(folder, e))?;
        }
        write_atomic(path, fill)
    }

    /// Does a stage unless it is done: `work` must write every one of `outputs` (names with `/`,
    /// through [`RunDir::write`] or [`write_atomic`]), as a function of what went into `inputs`.
    ///
    /// # Errors
    /// What `work` said; the stage then counts as not done. [`Error::Bug`] when an output is not
    /// there afterwards.
    pub fn stage<E: From<Error>>(
        &mut self,
        name: &str,
        inputs: &Fingerprint,
        outputs: &[&str],
        work: impl FnOnce(&Self) -> Result<(), E>,
    ) -> Result<Outcome, E> {
        if self.is_done(name, inputs, outputs)? {
            return Ok(Outcome::Skipped);
        }
        work(self)?;
        self.record(name, inputs, outputs)?;
        Ok(Outcome::Done)
    }

    /// Whether a stage is done: on record with these inputs and outputs, and the outputs as they were.
    ///
    /// # Errors
    /// An output that cannot be read.
    pub fn is_done(&self, name: &str, inputs: &Fingerprint, outputs: &[&str]) -> Result<bool> {
        match self.manifest.stages.get(name) {
            Some(record) => Ok(record.inputs == self.stamp(inputs)
                && record.outputs.keys().eq(&sorted(outputs))
                && self.intact(record)?),
            None => Ok(false),
        }
    }

    /// Puts a stage on record whose work was done elsewhere, such as on other threads. What [`RunDir::stage`] says of `outputs` holds:
    /// they lie whole in their places.
    ///
    /// # Errors
    /// [`Error::Bug`] when an output is not there, or the disk's refusal; the stage then counts as not done.
    pub fn record(&mut self, name: &str, inputs: &Fingerprint, outputs: &[&str]) -> Result<()> {
        let mut record = StageRecord {
            inputs: self.stamp(inputs),
            outputs: Default::default(),
        };
        for &output in outputs {
            let path = self.file(output);
            let hash = Fingerprint::of_file(&path).map_err(|e| match e {
                Error::Read { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                    Error::Bug {
                        what: format!("stage `{name}` did not write {}", path.display()),
                    }
                }
                other => other,
            })?;
            record.outputs.insert(output.to_owned(), hash);
        }
        let before = self.manifest.stages.insert(name.to_owned(), record);
        self.drop_orphans(before)?;
        self.save_manifest()
    }

    /// The hash of a stage's inputs, of which the program's version is one.
    fn stamp(&self, inputs: &Fingerprint) -> String {
        let version = self.manifest.version.as_bytes();
        inputs.clone().bytes("version", version).hex()
    }

    fn intact(&self, record: &StageRecord) -> Result<bool> {
        for (output, hash) in &record.outputs {
            let path = self.file(output);
            if !path.is_file() || Fingerprint::of_file(&path)? != *hash {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Removes what an earlier form of a stage wrote and no stage writes now.
    fn drop_orphans(&self, before: Option<StageRecord>) -> Result<()> {
        for orphan in before
            .into_iter()
            .flat_map(|record| record.outputs.into_keys())
        {
            if !self
                .manifest
                .stages
                .values()
                .any(|stage| stage.outputs.contains_key(&orphan))
            {
                sweep::remove(&self.file(&orphan))?;
            }
        }
        Ok(())
    }

    fn save_config(&self, config: &str) -> Result<()> {
        self.save(CONFIG, config)
    }

    fn save_manifest(&self) -> Result<()> {
        self.save(MANIFEST, &self.manifest.to_json()?)
    }

    /// Writes a file unless it holds just that.
    fn save(&self, name: &str, text: &str) -> Result<()> {
        let path = self.path.join(name);
        if fs::read(&path).is_ok_and(|old| old == text.as_bytes()) {
            return Ok(());
        }
        write_atomic(path, |f| f.write_all(text.as_bytes()))
    }
}

fn sorted(names: &[&str]) -> Vec<String> {
    let mut names: Vec<String> = names.iter().map(|&n| n.to_owned()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn check_name(name: &str) -> Result<()> {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || name.starts_with('.') || !name.chars().all(plain) {
        return Err(Error::RunName {
            name: name.to_owned(),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
