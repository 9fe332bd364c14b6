//! Gemma 2: norms before and after (1 + weight), every other layer slides, soft caps, scaled embeddings, tied head.

use super::{Description, Names, shared};
use crate::{
    error::Result,
    spec::{Activation, MOST_POSITIONS, Norm, Placement},
};

pub(super) const FAMILY: Description = Description {
    model_type: "gemma2",
    causal: "Gemma2ForCausalLM",
    classifier: "Gemma2ForSequenceClassification",
    bare: "Gemma2Model",
    read: |fields, description| {
        if fields.flag("use_bidirectional_attention", false)? {
            return Err(fields.bad(
                "use_bidirectional_attention",
                "false: decoders only look back",
            ));
        }
        let mut spec = shared::llama_line(fields, description, Some(4), Some(256))?;
        if let Norm::Rms { offset, .. } = &mut spec.norm {
            *offset = 1.0;
        }
        spec.placement = Placement::PreAndPost;
        // `hidden_act` of these files is a left-over that transformers does not read.
        spec.mlp.activation = Activation::read(fields, "hidden_activation", "gelu_pytorch_tanh")?;
        let bias = fields.flag("attention_bias", false)?;
        spec.attention.qkv_bias = bias;
        spec.attention.out_bias = bias;
        let or_default = |field: &str, default: f64| -> Result<Option<f32>> {
            match fields.positive(field)? {
                None if fields.object.contains_key(field) => Ok(None),
                value => Ok(Some(value.unwrap_or(default) as f32)),
            }
        };
        spec.attention.softcap = or_default("attn_logit_softcapping", 50.0)?;
        spec.logit_softcap = or_default("final_logit_softcapping", 30.0)?;
        let scalar = fields.positive("query_pre_attn_scalar")?.unwrap_or(256.0);
        for layer in &mut spec.attention.layers {
            layer.scale = shared::inverse_root(scalar);
        }
        let window = match fields.size_if_there("sliding_window", MOST_POSITIONS)? {
            None if !fields.object.contains_key("sliding_window") => Some(4096),
            window => window,
        };
        shared::slide(&mut spec, fields, window, |i| i % 2 == 0)?;
        spec.embedding_scale = Some((spec.dim as f64).sqrt() as f32);
        spec.tied = fields.flag("tie_word_embeddings", true)?;
        Ok(spec)
    },
    names: Names {
        attention_post_norm: Some("post_attention_layernorm"),
        mlp_norm: "pre_feedforward_layernorm",
        mlp_post_norm: Some("post_feedforward_layernorm"),
        ..shared::NAMES
    },
};
