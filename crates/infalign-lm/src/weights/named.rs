//! Files of tensors under any names, which nothing but their reader explains: an optimiser's moments.

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use infalign_data::write_atomic;

use super::{
    dtype::{Dtype, Stored},
    header::{self, Entries},
    write::{encode, header as write_header},
};
use crate::error::{Error, Result};

/// Tensors of a file, read one by one.
#[derive(Debug)]
pub(crate) struct Named {
    path: PathBuf,
    file: File,
    entries: Entries,
}

impl Named {
    /// Opens a file and checks its header.
    ///
    /// # Errors
    /// A damaged header, or a file that cannot be read.
    pub(crate) fn open(path: impl Into<PathBuf>) -> Result<Self> {
        let path = path.into();
        let file = File::open(&path).map_err(|e| Error::read(&path, e))?;
        let length = file.metadata().map_err(|e| Error::read(&path, e))?.len();
        let entries = header::read(&file, length, &path.display().to_string())?;
        Ok(Self {
            path,
            file,
            entries,
        })
    }

    /// Whether there is a tensor of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.entries.contains_key(name)
    }

    /// Shape and values of a tensor.
    ///
    /// # Errors
    /// No tensor of this name; the disk may fail.
    pub(crate) fn tensor(&self, name: &str) -> Result<(Vec<usize>, Vec<f32>)> {
        let missing = || Error::MissingTensors {
            file: self.path.display().to_string(),
            names: vec![name.to_owned()],
        };
        let entry = self.entries.get(name).ok_or_else(missing)?;
        let Stored::Weights(dtype) = entry.stored else {
            return Err(missing());
        };
        let read = |e| Error::read(&self.path, e);
        let mut file = &self.file;
        file.seek(SeekFrom::Start(entry.start)).map_err(read)?;
        let mut bytes = vec![0; usize::try_from(entry.bytes).map_err(|_| Error::bug("a tensor beyond this machine"))?];
        file.read_exact(&mut bytes).map_err(read)?;
        let mut values = Vec::with_capacity(entry.shape.iter().product());
        dtype.decode(&bytes, &mut values);
        Ok((entry.shape.clone(), values))
    }

    /// Writes tensors in f32, each asked for when its turn comes; the file is there whole or not at all.
    ///
    /// # Errors
    /// What the disk said.
    pub(crate) fn write(path: &Path, tensors: &[(String, Vec<usize>)], values: impl Fn(usize) -> Vec<f32> + Send) -> Result<()> {
        let header = write_header(tensors, Dtype::F32)?;
        write_atomic(path, |file| {
            file.write_all(&header)?;
            let mut buffer = Vec::new();
            for i in 0..tensors.len() {
                encode(&values(i), Dtype::F32, &mut buffer, file)?;
            }
            Ok(())
        })?;
        Ok(())
    }
}
