//! Decoder-only language models and reward heads: load, save, tokenise, sample, score log-probabilities, train a step.

mod batch;
mod device;
mod error;
mod families;
#[doc(hidden)]
pub mod fuzz;
mod json;
mod model;
mod ops;
#[cfg(test)]
mod parity;
mod rope;
pub mod sample;
mod score;
mod spec;
mod tensors;
mod train;
mod weights;

pub use batch::Batch;
pub use device::{DeviceKind, DeviceName, Precision, open as open_device};
pub use error::{Error, Kind, Result};
pub use model::Decoder;
pub use ops::head::{RowGrad, RowStats};
pub use rope::Rotary;
pub use score::{Scored, Sequence, classify, score};
pub use spec::{
    Activation, Attention, Head, LayerAttention, Mlp, Norm, Placement, Positions, Spec, TokenIds,
};
pub use tensors::{AdapterTarget, TensorRule};
pub use train::{AdamW, AdamWConfig, Gradients, Objective, Update, gradients};
pub use weights::{Dtype, Weights, WriteOptions, write_weights};
