//! GPT-NeoX and Pythia: attention and feed-forward side by side, part of each head turns, rows interleaved by head.

use super::{Description, Names, Qkv, shared};
use crate::{
    error::Result,
    json::Fields,
    rope::Rotary,
    spec::{
        Activation, Attention, LayerAttention, MOST_CHANNELS, MOST_LAYERS, MOST_POSITIONS,
        MOST_TOKENS, Mlp, Norm, Placement, Positions, Spec,
    },
};

pub(super) const FAMILY: Description = Description {
    model_type: "gpt_neox",
    causal: "GPTNeoXForCausalLM",
    classifier: "GPTNeoXForSequenceClassification",
    bare: "GPTNeoXModel",
    read,
    names: Names {
        prefix: "gpt_neox.",
        embedding: "embed_in",
        positions: None,
        layers: "layers",
        attention_norm: "input_layernorm",
        attention_post_norm: None,
        mlp_norm: "post_attention_layernorm",
        mlp_post_norm: None,
        qkv: Qkv::PerHead("attention.query_key_value"),
        qk_norm: None,
        attention_out: "attention.dense",
        mlp_in: &["mlp.dense_h_to_4h"],
        mlp_out: "mlp.dense_4h_to_h",
        norm: "final_layer_norm",
        // transformers 5 renamed it and reads both; older versions know the first alone.
        heads: &["embed_out", "lm_head"],
        transposed: false,
        ignored: &[
            "attention.bias",
            "attention.masked_bias",
            "attention.rotary_emb.inv_freq",
        ],
    },
};

fn read(fields: &Fields<'_>, description: &'static Description) -> Result<Spec> {
    let dim = fields.size("hidden_size", MOST_CHANNELS)?;
    let heads = fields.size("num_attention_heads", MOST_CHANNELS)?;
    let layers = fields.size("num_hidden_layers", MOST_LAYERS)?;
    let head_dim = shared::share(fields, dim, heads, "hidden_size", "num_attention_heads")?;
    let max_positions = fields.size("max_position_embeddings", MOST_POSITIONS)?;
    let bias = fields.flag("attention_bias", true)?;
    let rotary = Rotary::read(
        fields,
        head_dim,
        max_positions,
        "rotary_emb_base",
        "rotary_pct",
        0.25,
    )?;
    let layer = LayerAttention {
        scale: shared::inverse_root(head_dim as f64),
        window: None,
    };
    Ok(Spec {
        vocab: fields.size("vocab_size", MOST_TOKENS)?,
        dim,
        layers,
        heads,
        kv_heads: heads,
        head_dim,
        ffn: fields.size("intermediate_size", MOST_CHANNELS)?,
        max_positions,
        norm: Norm::Layer {
            eps: fields.positive("layer_norm_eps")?.unwrap_or(1e-5) as f32,
        },
        placement: if fields.flag("use_parallel_residual", true)? {
            Placement::Parallel
        } else {
            Placement::Pre
        },
        positions: Positions::Rotary(rotary),
        attention: Attention {
            qk_norm: false,
            qkv_bias: bias,
            out_bias: bias,
            softcap: None,
            layers: vec![layer; layers],
        },
        mlp: Mlp {
            gated: false,
            activation: Activation::read(fields, "hidden_act", "gelu")?,
            bias: true,
        },
        tied: fields.flag("tie_word_embeddings", false)?,
        ..shared::empty(description)
    })
}
