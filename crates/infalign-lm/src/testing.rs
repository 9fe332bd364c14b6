//! What tests of several files need: the models outside the repository, and small models with random weights.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::path::{Path, PathBuf};

use serde_json::json;

use crate::{Result, Spec, WriteOptions, write_weights};

/// A model of `../shared`, or `None` with a message.
#[expect(clippy::print_stderr, reason = "a skipped test must say so")]
pub(crate) fn shared_model(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/data/models")
        .join(name);
    if path.is_dir() {
        return Some(path);
    }
    eprintln!("SKIPPED: {} is not there", path.display());
    None
}

/// A small config.json of every family, with what makes it special.
pub(crate) fn configs() -> Vec<(&'static str, serde_json::Value)> {
    let llama_line = |class: &str, kind: &str, more: serde_json::Value| {
        let mut config = json!({
            "architectures": [class], "model_type": kind, "hidden_size": 16, "intermediate_size": 24,
            "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
            "vocab_size": 40, "max_position_embeddings": 64, "pad_token_id": 0,
            "bos_token_id": 1, "eos_token_id": [2, 3],
        });
        for (field, value) in more.as_object().unwrap() {
            config[field] = value.clone();
        }
        config
    };
    vec![
        (
            "llama",
            llama_line(
                "LlamaForCausalLM",
                "llama",
                json!({
                    "attention_bias": true, "mlp_bias": true, "rope_theta": 500000.0, "torch_dtype": "bfloat16",
                    "rope_scaling": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0,
                        "high_freq_factor": 4.0, "original_max_position_embeddings": 32},
                }),
            ),
        ),
        (
            "mistral",
            llama_line(
                "MistralForCausalLM",
                "mistral",
                json!({"sliding_window": 8, "head_dim": 8}),
            ),
        ),
        (
            "qwen2",
            llama_line(
                "Qwen2ForCausalLM",
                "qwen2",
                json!({"use_sliding_window": true,
                "sliding_window": 8, "max_window_layers": 1, "tie_word_embeddings": true}),
            ),
        ),
        (
            "qwen3",
            llama_line(
                "Qwen3ForCausalLM",
                "qwen3",
                json!({"head_dim": 6, "rope_parameters":
                {"rope_type": "yarn", "rope_theta": 10000.0, "factor": 4.0, "original_max_position_embeddings": 16}}),
            ),
        ),
        (
            "gemma2",
            llama_line(
                "Gemma2ForCausalLM",
                "gemma2",
                json!({"head_dim": 8, "sliding_window": 8,
                "query_pre_attn_scalar": 8}),
            ),
        ),
        (
            "gpt2",
            json!({"architectures": ["GPT2LMHeadModel"], "model_type": "gpt2", "n_embd": 16, "n_head": 4,
                "n_layer": 2, "n_positions": 64, "vocab_size": 40, "eos_token_id": 39, "bos_token_id": 39}),
        ),
        (
            "gpt_neox",
            json!({"architectures": ["GPTNeoXForCausalLM"], "model_type": "gpt_neox", "hidden_size": 16,
                "num_attention_heads": 2, "num_hidden_layers": 2, "intermediate_size": 32,
                "max_position_embeddings": 64, "vocab_size": 40, "rotary_pct": 0.25,
                "rotary_emb_base": 10000, "use_parallel_residual": true}),
        ),
    ]
}

/// The description of a small model.
pub(crate) fn spec(config: &serde_json::Value) -> Result<Spec> {
    Spec::from_text(&config.to_string(), "config.json")
}

/// Elements that tell where they belong: exact in bf16 up to 256, unlike their neighbours.
pub(crate) fn values(spec: &Spec, name: &str) -> Vec<f32> {
    let rule = spec.tensors().into_iter().find(|t| t.name == name).unwrap();
    let salt = name
        .bytes()
        .fold(7usize, |h, b| h * 31 % 251 + usize::from(b));
    (0..rule.len())
        .map(|i| ((i * 37 + salt) % 256) as f32 - 128.0)
        .collect()
}

/// Writes such a model.
pub(crate) fn write(folder: &Path, config: &serde_json::Value, options: WriteOptions) -> Spec {
    let spec = spec(config).unwrap();
    std::fs::write(folder.join("config.json"), config.to_string()).unwrap();
    write_weights(folder, &spec, options, |name| Ok(values(&spec, name))).unwrap();
    spec
}
