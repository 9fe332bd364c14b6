//! Doors for the fuzz targets: each takes any bytes, and panics only where a promise is broken.

use crate::{Spec, weights};

/// A config.json: what is accepted has tensors of sizes that can be added up.
pub fn config(text: &str) {
    if let Ok(spec) = Spec::from_text(text, "fuzz") {
        assert!(spec.tensors().iter().all(|t| !t.is_empty()), "{spec:?}");
        assert!(!spec.adapter_targets().is_empty(), "{spec:?}");
    }
}

/// A safetensors file: what is accepted lies within it.
pub fn safetensors(file: &[u8]) {
    weights::fuzz_header(file);
}

/// An index of shards: what is accepted names files beside it.
pub fn index(text: &str) {
    weights::fuzz_index(text);
}
