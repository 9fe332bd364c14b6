//! TensorBoard event files, encoded by hand: scalars only.
//!
//! ```text
//! record = length (u64) ‖ masked CRC-32C of it (u32) ‖ data ‖ masked CRC-32C of the data (u32)
//!          little-endian; TensorFlow, core/lib/io/record_writer.cc
//! data   = Event { 1: wall_time double, 2: step int64, one of
//!                  3: file_version string, 5: summary Summary, 7: session_log SessionLog }
//! Summary    { 1: repeated Value { 1: tag string, 2: simple_value float } }
//! SessionLog { 1: status = START (1) }               tensorboard/compat/proto/{event,summary}.proto
//! ```
//!
//! A run that resumes opens a further file. It begins with a session start at the first step to
//! come, at which TensorBoard drops what earlier files say of that step and later ones. Files are
//! read in the order of their names, so the name holds a running number.
//!
//! Values are single precision here, as the format has it; NaN and ±∞ are kept.

use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
};

use super::{Metrics, Sink, crc32c::masked};
use crate::error::{Error, Result};

const NAME: &str = "events.out.tfevents.";
const VERSION: &str = "brain.Event:2";

/// An event file of one session.
#[derive(Debug)]
pub struct TensorBoard {
    path: PathBuf,
    file: File,
}

impl TensorBoard {
    /// Opens an event file in `directory`: of a new run, whose earlier files there are removed, or
    /// of one that resumes after step `resumed`. `wall` is the time in seconds since 1970.
    ///
    /// # Errors
    /// The disk's refusal.
    pub fn open(directory: &Path, resumed: Option<u64>, wall: f64) -> Result<Self> {
        let refused = |e| Error::write(directory, e);
        fs::create_dir_all(directory).map_err(refused)?;
        let mut number = 0;
        for entry in fs::read_dir(directory).map_err(|e| Error::read(directory, e))? {
            let entry = entry.map_err(|e| Error::read(directory, e))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let Some(digits) = name.strip_prefix(NAME).and_then(|n| n.get(..10)) else {
                continue;
            };
            if resumed.is_none() {
                fs::remove_file(entry.path()).map_err(|e| Error::write(entry.path(), e))?;
            } else if let Ok(n) = digits.parse::<u64>() {
                number = number.max(n + 1);
            }
        }
        let path = directory.join(format!("{NAME}{number:010}.infalign"));
        let file = File::create_new(&path).map_err(|e| Error::write(&path, e))?;
        let mut board = Self { path, file };
        let first = resumed.map_or(0, |step| step + 1);
        board.write(&event(wall, 0, 3, VERSION.as_bytes()))?;
        board.write(&event(wall, first, 7, &[1 << 3, 1]))?;
        Ok(board)
    }

    fn write(&mut self, data: &[u8]) -> Result<()> {
        let length = (data.len() as u64).to_le_bytes();
        let mut record = Vec::with_capacity(data.len() + 16);
        record.extend_from_slice(&length);
        record.extend_from_slice(&masked(&length).to_le_bytes());
        record.extend_from_slice(data);
        record.extend_from_slice(&masked(data).to_le_bytes());
        self.file
            .write_all(&record)
            .map_err(|e| Error::write(&self.path, e))
    }
}

impl Sink for TensorBoard {
    fn append(&mut self, metrics: &Metrics) -> Result<()> {
        let mut summary = Vec::new();
        for (name, value) in metrics.values.iter().chain(&metrics.timing) {
            let mut scalar = Vec::new();
            bytes(&mut scalar, 1, name.as_bytes());
            tag(&mut scalar, 2, Wire::Fixed32);
            scalar.extend_from_slice(&(*value as f32).to_le_bytes());
            bytes(&mut summary, 1, &scalar);
        }
        self.write(&event(metrics.wall, metrics.step, 5, &summary))
    }

    fn finish(&mut self) -> Result<()> {
        self.file
            .sync_all()
            .map_err(|e| Error::write(&self.path, e))
    }
}

/// An event with one field of bytes.
fn event(wall: f64, step: u64, field: u8, content: &[u8]) -> Vec<u8> {
    let mut data = Vec::new();
    tag(&mut data, 1, Wire::Fixed64);
    data.extend_from_slice(&wall.to_le_bytes());
    tag(&mut data, 2, Wire::Varint);
    varint(&mut data, step);
    bytes(&mut data, field, content);
    data
}

/// Wire types: protobuf.dev, "Encoding".
#[derive(Clone, Copy)]
enum Wire {
    Varint = 0,
    Fixed64 = 1,
    Bytes = 2,
    Fixed32 = 5,
}

fn tag(data: &mut Vec<u8>, field: u8, wire: Wire) {
    data.push(field << 3 | wire as u8); // fields up to 15 take one byte
}

fn bytes(data: &mut Vec<u8>, field: u8, content: &[u8]) {
    tag(data, field, Wire::Bytes);
    varint(data, content.len() as u64);
    data.extend_from_slice(content);
}

fn varint(data: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        data.push(value as u8 | 0x80);
        value >>= 7;
    }
    data.push(value as u8);
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;

    fn files(directory: &Path) -> Vec<PathBuf> {
        let mut names: Vec<_> = fs::read_dir(directory)
            .unwrap()
            .map(|e| e.unwrap().path())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn bytes_as_the_format_has_them() {
        // Encoded with the `tensorboard` package: Event(wall_time=1.5, step=300,
        // summary=Summary(value=[Summary.Value(tag="loss", simple_value=2.5)])).SerializeToString().
        let expected = b"\x09\x00\x00\x00\x00\x00\x00\xf8\x3f\x10\xac\x02\x2a\x0d\x0a\x0b\x0a\x04loss\x15\x00\x00\x20\x40";
        let directory = tempfile::tempdir().unwrap();
        let mut board = TensorBoard::open(directory.path(), None, 0.0).unwrap();
        board
            .append(&Metrics::new(300, 1.5).value("loss", 2.5))
            .unwrap();
        board.finish().unwrap();
        let written = fs::read(&files(directory.path())[0]).unwrap();
        let data = &written[written.len() - 4 - expected.len()..written.len() - 4];
        assert_eq!(data, expected);
    }

    #[test]
    fn records_frame_each_other() {
        let directory = tempfile::tempdir().unwrap();
        let mut board = TensorBoard::open(directory.path(), Some(7), 0.0).unwrap();
        board
            .append(&Metrics::new(8, 1.0).timing("t", f64::NAN))
            .unwrap();
        let written = fs::read(&files(directory.path())[0]).unwrap();
        let mut rest = written.as_slice();
        let mut records = 0;
        while !rest.is_empty() {
            let length = u64::from_le_bytes(rest[..8].try_into().unwrap()) as usize;
            let sum = |at: usize| u32::from_le_bytes(rest[at..at + 4].try_into().unwrap());
            assert_eq!(sum(8), masked(&rest[..8]));
            assert_eq!(sum(12 + length), masked(&rest[12..12 + length]));
            rest = &rest[16 + length..];
            records += 1;
        }
        assert_eq!(records, 3);
    }

    #[test]
    fn sessions_have_files_in_order_and_a_new_run_starts_afresh() {
        let directory = tempfile::tempdir().unwrap();
        for resumed in [None, Some(4), Some(9)] {
            TensorBoard::open(directory.path(), resumed, 0.0).unwrap();
        }
        fs::write(directory.path().join("notes"), "").unwrap();
        let found = files(directory.path());
        assert_eq!(found.len(), 4);
        assert!(found[1].ends_with("events.out.tfevents.0000000001.infalign"));
        TensorBoard::open(directory.path(), None, 0.0).unwrap();
        assert_eq!(files(directory.path()).len(), 2);
    }
}
