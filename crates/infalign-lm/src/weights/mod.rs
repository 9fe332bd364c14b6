//! Weights on disk: safetensors files, one or sharded, read and written under the hub's names.

mod adapter;
mod dtype;
pub(crate) mod file;
mod header;
mod index;
pub(crate) mod named;
mod read;
#[cfg(test)]
mod tests;
mod write;

pub use adapter::{Adapter, AdapterMatrix};
pub use dtype::Dtype;
pub use read::Weights;
pub use write::{WriteOptions, write_weights};

pub(crate) use {header::fuzz_header, index::fuzz_index};

/// The one file.
pub(crate) const SINGLE: &str = "model.safetensors";
/// The index of shards.
pub(crate) const INDEX: &str = "model.safetensors.index.json";
