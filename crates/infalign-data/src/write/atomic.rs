//! A file that is there whole or not at all: written beside, synced, renamed.

use std::{
    ffi::OsString,
    fs::{self, File},
    io::{self, BufWriter},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use super::Output;
use crate::error::{Error, Result};

/// How the names of files in the making end; a run directory sweeps them up.
pub(crate) const UNFINISHED: &str = ".infalign-tmp";

/// Writes a file by `fill`; whoever looks at `path`, also after a power cut, sees the old file or
/// the new one, nothing between. A device or pipe is written as it is.
///
/// # Errors
/// What `fill` or the disk said, with the path; the old file then stands.
pub fn write_atomic(
    path: impl AsRef<Path>,
    fill: impl FnOnce(Output<'_>) -> io::Result<()>,
) -> Result<()> {
    let path = path.as_ref();
    write(path, fill).map_err(|e| Error::write(path, e))
}

fn write(path: &Path, fill: impl FnOnce(Output<'_>) -> io::Result<()>) -> io::Result<()> {
    // Through a link to what it names; a file that is not there yet has no other name.
    let path = match fs::canonicalize(path) {
        Ok(real) => {
            let kind = fs::metadata(&real)?;
            if kind.is_dir() {
                return Err(io::ErrorKind::IsADirectory.into());
            }
            if !kind.is_file() {
                return fill(&mut File::options().write(true).open(&real)?);
            }
            real
        }
        Err(_) => path.to_owned(),
    };
    let beside = Unfinished(beside(&path)?);
    fault::step()?;
    let mut file = BufWriter::new(File::create(&beside.0)?);
    fault::step()?;
    fill(&mut file)?;
    fault::step()?;
    let file = file.into_inner()?;
    fault::sync(&file)?;
    drop(file); // some systems do not rename open files
    fault::step()?;
    fs::rename(&beside.0, &path)?;
    std::mem::forget(beside);
    fault::step()?;
    sync_directory(&path)
}

/// Removes the half-written file when writing fails.
struct Unfinished(PathBuf);

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !fault::killed() {
            let _ = fs::remove_file(&self.0); // it may not be there yet
        }
    }
}

/// A name in the same directory that no other writer uses.
fn beside(path: &Path) -> io::Result<PathBuf> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let name = path.file_name().ok_or(io::ErrorKind::InvalidFilename)?;
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let mut hidden = OsString::from(".");
    hidden.push(name);
    hidden.push(format!(".{}-{count}{UNFINISHED}", std::process::id()));
    Ok(path.with_file_name(hidden))
}

/// Makes a rename or removal in the directory of `path` last through a power cut.
pub(crate) fn sync_directory(path: &Path) -> io::Result<()> {
    if cfg!(unix) {
        let directory = path.parent().filter(|p| !p.as_os_str().is_empty());
        fault::sync(&File::open(directory.unwrap_or(Path::new(".")))?)?;
    }
    Ok(())
}

/// Where tests pull the plug: each step of writing may be the last one.
pub(crate) mod fault {
    use std::{fs::File, io};

    #[cfg(test)]
    thread_local! {
        static STEPS_LEFT: std::cell::Cell<Option<u64>> = const { std::cell::Cell::new(None) };
    }

    /// Fails for good once the allowed steps are used up.
    #[cfg(test)]
    pub(crate) fn step() -> io::Result<()> {
        STEPS_LEFT.with(|steps| match steps.get() {
            Some(0) => Err(io::Error::other("killed by the test")),
            left => {
                steps.set(left.map(|n| n - 1));
                Ok(())
            }
        })
    }

    /// Whether the process counts as killed: nothing may be cleaned up then.
    #[cfg(test)]
    pub(crate) fn killed() -> bool {
        STEPS_LEFT.with(|steps| steps.get() == Some(0))
    }

    /// Allows so many steps on this thread; `None` allows all.
    #[cfg(test)]
    pub(crate) fn allow(steps: Option<u64>) {
        STEPS_LEFT.with(|left| left.set(steps));
    }

    /// Nothing: a kill loses no more than a crash of the process does.
    #[cfg(test)]
    #[expect(clippy::unnecessary_wraps, reason = "the real one fails")]
    pub(crate) const fn sync(_: &File) -> io::Result<()> {
        Ok(())
    }

    #[cfg(not(test))]
    pub(crate) fn sync(file: &File) -> io::Result<()> {
        file.sync_all()
    }

    #[cfg(not(test))]
    #[expect(clippy::unnecessary_wraps, reason = "the tests' version fails")]
    pub(crate) const fn step() -> io::Result<()> {
        Ok(())
    }

    #[cfg(not(test))]
    pub(crate) const fn killed() -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;
    use crate::error::Kind;

    fn entries(directory: &Path) -> Vec<String> {
        let list = fs::read_dir(directory).unwrap();
        let mut names: Vec<String> = list
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_failed_write_leaves_the_old_file_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.txt");
        write_atomic(&path, |f| f.write_all(b"old")).unwrap();
        let error = write_atomic(&path, |f| {
            f.write_all(b"half")?;
            Err(io::ErrorKind::StorageFull.into())
        })
        .unwrap_err();
        assert_eq!(error.kind(), Kind::Environment);
        assert!(error.to_string().contains("free some space"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(entries(directory.path()), ["a.txt"]);
        write_atomic(&path, |f| f.write_all(b"new")).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
    }

    #[test]
    fn a_kill_at_any_step_shows_the_old_file_or_the_new() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.txt");
        for steps in 0..6 {
            write_atomic(&path, |f| f.write_all(b"old")).unwrap();
            fault::allow(Some(steps));
            let result = write_atomic(&path, |f| f.write_all(b"new"));
            fault::allow(None);
            let expected: &[u8] = if steps < 4 { b"old" } else { b"new" };
            assert_eq!(fs::read(&path).unwrap(), expected, "after {steps} steps");
            assert_eq!(result.is_ok(), steps == 5);
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_the_environments_fault() {
        let error = write_atomic("/dev/full", |f| f.write_all(&[0; 1 << 16])).unwrap_err();
        assert_eq!(error.kind(), Kind::Environment);
        assert!(error.to_string().contains("/dev/full"), "{error}");
        assert!(Path::new("/dev/full").exists());
    }

    #[test]
    fn a_missing_folder_is_the_users_slip() {
        let directory = tempfile::tempdir().unwrap();
        let error = write_atomic(directory.path().join("no/a.txt"), |_| Ok(())).unwrap_err();
        assert_eq!(error.kind(), Kind::User);
        let error = write_atomic(directory.path(), |_| Ok(())).unwrap_err();
        assert!(
            matches!(error, Error::Write { .. }) && error.kind() == Kind::User,
            "{error}"
        );
    }
}
