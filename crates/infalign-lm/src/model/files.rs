//! Decoders from folders of the hub's layout, and back into them.

use std::path::Path;

use burn::{Tensor, tensor::Device};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use super::{
    Decoder,
    fresh::tensor,
    layout::{Layout, shape},
};
use crate::{
    error::Result,
    folder::Folder,
    ops::fused,
    spec::{Head, Spec},
    tensors::TensorRule,
    weights::{Weights, WriteOptions},
};

impl Decoder {
    /// The weights of a folder, on a device. A head that the folder lacks is drawn from `seed`: N(0, `initializer_range`²).
    ///
    /// # Errors
    /// What the files say.
    pub fn load(spec: Spec, weights: &Weights, seed: u64, device: &Device) -> Result<Self> {
        let layout = Layout::of(&spec);
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let fresh = |rule: &TensorRule| weights.fresh().iter().any(|f| f.name == rule.name);
        let mut tensors = Vec::with_capacity(layout.rules.len());
        for rule in &layout.rules {
            let values = if fresh(rule) {
                let mut draw = || -> f32 { StandardNormal.sample(&mut rng) };
                (0..rule.len())
                    .map(|_| spec.initializer_range * draw())
                    .collect()
            } else {
                weights.tensor(&rule.name)?.1
            };
            tensors.push(tensor(values, shape(rule), device));
        }
        Ok(Self::new(spec, layout, tensors, device.clone()))
    }

    /// The model of a folder, as it is or under another head.
    ///
    /// # Errors
    /// What the files say.
    pub fn open(folder: &Folder, head: Head, seed: u64, device: &Device) -> Result<Self> {
        let spec = folder.spec().clone().with_head(head);
        let weights = folder.weights(&spec)?;
        Self::load(spec, &weights, seed, device)
    }

    /// The same body, adapters merged, under another head: drawn from `seed` as by [`Decoder::load`], unless it is the head that is there. The
    /// body's numbers are shared.
    #[must_use]
    pub fn with_head(&self, head: Head, seed: u64) -> Self {
        let merged = self.merged();
        if head == merged.spec.head {
            return merged;
        }
        let spec = (*merged.spec).clone().with_head(head);
        let layout = Layout::of(&spec);
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut weights = Vec::with_capacity(layout.rules.len());
        for (id, rule) in layout.rules.iter().enumerate() {
            let same = |old: &usize| merged.layout.rules[*old].name == rule.name;
            let kept = (0..merged.layout.rules.len()).find(same);
            weights.push(match kept {
                // The head's matrix is another one even where it has the name of the old.
                Some(old) if id != layout.head || old != merged.layout.head => {
                    merged.weights[old].tensor.clone()
                }
                _ => {
                    let mut draw = || -> f32 { StandardNormal.sample(&mut rng) };
                    let values = (0..rule.len()).map(|_| spec.initializer_range * draw());
                    tensor(values.collect(), shape(rule), &merged.device)
                }
            });
        }
        Self::new(spec, layout, weights, merged.device.clone())
    }

    /// Saves a folder that transformers loads, adapters merged, whole or not at all. The tokenizer and its companions are copied from
    /// `companions`; `more` may write further files.
    ///
    /// # Errors
    /// What `more` or the disk said; the previous folder then stands.
    pub fn save(
        &self,
        target: impl AsRef<Path>,
        companions: Option<&Path>,
        options: WriteOptions,
        more: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<()> {
        let merged = self.merged();
        Folder::save(
            target,
            &merged.spec,
            companions,
            options,
            |name| merged.values(name),
            more,
        )
    }

    /// The values of one weight, by its name in [`Spec::tensors`], row-major.
    ///
    /// # Errors
    /// A name that is not there is a bug.
    pub fn values(&self, name: &str) -> Result<Vec<f32>> {
        Ok(values(&self.weights[self.id(name)?].tensor))
    }
}

/// A matrix's values, row-major, from wherever it is.
pub(crate) fn values(t: &Tensor<2>) -> Vec<f32> {
    if fused::is_cpu(&t.device()) {
        return fused::read(t, <[f32]>::to_vec);
    }
    t.to_data().iter::<f32>().collect()
}
