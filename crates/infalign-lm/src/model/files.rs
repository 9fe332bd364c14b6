//! Decoders from folders of the hub's layout, and back into them.

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
    error::{Error, Result},
    ops::fused,
    spec::Spec,
    tensors::TensorRule,
    weights::Weights,
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
                (0..rule.len()).map(|_| spec.initializer_range * draw()).collect()
            } else {
                weights.tensor(&rule.name)?.1
            };
            tensors.push(tensor(values, shape(rule), device));
        }
        Ok(Self::new(spec, layout, tensors, device.clone()))
    }

    /// The values of one weight, by its name in [`Spec::tensors`], row-major.
    ///
    /// # Errors
    /// A name that is not there is a bug.
    pub fn values(&self, name: &str) -> Result<Vec<f32>> {
        let id = self
            .layout
            .rules
            .iter()
            .position(|r| r.name == name)
            .ok_or_else(|| Error::bug(format!("no weight {name}")))?;
        Ok(values(&self.weights[id].tensor))
    }
}

/// A matrix's values, row-major, from wherever it is.
pub(crate) fn values(t: &Tensor<2>) -> Vec<f32> {
    if fused::is_cpu(&t.device()) {
        return fused::read(t, <[f32]>::to_vec);
    }
    t.to_data().iter::<f32>().collect()
}
