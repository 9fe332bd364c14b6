//! One safetensors file, open: its checked header, and its tensors read by position.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
};

use super::{
    dtype::{Dtype, Stored},
    header::{self, Entries, Entry},
};
use crate::error::{Error, Result};

/// Bytes read at once: within a level-two cache, and whole elements.
const PIECE: usize = 1 << 18;

/// A file and its path.
#[derive(Debug)]
pub(crate) struct TensorFile {
    pub(crate) path: PathBuf,
    file: File,
}

impl TensorFile {
    /// Opens a file and checks its header.
    pub(crate) fn open(path: &Path) -> Result<(Self, Entries)> {
        let file = File::open(path).map_err(|e| Error::read(path, e))?;
        let length = file.metadata().map_err(|e| Error::read(path, e))?.len();
        let entries = header::read(&file, length, &path.display().to_string())?;
        let path = path.to_owned();
        Ok((Self { path, file }, entries))
    }

    /// The type of a tensor that shall be weights.
    pub(crate) fn weights(&self, name: &str, entry: &Entry) -> Result<Dtype> {
        match entry.stored {
            Stored::Weights(dtype) => Ok(dtype),
            Stored::Other { name: dtype, .. } => Err(Error::Tensor {
                file: self.path.display().to_string(),
                tensor: name.to_owned(),
                what: format!(
                    "stored as {dtype}; weights are read from F32, BF16, F16 and F64: save it as one of them"
                ),
            }),
        }
    }

    /// Checks a shape against the one that config.json implies.
    pub(crate) fn shape(&self, name: &str, entry: &Entry, expected: Vec<usize>) -> Result<()> {
        if entry.shape == expected {
            return Ok(());
        }
        Err(Error::Shape {
            file: self.path.display().to_string(),
            tensor: name.to_owned(),
            found: entry.shape.clone(),
            expected,
        })
    }

    /// Appends a tensor's elements.
    pub(crate) fn append(&self, name: &str, entry: &Entry, values: &mut Vec<f32>) -> Result<()> {
        let dtype = self.weights(name, entry)?;
        let mut buffer = vec![0; piece(entry.bytes)];
        let mut done = 0;
        while done < entry.bytes {
            let n = piece(entry.bytes - done);
            self.read_at(entry.start + done, &mut buffer[..n])?;
            dtype.decode(&buffer[..n], values);
            done += n as u64;
        }
        Ok(())
    }

    /// Whether two tensors have the same type, shape and bytes.
    pub(crate) fn same(&self, entry: &Entry, other: &Self, other_entry: &Entry) -> Result<bool> {
        if entry.stored != other_entry.stored || entry.shape != other_entry.shape {
            return Ok(false);
        }
        let (mut a, mut b) = (vec![0; PIECE], vec![0; PIECE]);
        let mut done = 0;
        while done < entry.bytes {
            let n = piece(entry.bytes - done);
            self.read_at(entry.start + done, &mut a[..n])?;
            other.read_at(other_entry.start + done, &mut b[..n])?;
            if a[..n] != b[..n] {
                return Ok(false);
            }
            done += n as u64;
        }
        Ok(true)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<()> {
        read_exact_at(&self.file, buffer, offset).map_err(|e| Error::read(&self.path, e))
    }
}

/// The next piece of so many bytes left.
fn piece(left: u64) -> usize {
    usize::try_from(left).map_or(PIECE, |n| n.min(PIECE))
}

#[cfg(unix)]
fn read_exact_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, buffer, offset)
}

#[cfg(windows)]
fn read_exact_at(file: &File, mut buffer: &mut [u8], mut offset: u64) -> io::Result<()> {
    while !buffer.is_empty() {
        let n = std::os::windows::fs::FileExt::seek_read(file, buffer, offset)?;
        if n == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        buffer = &mut buffer[n..];
        offset += n as u64;
    }
    Ok(())
}
