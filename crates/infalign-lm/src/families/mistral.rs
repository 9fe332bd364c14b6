//! Mistral: Llama whose every layer slides, where a window is set.

use super::{Description, shared};
use crate::spec::MOST_POSITIONS;

pub(super) const FAMILY: Description = Description {
    model_type: "mistral",
    causal: "MistralForCausalLM",
    classifier: "MistralForSequenceClassification",
    bare: "MistralModel",
    read: |fields, description| {
        let mut spec = shared::llama_line(fields, description, Some(8), None)?;
        let window = match fields.size_if_there("sliding_window", MOST_POSITIONS)? {
            None if !fields.object.contains_key("sliding_window") => Some(4096),
            window => window,
        };
        // transformers ignores `layer_types` here.
        for layer in &mut spec.attention.layers {
            layer.window = window;
        }
        Ok(spec)
    },
    names: shared::NAMES,
};
