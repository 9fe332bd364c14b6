//! Doors for the fuzz targets: each takes any bytes, and panics only where a promise is broken.

use crate::{Spec, weights};

/// A config.json: what is accepted has tensors of sizes that can be added up.
pub fn config(text: &str) {
    if let Ok(spec) = Spec::from_text(text, "fuzz") {
        assert!(spec.tensors().iter().all(|t| !t.is_empty()), "{spec:?}");
        assert!(!spec.adapter_targets().is_empty(), "{spec:?}");
    }
}

/// A safetensors file: what is accepted lies within it.
pub fn safetensors(file: &[u8]) {
    weights::fuzz_header(file);
}

/// An index of shards: what is accepted names files beside it.
pub fn index(text: &str) {
    weights::fuzz_index(text);
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use proptest::prelude::*;

    use crate::{WriteOptions, testing};

    fn file() -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        testing::write(
            folder.path(),
            &testing::configs()[0].1,
            WriteOptions::default(),
        );
        std::fs::read(folder.path().join("model.safetensors")).unwrap()
    }

    proptest! {
        #[test]
        fn no_changed_byte_panics(at in 0usize..4000, byte: u8, family in 0usize..7, cut in 0usize..600) {
            let (_, config) = &testing::configs()[family];
            let mut text = config.to_string().into_bytes();
            let place = at % text.len();
            text[place] = byte;
            super::config(&String::from_utf8_lossy(&text));
            super::index(&String::from_utf8_lossy(&text));
            let mut file = file();
            let place = at % file.len();
            file[place] = byte;
            super::safetensors(&file);
            super::safetensors(&file[..cut]);
        }

        #[test]
        fn no_number_in_a_config_panics(field in 0usize..40, value in prop_oneof![
            Just(0u64), Just(1), 2u64..200, Just(1 << 20), Just(1 << 24), Just(1 << 28), Just(u64::MAX)
        ], family in 0usize..7) {
            let (_, mut config) = testing::configs().swap_remove(family);
            let fields = config.as_object_mut().unwrap();
            let names: Vec<String> = fields.keys().cloned().collect();
            fields[&names[field % names.len()]] = value.into();
            if fields.get("num_hidden_layers").or(fields.get("n_layer")).and_then(serde_json::Value::as_u64) < Some(300) {
                super::config(&config.to_string());
            }
        }
    }
}
