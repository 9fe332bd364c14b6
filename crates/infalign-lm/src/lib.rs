//! Decoder-only language models and reward heads: load, save, tokenise, sample, score log-probabilities, train a step.

mod chat;
mod detokenise;
mod error;
mod families;
mod folder;
#[doc(hidden)]
pub mod fuzz;
mod json;
#[cfg(test)]
mod parity;
mod replace;
mod rope;
mod spec;
mod tensors;
#[cfg(test)]
mod testing;
mod tokenizer;
mod train_bpe;
mod weights;

pub use chat::{ChatOptions, ChatTemplate};
pub use detokenise::Stream;
pub use error::{Error, Kind, Result};
pub use folder::Folder;
pub use replace::check_target;
pub use rope::Rotary;
pub use spec::{
    Activation, Attention, Head, LayerAttention, Mlp, Norm, Placement, Positions, Spec, TokenIds,
};
pub use tensors::{AdapterTarget, TensorRule};
pub use tokenizer::Tokenizer;
pub use train_bpe::train_bpe;
pub use weights::{Adapter, AdapterMatrix, Dtype, Weights, WriteOptions, write_weights};
