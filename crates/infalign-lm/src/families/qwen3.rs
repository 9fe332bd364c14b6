//! Qwen 3: Qwen 2 without biases, with norms on each head's queries and keys.

use super::{Description, Names, qwen2, shared};

pub(super) const FAMILY: Description = Description {
    model_type: "qwen3",
    causal: "Qwen3ForCausalLM",
    classifier: "Qwen3ForSequenceClassification",
    bare: "Qwen3Model",
    read: |fields, description| {
        let mut spec = shared::llama_line(fields, description, Some(32), Some(128))?;
        let bias = fields.flag("attention_bias", false)?;
        spec.attention.qk_norm = true;
        spec.attention.qkv_bias = bias;
        spec.attention.out_bias = bias;
        qwen2::windows(&mut spec, fields)?;
        Ok(spec)
    },
    names: Names {
        qk_norm: Some(["self_attn.q_norm", "self_attn.k_norm"]),
        ..shared::NAMES
    },
};
