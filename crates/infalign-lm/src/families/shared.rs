//! What several families' config.json say in the same fields: the Llama line (Llama, Mistral, Qwen, Gemma).

use serde_json::Value;

use super::{Description, Names, Qkv};
use crate::{
    error::Result,
    json::{Fields, Object},
    rope::Rotary,
    spec::{
        Activation, Attention, Head, LayerAttention, MOST_CHANNELS, MOST_LAYERS, MOST_POSITIONS,
        MOST_TOKENS, Mlp, Norm, Placement, Positions, Spec, TokenIds,
    },
};

/// The names of the Llama line.
pub(super) const NAMES: Names = Names {
    prefix: "model.",
    embedding: "embed_tokens",
    positions: None,
    layers: "layers",
    attention_norm: "input_layernorm",
    attention_post_norm: None,
    mlp_norm: "post_attention_layernorm",
    mlp_post_norm: None,
    qkv: Qkv::Apart(["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"]),
    qk_norm: None,
    attention_out: "self_attn.o_proj",
    mlp_in: &["mlp.gate_proj", "mlp.up_proj"],
    mlp_out: "mlp.down_proj",
    norm: "norm",
    heads: &["lm_head"],
    transposed: false,
    ignored: &["rotary_emb.inv_freq"],
};

/// A spec of the Llama line: RMS norms, rotary positions, gated `SiLU`, no biases; families change
/// what differs. `kv_heads` is the default where the field is absent (null means as many as heads).
pub(super) fn llama_line(
    fields: &Fields<'_>,
    description: &'static Description,
    kv_heads: Option<usize>,
    head_dim: Option<usize>,
) -> Result<Spec> {
    let dim = fields.size("hidden_size", MOST_CHANNELS)?;
    let layers = fields.size("num_hidden_layers", MOST_LAYERS)?;
    let heads = fields.size("num_attention_heads", MOST_CHANNELS)?;
    let kv_heads = match fields.size_if_there("num_key_value_heads", MOST_CHANNELS)? {
        Some(n) => n,
        None if fields.object.contains_key("num_key_value_heads") => heads,
        None => kv_heads.unwrap_or(heads),
    };
    let head_dim = match fields
        .size_if_there("head_dim", MOST_CHANNELS)?
        .or(head_dim)
    {
        Some(n) => n,
        None => share(fields, dim, heads, "hidden_size", "num_attention_heads")?,
    };
    let max_positions = fields.size("max_position_embeddings", MOST_POSITIONS)?;
    let rotary = Rotary::read(
        fields,
        head_dim,
        max_positions,
        "rope_theta",
        "partial_rotary_factor",
        1.0,
    )?;
    Ok(Spec {
        vocab: fields.size("vocab_size", MOST_TOKENS)?,
        dim,
        layers,
        heads,
        kv_heads,
        head_dim,
        ffn: fields.size("intermediate_size", MOST_CHANNELS)?,
        max_positions,
        norm: Norm::Rms {
            eps: fields.positive("rms_norm_eps")?.unwrap_or(1e-6) as f32,
            offset: 0.0,
        },
        placement: Placement::Pre,
        positions: Positions::Rotary(rotary),
        attention: Attention {
            qk_norm: false,
            qkv_bias: false,
            out_bias: false,
            softcap: None,
            layers: vec![
                LayerAttention {
                    scale: inverse_root(head_dim as f64),
                    window: None,
                };
                layers
            ],
        },
        mlp: Mlp {
            gated: true,
            activation: Activation::read(fields, "hidden_act", "silu")?,
            bias: false,
        },
        embedding_scale: None,
        tied: fields.flag("tie_word_embeddings", false)?,
        logit_softcap: None,
        ..empty(description)
    })
}

/// What the caller of a family's reader fills in, and zeros.
pub(super) fn empty(description: &'static Description) -> Spec {
    Spec {
        vocab: 0,
        dim: 0,
        layers: 0,
        heads: 0,
        kv_heads: 0,
        head_dim: 0,
        ffn: 0,
        max_positions: 0,
        norm: Norm::Layer { eps: 0.0 },
        placement: Placement::Pre,
        positions: Positions::Learned,
        attention: Attention {
            qk_norm: false,
            qkv_bias: false,
            out_bias: false,
            softcap: None,
            layers: Vec::new(),
        },
        mlp: Mlp {
            gated: false,
            activation: Activation::Gelu,
            bias: false,
        },
        embedding_scale: None,
        tied: false,
        logit_softcap: None,
        head: Head::CausalLm,
        initializer_range: 0.0,
        tokens: TokenIds::default(),
        description,
        raw: Object::new(),
        fresh_head: false,
    }
}

/// `whole` / `parts`, exactly.
pub(super) fn share(
    fields: &Fields<'_>,
    whole: usize,
    parts: usize,
    whole_field: &str,
    parts_field: &str,
) -> Result<usize> {
    if whole.is_multiple_of(parts) {
        Ok(whole / parts)
    } else {
        Err(fields.contradiction(format!(
            "`{parts_field}` {parts} does not divide `{whole_field}` {whole}"
        )))
    }
}

/// x^(−½) as Python takes it, in double, then single.
pub(super) fn inverse_root(x: f64) -> f32 {
    x.powf(-0.5) as f32
}

/// Sets the window of every layer for which `slides` says so.
pub(super) fn slide(
    spec: &mut Spec,
    fields: &Fields<'_>,
    window: Option<usize>,
    slides: impl Fn(usize) -> bool,
) -> Result<()> {
    let listed = layer_types(fields, spec.layers)?;
    for (i, layer) in spec.attention.layers.iter_mut().enumerate() {
        if listed.as_ref().map_or_else(|| slides(i), |l| l[i]) {
            if window.is_none() && listed.is_some() {
                return Err(fields.contradiction(
                    "`layer_types` asks for sliding attention, but no window is set; set `sliding_window` \
                     (and `use_sliding_window` where there is one)",
                ));
            }
            layer.window = window;
        }
    }
    Ok(())
}

/// `layer_types`: which layers slide.
fn layer_types(fields: &Fields<'_>, layers: usize) -> Result<Option<Vec<bool>>> {
    let expected = "a list with full_attention or sliding_attention for every layer";
    let Some(value) = fields.get("layer_types") else {
        return Ok(None);
    };
    let Value::Array(types) = value else {
        return Err(fields.bad("layer_types", expected));
    };
    if types.len() != layers {
        return Err(fields.contradiction(format!(
            "`layer_types` lists {} layers, but there are {layers} (`num_hidden_layers`)",
            types.len()
        )));
    }
    let slides = types.iter().map(|t| match t.as_str() {
        Some("full_attention" | "attention") => Ok(false),
        Some("sliding_attention") => Ok(true),
        _ => Err(fields.bad("layer_types", expected)),
    });
    slides.collect::<Result<_>>().map(Some)
}
