//! Files of tensors under any names, which nothing but their reader explains: an optimiser's moments.

use std::path::Path;

use infalign_data::write_atomic;

use super::{
    dtype::Dtype,
    file::TensorFile,
    header::Entries,
    write::{encode, header as write_header},
};
use crate::error::{Error, Result};

/// Tensors of a file, read one by one.
#[derive(Debug)]
pub(crate) struct Named {
    file: TensorFile,
    entries: Entries,
}

impl Named {
    /// Opens a file and checks its header.
    ///
    /// # Errors
    /// A damaged header, or a file that cannot be read.
    pub(crate) fn open(path: impl AsRef<Path>) -> Result<Self> {
        let (file, entries) = TensorFile::open(path.as_ref())?;
        Ok(Self { file, entries })
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
        let entry = self
            .entries
            .get(name)
            .ok_or_else(|| Error::MissingTensors {
                file: self.file.path.display().to_string(),
                names: vec![name.to_owned()],
            })?;
        let mut values = Vec::new();
        self.file.append(name, entry, &mut values)?;
        Ok((entry.shape.clone(), values))
    }

    /// Writes tensors in f32, each asked for when its turn comes; the file is there whole or not at all.
    ///
    /// # Errors
    /// What the disk said.
    pub(crate) fn write(
        path: &Path,
        tensors: &[(String, Vec<usize>)],
        values: impl Fn(usize) -> Vec<f32> + Send,
    ) -> Result<()> {
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
