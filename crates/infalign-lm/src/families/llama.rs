//! Llama 2, 3 and 3.x: the plain form of the Llama line.

use super::{Description, shared};

pub(super) const FAMILY: Description = Description {
    model_type: "llama",
    causal: "LlamaForCausalLM",
    classifier: "LlamaForSequenceClassification",
    bare: "LlamaModel",
    read: |fields, description| {
        let mut spec = shared::llama_line(fields, description, None, None)?;
        let bias = fields.flag("attention_bias", false)?;
        spec.attention.qkv_bias = bias;
        spec.attention.out_bias = bias;
        spec.mlp.bias = fields.flag("mlp_bias", false)?;
        Ok(spec)
    },
    names: shared::NAMES,
};
