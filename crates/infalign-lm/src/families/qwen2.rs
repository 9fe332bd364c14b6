//! Qwen 2 and 2.5: Llama with biases on queries, keys and values; upper layers may slide.

use super::{Description, shared};
use crate::{
    error::Result,
    json::Fields,
    spec::{MOST_LAYERS, MOST_POSITIONS, Spec},
};

pub(super) const FAMILY: Description = Description {
    model_type: "qwen2",
    causal: "Qwen2ForCausalLM",
    classifier: "Qwen2ForSequenceClassification",
    bare: "Qwen2Model",
    read: |fields, description| {
        let mut spec = shared::llama_line(fields, description, Some(32), None)?;
        spec.attention.qkv_bias = true;
        windows(&mut spec, fields)?;
        Ok(spec)
    },
    names: shared::NAMES,
};

/// The windows of Qwen: from layer `max_window_layers` up, if `use_sliding_window`.
pub(super) fn windows(spec: &mut Spec, fields: &Fields<'_>) -> Result<()> {
    let window = if fields.flag("use_sliding_window", false)? {
        match fields.size_if_there("sliding_window", MOST_POSITIONS)? {
            None if !fields.object.contains_key("sliding_window") => Some(4096),
            window => window,
        }
    } else {
        None
    };
    // Zero is meaningful here, and a number past the last layer too.
    let first = match fields
        .get("max_window_layers")
        .map(serde_json::Value::as_u64)
    {
        None => 28,
        Some(Some(n)) => usize::try_from(n).unwrap_or(MOST_LAYERS),
        Some(None) => return Err(fields.bad("max_window_layers", "a whole number")),
    };
    shared::slide(spec, fields, window, |i| i >= first)
}
