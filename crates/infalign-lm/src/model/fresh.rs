//! Fresh weights: normal with the family's deviation, norms at one, biases at zero; seeded, the same on every machine.

use burn::{
    Tensor,
    tensor::{Device, TensorData},
};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use super::{Decoder, layout::Layout};
use crate::spec::{Norm, Spec};

impl Decoder {
    /// A decoder with fresh weights: matrices N(0, `initializer_range`²), those that write to the residual stream divided by √(2 · layers) as
    /// GPT-2's paper does, norms 1, biases 0.
    #[must_use]
    pub fn fresh(spec: Spec, seed: u64, device: &Device) -> Self {
        let layout = Layout::of(&spec);
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        #[expect(clippy::cast_precision_loss, reason = "layers are few")]
        let residual = spec.initializer_range / (2.0 * spec.layers as f32).sqrt();
        let one = match spec.norm {
            Norm::Rms { offset, .. } => 1.0 - offset,
            Norm::Layer { .. } => 1.0,
        };
        let weights = layout
            .shapes()
            .map(|(name, [rows, cols])| {
                let n = rows * cols;
                let values = if name.ends_with(".bias") {
                    vec![0.0; n]
                } else if name.contains("norm") {
                    vec![one; n]
                } else {
                    let writes =
                        name.ends_with("attention.out.weight") || name.ends_with("mlp.down.weight");
                    let deviation = if writes {
                        residual
                    } else {
                        spec.initializer_range
                    };
                    let mut draw = || -> f32 { StandardNormal.sample(&mut rng) };
                    (0..n).map(|_| deviation * draw()).collect()
                };
                tensor(values, [rows, cols], device)
            })
            .collect();
        Self::new(spec, layout, weights, device.clone())
    }
}

/// A matrix on a device.
pub(crate) fn tensor(values: Vec<f32>, shape: [usize; 2], device: &Device) -> Tensor<2> {
    Tensor::from_data(TensorData::new(values, shape), device)
}
