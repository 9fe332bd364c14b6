//! A small world to train on, and a small model of it.

use std::{
    path::{Path, PathBuf},
    sync::OnceLock,
};

use serde_json::Value;

use super::folder::Folder;

/// A llama of two layers; vocabulary and special tokens come from the tokenizer.
pub(crate) const CONFIG: &str = r#"{"model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": 32, "intermediate_size": 64,
"num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 64, "rms_norm_eps": 1e-5, "tie_word_embeddings": true}"#;

/// How the model of [`model`] is made.
pub(crate) const PRETRAIN: &str = "pretrain --config config.json --train-tokenizer 320 --data world.txt --out tiny --steps 60 --context 32 \
     --learning-rate 0.01 --warmup 4 --validation 0.1";

/// Documents of which a model soon knows something.
pub(crate) fn world() -> String {
    let names = ["Lily", "Tom", "Ben", "Sue"];
    let things = ["a ball", "the café", "a red kite", "two 🙂 cats", "an egg"];
    let verbs = ["saw", "liked", "found", "lost"];
    let mut text = String::new();
    for i in 0..160 {
        let (name, thing, verb) = (names[i % 4], things[i % 5], verbs[i / 4 % 4]);
        text.push_str(&format!(
            "One day {name} {verb} {thing}. {name} was happy, and went home.\n<|endoftext|>\n"
        ));
    }
    text
}

/// A folder with the world and the configuration in it.
pub(crate) fn begun() -> Folder {
    let folder = Folder::new();
    folder.write("config.json", CONFIG);
    folder.write("world.txt", &world());
    folder
}

/// A trained model's folder, made once.
pub(crate) fn model() -> &'static Path {
    static MODEL: OnceLock<(Folder, PathBuf)> = OnceLock::new();
    let (_, path) = MODEL.get_or_init(|| {
        let folder = begun();
        folder.run(PRETRAIN).done();
        let path = folder.path("tiny");
        (folder, path)
    });
    path
}

/// JSON lines.
pub(crate) fn lines(text: &str) -> Vec<Value> {
    text.lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect()
}
