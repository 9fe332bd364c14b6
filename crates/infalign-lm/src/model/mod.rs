//! Decoders with weights: made fresh or from a folder, trained whole or through adapters, saved.

mod adapter;
mod decoder;
mod files;
mod fresh;
pub(crate) mod layout;
mod leaves;

pub use decoder::Decoder;
pub(crate) use {files::values, fresh::tensor as fresh_tensor};
