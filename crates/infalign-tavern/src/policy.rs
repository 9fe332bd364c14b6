//! The base policy: a tiny Llama that was trained on the grammar's lines, as files in the program.

use std::path::Path;

use crate::error::Result;

/// The config.json that the policy was trained from.
pub const CONFIG: &str = include_str!("../world/config.json");

/// The files of the policy's folder; config.json, by which a folder is known as a model, last.
pub const POLICY_FILES: [(&str, &[u8]); 5] = [
    (
        "model.safetensors",
        include_bytes!("../assets/policy/model.safetensors"),
    ),
    (
        "tokenizer.json",
        include_bytes!("../assets/policy/tokenizer.json"),
    ),
    (
        "tokenizer_config.json",
        include_bytes!("../assets/policy/tokenizer_config.json"),
    ),
    (
        "generation_config.json",
        include_bytes!("../assets/policy/generation_config.json"),
    ),
    (
        "config.json",
        include_bytes!("../assets/policy/config.json"),
    ),
];

/// Writes the policy's folder. Every file is there whole or not at all, and config.json comes last: a folder that has it is complete.
/// Files of those names that are there are replaced.
///
/// # Errors
/// What the disk said, with the path.
pub fn write_policy(folder: impl AsRef<Path>) -> Result<()> {
    let folder = folder.as_ref();
    std::fs::create_dir_all(folder).map_err(|source| infalign_data::Error::Write {
        path: folder.to_owned(),
        source,
    })?;
    for (name, bytes) in POLICY_FILES {
        infalign_data::write_atomic(folder.join(name), |file| file.write_all(bytes))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;
    use serde_json::Value;

    use super::*;

    fn file(name: &str) -> &'static [u8] {
        let found = POLICY_FILES.iter().find(|file| file.0 == name);
        found.expect("a file of the policy").1
    }

    fn json(text: &[u8]) -> Value {
        serde_json::from_slice(text).expect("JSON")
    }

    fn vocabulary(tokenizer: &[u8]) -> BTreeMap<String, u64> {
        let map = json(tokenizer)["model"]["vocab"].clone();
        serde_json::from_value(map).expect("tokens and ids")
    }

    #[test]
    fn the_folder_is_complete_small_and_written_as_it_is() {
        let total: usize = POLICY_FILES.iter().map(|file| file.1.len()).sum();
        assert!(total < 700_000, "{total} bytes");
        let folder = tempfile::tempdir().expect("a folder");
        let policy = folder.path().join("deep/policy");
        write_policy(&policy).expect("written");
        write_policy(&policy).expect("written again");
        for (name, bytes) in POLICY_FILES {
            assert_eq!(std::fs::read(policy.join(name)).expect("there"), bytes);
        }
        assert_eq!(std::fs::read_dir(&policy).expect("a folder").count(), 5);
    }

    #[test]
    fn the_model_is_of_this_configuration_and_these_words() {
        let config = json(file("config.json"));
        let asked = json(CONFIG.as_bytes());
        for (field, value) in asked.as_object().expect("an object") {
            // A number may be written otherwise.
            assert_eq!(config[field].as_f64(), value.as_f64(), "{field}");
            assert_eq!(config[field].as_str(), value.as_str(), "{field}");
        }
        let words = vocabulary(crate::tokenizer_json().as_bytes());
        let same = vocabulary(file("tokenizer.json")) == words;
        assert!(same, "other words than the tables': run `cargo xtask tiny`");
        assert_eq!(config["vocab_size"], words.len());
        assert_eq!(config["eos_token_id"], words[crate::tokenizer::END]);
    }

    #[test]
    fn every_word_of_a_line_is_one_token() {
        let words = vocabulary(file("tokenizer.json"));
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        for _ in 0..500 {
            let line = crate::grammar::line(&mut rng);
            let text = line.prompt + &line.response;
            for piece in text.replace([':', ',', '.'], "").split(' ').skip(1) {
                assert!(
                    words.contains_key(&format!("Ġ{piece}")),
                    "{piece:?} of {text}"
                );
            }
        }
    }
}
