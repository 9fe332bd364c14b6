//! A folder that is replaced whole or not at all.
//!
//! It is written beside its place, flushed, and exchanged with the old one in one step where the
//! system can (Linux and macOS on usual file systems): then there is no moment in which neither
//! exists. Elsewhere the old one is renamed away and the new one renamed into place; a crash between
//! the two leaves the old one, whole, under `.NAME.infalign-old`, from where [`recover`] fetches it
//! back. A killed save leaves `.NAME.infalign-tmp`, which the next save sweeps up.

use std::{
    ffi::OsString,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use crate::error::{Error, Result};

/// What a folder must hold for us to replace it.
const OURS: [&str; 2] = ["config.json", "adapter_config.json"];

/// Whether a model may be saved there: nothing is there, or a model's or an empty folder.
/// To be asked before hours of work.
///
/// # Errors
/// [`Error::NotReplaceable`] for a file or a folder of other things.
pub fn check_target(target: impl AsRef<Path>) -> Result<()> {
    let target = target.as_ref();
    let not = |entry: String| Error::NotReplaceable {
        path: target.to_owned(),
        entry,
    };
    let metadata = match fs::metadata(target) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        found => found.map_err(|e| Error::read(target, e))?,
    };
    if !metadata.is_dir() {
        return Err(not(format!("a file of {} bytes", metadata.len())));
    }
    if OURS.iter().any(|name| target.join(name).exists()) {
        return Ok(());
    }
    match fs::read_dir(target)
        .map_err(|e| Error::read(target, e))?
        .next()
    {
        None => Ok(()),
        Some(entry) => {
            let entry = entry.map_err(|e| Error::read(target, e))?;
            Err(not(entry.file_name().to_string_lossy().into_owned()))
        }
    }
}

/// Replaces `target` by the folder that `fill` makes. Files of the old folder that are not a model's
/// (`keep` says which) and that `fill` did not write are taken along.
pub(crate) fn replace_folder(
    target: &Path,
    keep: impl Fn(&str) -> bool,
    fill: impl FnOnce(&Path) -> Result<()>,
) -> Result<()> {
    check_target(target)?;
    // Through a link, to the folder itself.
    let target = &fs::canonicalize(target).unwrap_or_else(|_| target.to_owned());
    let new = beside(target, "tmp")?;
    remove(&new)?;
    fs::create_dir_all(&new).map_err(|e| Error::write(&new, e))?;
    let made = fill(&new)
        .and_then(|()| take_along(target, &new, &keep))
        .and_then(|()| flush(&new))
        .and_then(|()| put(&new, target));
    if made.is_err() {
        let _ = fs::remove_dir_all(&new); // the first error is the one to tell
    }
    made
}

/// Fetches back a folder that a crash left renamed; see the head of this file.
pub(crate) fn recover(target: &Path) -> Result<()> {
    if target.exists() {
        return Ok(());
    }
    let Ok(old) = beside(target, "old") else {
        return Ok(());
    };
    if old.exists() {
        fs::rename(&old, target).map_err(|e| Error::write(target, e))?;
    }
    Ok(())
}

fn put(new: &Path, target: &Path) -> Result<()> {
    let failed = |e: io::Error| Error::write(target, e);
    if !target.exists() {
        fs::rename(new, target).map_err(failed)?;
        return flush_parent(target);
    }
    if exchange(new, target) {
        flush_parent(target)?;
        return remove(new); // now the old one
    }
    let old = beside(target, "old")?;
    remove(&old)?;
    fs::rename(target, &old).map_err(failed)?;
    if let Err(e) = fs::rename(new, target) {
        let _ = fs::rename(&old, target); // as it was; the first error is the one to tell
        return Err(failed(e));
    }
    flush_parent(target)?;
    remove(&old)
}

#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
fn exchange(new: &Path, target: &Path) -> bool {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    renameat_with(CWD, new, CWD, target, RenameFlags::EXCHANGE).is_ok()
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
fn exchange(_: &Path, _: &Path) -> bool {
    false
}

fn take_along(target: &Path, new: &Path, keep: &impl Fn(&str) -> bool) -> Result<()> {
    if !target.exists() {
        return Ok(());
    }
    for entry in fs::read_dir(target).map_err(|e| Error::read(target, e))? {
        let entry = entry.map_err(|e| Error::read(target, e))?;
        let name = entry.file_name();
        let into = new.join(&name);
        if into.exists() || !keep(&name.to_string_lossy()) {
            continue;
        }
        copy(&entry.path(), &into)?;
    }
    Ok(())
}

/// Copies a file or a folder.
pub(crate) fn copy(from: &Path, into: &Path) -> Result<()> {
    if from.is_dir() {
        fs::create_dir_all(into).map_err(|e| Error::write(into, e))?;
        for entry in fs::read_dir(from).map_err(|e| Error::read(from, e))? {
            let entry = entry.map_err(|e| Error::read(from, e))?;
            copy(&entry.path(), &into.join(entry.file_name()))?;
        }
        return Ok(());
    }
    let mut source = File::open(from).map_err(|e| Error::read(from, e))?;
    let copied = File::create(into).and_then(|mut file| {
        io::copy(&mut source, &mut file)?;
        file.sync_all()
    });
    copied.map_err(|e| Error::write(into, e))
}

/// The names in a folder reach the disk; the files' own bytes have been flushed by who wrote them.
fn flush(folder: &Path) -> Result<()> {
    if cfg!(unix) {
        // Other systems open no folders.
        File::open(folder)
            .and_then(|f| f.sync_all())
            .map_err(|e| Error::write(folder, e))?;
    }
    Ok(())
}

fn flush_parent(path: &Path) -> Result<()> {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => flush(parent),
        _ => flush(Path::new(".")),
    }
}

fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(Error::write(folder, e)),
        _ => Ok(()),
    }
}

fn beside(target: &Path, end: &str) -> Result<PathBuf> {
    let name = target
        .file_name()
        .ok_or_else(|| Error::write(target, io::ErrorKind::InvalidFilename.into()))?;
    let mut hidden = OsString::from(".");
    hidden.push(name);
    hidden.push(format!(".infalign-{end}"));
    Ok(target.with_file_name(hidden))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;

    fn write(folder: &Path, name: &str, text: &str) -> Result<()> {
        fs::write(folder.join(name), text).map_err(|e| Error::write(folder, e))
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn the_new_folder_replaces_the_old_and_takes_notes_along() {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("model");
        let save = |config: &str| {
            replace_folder(
                &target,
                |n| n == "notes.txt",
                |f| write(f, "config.json", config),
            )
        };
        save("1").unwrap();
        write(&target, "notes.txt", "mine").unwrap();
        write(&target, "model-00001-of-00002.safetensors", "old shard").unwrap();
        save("2").unwrap();
        assert_eq!(names(&target), ["config.json", "notes.txt"]);
        assert_eq!(fs::read_to_string(target.join("config.json")).unwrap(), "2");
        assert_eq!(names(directory.path()), ["model"]);
    }

    #[test]
    fn a_failed_save_leaves_the_old_folder_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("model");
        replace_folder(&target, |_| true, |f| write(f, "config.json", "1")).unwrap();
        let error = replace_folder(
            &target,
            |_| true,
            |f| {
                write(f, "config.json", "2")?;
                Err(Error::write(f, io::ErrorKind::StorageFull.into()))
            },
        )
        .unwrap_err();
        assert_eq!(error.kind(), crate::Kind::Environment);
        assert_eq!(fs::read_to_string(target.join("config.json")).unwrap(), "1");
        assert_eq!(names(directory.path()), ["model"]);
    }

    #[test]
    fn other_folders_and_files_are_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        write(directory.path(), "thesis.tex", "years").unwrap();
        let error = replace_folder(directory.path(), |_| true, |_| Ok(())).unwrap_err();
        assert!(error.to_string().contains("thesis.tex"), "{error}");
        let file = directory.path().join("thesis.tex");
        let error = check_target(&file).unwrap_err();
        assert_eq!(error.kind(), crate::Kind::User);
        assert_eq!(names(directory.path()), ["thesis.tex"]);
    }

    #[test]
    fn a_folder_renamed_by_a_crash_is_fetched_back() {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("model");
        let old = beside(&target, "old").unwrap();
        fs::create_dir(&old).unwrap();
        write(&old, "config.json", "1").unwrap();
        recover(&target).unwrap();
        assert_eq!(names(directory.path()), ["model"]);
    }
}
