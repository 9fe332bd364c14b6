//! An optimiser's moments on disk, bit for bit: a run that goes on from them is the run that was never stopped.

use std::path::Path;

use super::{AdamW, AdamWConfig};
use crate::{
    error::{Error, Result},
    model::{Decoder, fresh_tensor, values},
    weights::named::Named,
};

const MOMENTS: [&str; 2] = ["m", "v"];

impl AdamW {
    /// Writes the moments of `model`'s leaves to a safetensors file, which is there whole or not at all. The number of updates is the caller's to
    /// keep.
    ///
    /// # Errors
    /// What the disk said.
    pub fn save(&self, model: &Decoder, path: impl AsRef<Path>) -> Result<()> {
        let mut tensors = Vec::new();
        let mut sources = Vec::new();
        for (name, moments) in model.leaf_names().into_iter().zip(&self.moments) {
            let Some(moments) = moments else { continue };
            for (kind, t) in MOMENTS.into_iter().zip(moments) {
                tensors.push((format!("{name}.{kind}"), t.dims().to_vec()));
                sources.push(t);
            }
        }
        Named::write(path.as_ref(), &tensors, |i| values(sources[i]))
    }

    /// The optimiser that was saved after `steps` updates of `model`.
    ///
    /// # Errors
    /// A damaged file, moments of other shapes than the model's leaves, settings out of range.
    pub fn load(
        config: AdamWConfig,
        model: &Decoder,
        steps: u64,
        path: impl AsRef<Path>,
    ) -> Result<Self> {
        let path = path.as_ref();
        let mut optimiser = Self::new(config, model)?;
        optimiser.steps = steps;
        let file = Named::open(path)?;
        let leaves = model.leaf_names().into_iter().zip(model.leaves());
        for (moments, (name, leaf)) in optimiser.moments.iter_mut().zip(leaves) {
            if !file.has(&format!("{name}.m")) {
                continue;
            }
            let read = |kind: &str| {
                let name = format!("{name}.{kind}");
                let (shape, values) = file.tensor(&name)?;
                if shape != leaf.dims() {
                    return Err(Error::Shape {
                        file: path.display().to_string(),
                        tensor: name,
                        found: shape,
                        expected: leaf.dims().to_vec(),
                    });
                }
                Ok(fresh_tensor(values, leaf.dims(), model.device()))
            };
            *moments = Some([read("m")?, read("v")?]);
        }
        Ok(optimiser)
    }

    /// Updates made so far.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.steps
    }
}
