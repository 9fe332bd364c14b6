//! Decoder-only language models and reward heads: load, save, tokenise, sample, score log-probabilities, train a step.

mod batch;
mod chat;
mod computed;
mod detokenise;
mod device;
mod error;
mod families;
mod folder;
#[doc(hidden)]
pub mod fuzz;
mod json;
mod memory;
mod model;
mod ops;
#[cfg(test)]
mod parity;
mod replace;
mod rope;
pub mod sample;
mod score;
mod spec;
mod tensors;
#[cfg(test)]
mod testing;
mod tokenizer;
mod train;
mod train_bpe;
mod weights;

pub use batch::Batch;
pub use burn::tensor::Device;
pub use chat::{ChatOptions, ChatTemplate};
pub use detokenise::Stream;
pub use device::{DeviceKind, DeviceName, Precision, open as open_device};
pub use error::{Error, Kind, Result};
pub use folder::Folder;
pub use memory::keep_buffers;
pub use model::Decoder;
pub use ops::fused::is_cpu;
pub use ops::head::{RowGrad, RowStats, Rule};
pub use replace::check_target;
pub use rope::Rotary;
pub use score::{Scored, Sequence, classify, measure, score, token_values};
pub use spec::{
    Activation, Attention, Head, LayerAttention, Mlp, Norm, Placement, Positions, Spec, TokenIds,
};
pub use tensors::{AdapterTarget, TensorRule};
pub use tokenizer::Tokenizer;
pub use train::{
    AdamW, AdamWConfig, Gradients, Objective, ScoreGrad, Update, gradients, score_gradients,
};
pub use train_bpe::train_bpe;
pub use weights::{Adapter, AdapterMatrix, Dtype, Weights, WriteOptions, write_weights};
