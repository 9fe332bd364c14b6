//! Verdicts that were given, by what decides them: one JSON line each in `verdicts.jsonl`, only ever appended.
//!
//! ```text
//! {"key": SHA-256, "line": "Rating: [[7]]", "reply": "…"}
//! ```
//!
//! | case | outcome |
//! |---|---|
//! | killed within a line | the torn line is passed over; the next line begins on a line of its own |
//! | two processes append | each line is one write at the file's end; what both asked stands twice, and the first counts |
//! | no folder | kept in memory |
//!
//! A line holds what the judge said, which may quote what it judged, and never a key of a server.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::verdict::last_line;
use crate::reward::{Error, Result};

const FILE: &str = "verdicts.jsonl";

/// Last lines of replies, by key.
#[derive(Debug)]
pub(super) struct Cache {
    lines: BTreeMap<String, String>,
    file: Option<(PathBuf, File)>,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    key: String,
    line: String,
    #[serde(default)]
    reply: String,
}

impl Cache {
    /// Reads what is there, and makes folder and file where they are missing.
    pub(super) fn open(folder: Option<&Path>) -> Result<Self> {
        let Some(folder) = folder else {
            return Ok(Self {
                lines: BTreeMap::new(),
                file: None,
            });
        };
        let path = folder.join(FILE);
        match read(folder, &path) {
            Ok((lines, file)) => Ok(Self {
                lines,
                file: Some((path, file)),
            }),
            Err(source) => Err(Error::Cache { path, source }),
        }
    }

    /// The last line that a question was answered with.
    pub(super) fn line(&self, key: &str) -> Option<&str> {
        self.lines.get(key).map(String::as_str)
    }

    /// Keeps a reply that held a verdict.
    pub(super) fn keep(&mut self, key: &str, reply: &str) -> Result<()> {
        let kept = Kept {
            key: key.to_owned(),
            line: last_line(reply),
            reply: reply.to_owned(),
        };
        if let Some((path, file)) = &mut self.file {
            append(file, &kept).map_err(|source| Error::Cache {
                path: path.clone(),
                source,
            })?;
        }
        self.lines.insert(kept.key, kept.line);
        Ok(())
    }
}

fn read(folder: &Path, path: &Path) -> io::Result<(BTreeMap<String, String>, File)> {
    fs::create_dir_all(folder)?;
    let mut file = OpenOptions::new()
        .create(true)
        .read(true)
        .append(true)
        .open(path)?;
    let mut lines = BTreeMap::new();
    for line in BufReader::new(&file).split(b'\n') {
        // What is no line of ours was torn.
        if let Ok(kept) = serde_json::from_slice::<Kept>(&line?) {
            lines.entry(kept.key).or_insert(kept.line);
        }
    }
    if file.seek(SeekFrom::End(0))? > 0 {
        let mut last = [0];
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
        if last != *b"\n" {
            file.write_all(b"\n")?;
        }
    }
    Ok((lines, file))
}

/// In one write, so that lines of two processes do not mix.
fn append(file: &mut File, kept: &Kept) -> io::Result<()> {
    let mut line = serde_json::to_vec(kept)?;
    line.push(b'\n');
    file.write_all(&line)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;

    #[test]
    fn what_is_kept_is_there_again_and_a_torn_line_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let within = folder.path().join("a/b");
        let path = within.join(FILE);
        let mut cache = Cache::open(Some(&within)).unwrap();
        cache.keep("k1", "because\nRating: [[7]]").unwrap();
        cache.keep("k2", "**Rating: [[8]]**\n").unwrap();
        let whole = fs::read(&path).unwrap();
        // Killed at any byte of the last line.
        let first = whole.iter().position(|&b| b == b'\n').unwrap() + 1;
        for end in first..whole.len() {
            fs::write(&path, &whole[..end]).unwrap();
            let mut cache = Cache::open(Some(&within)).unwrap();
            assert_eq!(cache.line("k1"), Some("Rating: [[7]]"));
            let complete = end == whole.len() - 1;
            assert_eq!(cache.line("k2").is_some(), complete, "{end}");
            cache.keep("k3", "Rating: [[9]]").unwrap();
            let again = Cache::open(Some(&within)).unwrap();
            assert_eq!(again.line("k3"), Some("Rating: [[9]]"), "{end}");
        }
    }

    #[test]
    fn two_at_once_and_a_line_of_anything() {
        let folder = tempfile::tempdir().unwrap();
        let mut one = Cache::open(Some(folder.path())).unwrap();
        let mut two = Cache::open(Some(folder.path())).unwrap();
        one.keep("k", "Rating: [[1]]").unwrap();
        two.keep("k", "Rating: [[2]]").unwrap();
        two.keep("l", "Rating: [[3]]").unwrap();
        one.keep("m", "Rating: [[4]]").unwrap();
        let path = folder.path().join(FILE);
        let mut bytes = fs::read(&path).unwrap();
        bytes.extend(b"\xff\xfe\n{\"key\": 1}\n\n");
        fs::write(&path, bytes).unwrap();
        let read = Cache::open(Some(folder.path())).unwrap();
        let found = ["k", "l", "m"].map(|key| read.line(key).unwrap().to_owned());
        assert_eq!(found, ["Rating: [[1]]", "Rating: [[3]]", "Rating: [[4]]"]);
    }

    #[test]
    fn a_folder_that_cannot_be_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let told = Cache::open(Some(file.path())).unwrap_err().to_string();
        assert!(told.contains(FILE) && told.contains("rights"), "{told}");
    }
}
