//! `metrics.jsonl` and `timing.jsonl`: one record a line, on the disk when the step is done.
//!
//! ```text
//! metrics.jsonl   {"step":10,"loss":2.5,"learning_rate":0.0003}
//! timing.jsonl    {"step":10,"wall":1790000000.5,"tokens_per_second":4100.0}
//! ```
//!
//! A run that resumes at step s first loses every record after s, and a line that a kill cut short:
//! the steps after s are taken again, and `metrics.jsonl` ends with the same bytes as if nothing had
//! happened. A value that is not finite is `null`, because JSON has no other word for it.

use std::{
    fs::{self, File},
    io::{self, BufRead, BufReader, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Metrics, Sink};
use crate::error::{Error, Result};

/// The two files in a directory.
#[derive(Debug)]
pub struct JsonLines {
    metrics: Log,
    timing: Log,
}

impl JsonLines {
    /// Opens the files in `directory`: empty for a new run, cut back for one that resumes after
    /// step `resumed`.
    ///
    /// # Errors
    /// The disk's refusal; [`Error::Damaged`] for a file that holds other lines than records.
    pub fn open(directory: &Path, resumed: Option<u64>) -> Result<Self> {
        fs::create_dir_all(directory).map_err(|e| Error::write(directory, e))?;
        Ok(Self {
            metrics: Log::open(directory.join("metrics.jsonl"), resumed)?,
            timing: Log::open(directory.join("timing.jsonl"), resumed)?,
        })
    }
}

impl Sink for JsonLines {
    fn append(&mut self, metrics: &Metrics) -> Result<()> {
        self.metrics.append(metrics.step, &[&metrics.values])?;
        let wall = [("wall".to_owned(), metrics.wall)];
        self.timing.append(metrics.step, &[&wall, &metrics.timing])
    }

    fn finish(&mut self) -> Result<()> {
        self.metrics.sync()?;
        self.timing.sync()
    }
}

/// A file of records.
#[derive(Debug)]
struct Log {
    path: PathBuf,
    file: File,
}

impl Log {
    fn open(path: PathBuf, resumed: Option<u64>) -> Result<Self> {
        let refused = |e| Error::write(&path, e);
        let mut file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(refused)?;
        let kept = match resumed {
            None => 0,
            Some(step) => kept(&file, &path, step)?,
        };
        file.set_len(kept).map_err(refused)?;
        file.seek(SeekFrom::End(0)).map_err(refused)?;
        file.sync_all().map_err(refused)?;
        Ok(Self { path, file })
    }

    fn append(&mut self, step: u64, values: &[&[(String, f64)]]) -> Result<()> {
        let mut record = Map::new();
        record.insert("step".to_owned(), step.into());
        for (name, value) in values.iter().copied().flatten() {
            record.insert(name.clone(), (*value).into()); // null where not finite
        }
        // One write: a kill leaves a whole line or a part at the very end.
        let line = format!("{}\n", Value::Object(record));
        self.file
            .write_all(line.as_bytes())
            .map_err(|e| Error::write(&self.path, e))
    }

    fn sync(&self) -> Result<()> {
        self.file
            .sync_all()
            .map_err(|e| Error::write(&self.path, e))
    }
}

/// Length of the lines up to the last record of a step that is not after `resumed`.
fn kept(file: &File, path: &Path, resumed: u64) -> Result<u64> {
    #[derive(Deserialize)]
    struct Record {
        step: u64,
    }
    let mut reader = BufReader::new(file);
    let mut line = Vec::new();
    let mut length = 0;
    for number in 1.. {
        line.clear();
        let read = reader
            .read_until(b'\n', &mut line)
            .map_err(|e: io::Error| Error::read(path, e))?;
        if line.last() != Some(&b'\n') {
            break; // the end, or a line that was cut short
        }
        let record: Record = serde_json::from_slice(&line).map_err(|e| Error::Damaged {
            path: path.to_owned(),
            what: format!("line {number}: {e}"),
            remedy: "mend or remove the file, or use another output folder",
        })?;
        if record.step > resumed {
            break;
        }
        length += read as u64;
    }
    Ok(length)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;

    fn record(step: u64) -> Metrics {
        let wall = 1.0e9 + step as f64;
        Metrics::new(step, wall)
            .value("loss", 1.0 / step as f64)
            .value("a_nan", f64::NAN)
            .timing("tokens_per_second", 7.0)
    }

    fn steps(log: &mut JsonLines, steps: std::ops::Range<u64>) {
        for step in steps {
            log.append(&record(step)).unwrap();
        }
    }

    #[test]
    fn records_are_there_at_once_in_their_order() {
        let directory = tempfile::tempdir().unwrap();
        let mut log = JsonLines::open(&directory.path().join("run"), None).unwrap();
        steps(&mut log, 1..3);
        let read =
            |name: &str| fs::read_to_string(directory.path().join("run").join(name)).unwrap();
        assert_eq!(
            read("metrics.jsonl"),
            "{\"step\":1,\"loss\":1.0,\"a_nan\":null}\n{\"step\":2,\"loss\":0.5,\"a_nan\":null}\n"
        );
        assert_eq!(
            read("timing.jsonl").lines().next().unwrap(),
            "{\"step\":1,\"wall\":1000000001.0,\"tokens_per_second\":7.0}"
        );
        log.finish().unwrap();
    }

    #[test]
    fn a_resumed_run_ends_with_the_bytes_of_one_that_was_not_interrupted() {
        let whole = tempfile::tempdir().unwrap();
        steps(&mut JsonLines::open(whole.path(), None).unwrap(), 1..9);
        let expected = fs::read(whole.path().join("metrics.jsonl")).unwrap();
        let parts = tempfile::tempdir().unwrap();
        let path = parts.path().join("metrics.jsonl");
        steps(&mut JsonLines::open(parts.path(), None).unwrap(), 1..7);
        // Killed while writing the record of step 7.
        let mut bytes = fs::read(&path).unwrap();
        bytes.extend_from_slice(b"{\"step\":7,\"lo");
        fs::write(&path, bytes).unwrap();
        steps(&mut JsonLines::open(parts.path(), Some(4)).unwrap(), 5..9);
        assert_eq!(fs::read(&path).unwrap(), expected);
        // Resumed at the very end, and before anything.
        JsonLines::open(parts.path(), Some(8)).unwrap();
        assert_eq!(fs::read(&path).unwrap(), expected);
        steps(&mut JsonLines::open(parts.path(), Some(0)).unwrap(), 1..9);
        assert_eq!(fs::read(&path).unwrap(), expected);
    }

    #[test]
    fn a_new_run_starts_empty_and_foreign_lines_are_not_cut() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("metrics.jsonl");
        fs::write(&path, "{\"step\":1}\nnotes of mine\n").unwrap();
        let error = JsonLines::open(directory.path(), Some(5)).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("metrics.jsonl is damaged (line 2"),
            "{error}"
        );
        assert!(fs::read_to_string(&path).unwrap().ends_with("mine\n"));
        JsonLines::open(directory.path(), None).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_told() {
        let file = File::options().write(true).open("/dev/full").unwrap();
        let path = PathBuf::from("/dev/full");
        let error = Log { path, file }.append(1, &[]).unwrap_err();
        assert!(error.to_string().contains("free some space"), "{error}");
    }
}
