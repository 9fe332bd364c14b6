//! GPT-2: learned positions, layer norms with biases, plain GELU, matrices stored (in, out).

use super::{Description, Names, Qkv, shared};
use crate::{
    error::Result,
    json::Fields,
    spec::{
        Activation, Attention, LayerAttention, MOST_CHANNELS, MOST_LAYERS, MOST_POSITIONS,
        MOST_TOKENS, Mlp, Norm, Placement, Positions, Spec,
    },
};

pub(super) const FAMILY: Description = Description {
    model_type: "gpt2",
    causal: "GPT2LMHeadModel",
    classifier: "GPT2ForSequenceClassification",
    bare: "GPT2Model",
    read,
    names: Names {
        prefix: "transformer.",
        embedding: "wte",
        positions: Some("wpe"),
        layers: "h",
        attention_norm: "ln_1",
        attention_post_norm: None,
        mlp_norm: "ln_2",
        mlp_post_norm: None,
        qkv: Qkv::Fused("attn.c_attn"),
        qk_norm: None,
        attention_out: "attn.c_proj",
        mlp_in: &["mlp.c_fc"],
        mlp_out: "mlp.c_proj",
        norm: "ln_f",
        heads: &["lm_head"],
        transposed: true,
        ignored: &["attn.bias", "attn.masked_bias"],
    },
};

fn read(fields: &Fields<'_>, description: &'static Description) -> Result<Spec> {
    // transformers takes either name of each pair.
    let size = |field: &str, other: &str, most| match fields.size_if_there(field, most)? {
        Some(n) => Ok(n),
        None => fields
            .size_if_there(other, most)?
            .ok_or_else(|| fields.missing(field)),
    };
    if fields.flag("add_cross_attention", false)? {
        return Err(fields.bad("add_cross_attention", "false: there is no encoder"));
    }
    let dim = size("n_embd", "hidden_size", MOST_CHANNELS)?;
    let heads = size("n_head", "num_attention_heads", MOST_CHANNELS)?;
    let layers = size("n_layer", "num_hidden_layers", MOST_LAYERS)?;
    let head_dim = shared::share(fields, dim, heads, "n_embd", "n_head")?;
    let scale = if fields.flag("scale_attn_weights", true)? {
        (head_dim as f64).powf(-0.5)
    } else {
        1.0
    };
    let by_layer = fields.flag("scale_attn_by_inverse_layer_idx", false)?;
    let scales = (0..layers).map(|i| LayerAttention {
        scale: (if by_layer {
            scale / (i + 1) as f64
        } else {
            scale
        }) as f32,
        window: None,
    });
    Ok(Spec {
        vocab: fields.size("vocab_size", MOST_TOKENS)?,
        dim,
        layers,
        heads,
        kv_heads: heads,
        head_dim,
        ffn: fields
            .size_if_there("n_inner", MOST_CHANNELS)?
            .unwrap_or(4 * dim),
        max_positions: size("n_positions", "max_position_embeddings", MOST_POSITIONS)?,
        norm: Norm::Layer {
            eps: fields.positive("layer_norm_epsilon")?.unwrap_or(1e-5) as f32,
        },
        placement: Placement::Pre,
        positions: Positions::Learned,
        attention: Attention {
            qk_norm: false,
            qkv_bias: true,
            out_bias: true,
            softcap: None,
            layers: scales.collect(),
        },
        mlp: Mlp {
            gated: false,
            activation: Activation::read(fields, "activation_function", "gelu_new")?,
            bias: true,
        },
        tied: fields.flag("tie_word_embeddings", true)?,
        ..shared::empty(description)
    })
}
