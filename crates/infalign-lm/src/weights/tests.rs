//! Weights there and back, for every family; and a hostile file for every way in which a file can lie.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::{fs, path::Path};

use serde_json::{Value, json};

use super::{Dtype, INDEX, SINGLE, Weights, WriteOptions};
use crate::{
    Error, Head, Kind,
    testing::{configs, shared_model, spec, values, write},
};

#[test]
fn every_family_returns_what_was_written() {
    let options = [
        WriteOptions::default(),
        WriteOptions {
            dtype: Dtype::Bf16,
            shard_bytes: 3000,
        },
        WriteOptions {
            dtype: Dtype::F64,
            shard_bytes: 1,
        },
    ];
    for (name, config) in configs() {
        for options in options {
            let folder = tempfile::tempdir().unwrap();
            let spec = write(folder.path(), &config, options);
            assert_eq!(
                folder.path().join(INDEX).exists(),
                options.shard_bytes < 5000,
                "{name}"
            );
            let weights = Weights::open(folder.path(), &spec).unwrap();
            assert_eq!(weights.tensors(), spec.tensors());
            assert_eq!(weights.dtype(), options.dtype);
            for rule in spec.tensors() {
                let (shape, read) = weights.tensor(&rule.name).unwrap();
                assert_eq!(shape, rule.shape, "{name} {}", rule.name);
                assert_eq!(read, values(&spec, &rule.name), "{name} {}", rule.name);
            }
        }
    }
}

#[test]
fn files_of_bare_models_have_no_prefix() {
    let folder = tempfile::tempdir().unwrap();
    let config = configs().into_iter().find(|(n, _)| *n == "gpt2").unwrap().1;
    let spec = write(folder.path(), &config, WriteOptions::default());
    edit(folder.path(), |name, _| {
        Some(name.strip_prefix("transformer.").unwrap().to_owned())
    });
    let weights = Weights::open(folder.path(), &spec).unwrap();
    let (_, read) = weights.tensor("layers.1.mlp.up.weight").unwrap();
    assert_eq!(read, values(&spec, "layers.1.mlp.up.weight"));
}

#[test]
fn another_head_is_fresh_and_the_old_one_is_left() {
    for (name, config) in configs() {
        let folder = tempfile::tempdir().unwrap();
        let spec = write(folder.path(), &config, WriteOptions::default());
        let reward = spec.clone().with_head(Head::Classifier { labels: 1 });
        let weights = Weights::open(folder.path(), &reward).unwrap();
        let fresh: Vec<&str> = weights.fresh().iter().map(|t| t.name.as_str()).collect();
        assert_eq!(fresh, ["score.weight"], "{name}");
        // As a saved reward model it is complete, and its head comes back from its config.json.
        let folder = tempfile::tempdir().unwrap();
        let config = Value::Object(reward.config("float32"));
        let again = write(folder.path(), &config, WriteOptions::default());
        assert_eq!(again.head, Head::Classifier { labels: 1 });
        let value = again.with_head(Head::Value);
        assert!(
            Weights::open(folder.path(), &value)
                .unwrap()
                .fresh()
                .is_empty()
        );
        let config = Value::Object(value.config("float32"));
        assert_eq!(
            super::super::testing::spec(&config).unwrap().head,
            Head::Value
        );
    }
}

#[test]
fn the_trained_models_load() {
    for (name, parameters) in [("stories260K", 260_032), ("babyllama105", 936_448)] {
        let Some(folder) = shared_model(name) else {
            return;
        };
        let folder = crate::Folder::open(folder).unwrap();
        let weights = folder.weights(folder.spec()).unwrap();
        let mut n = 0;
        for rule in weights.tensors() {
            let (_, values) = weights.tensor(&rule.name).unwrap();
            assert!(values.iter().all(|x| x.is_finite()), "{}", rule.name);
            n += values.len();
        }
        assert_eq!(n, parameters, "{name}");
    }
}

// Hostile files.

/// A small Llama, written, then spoiled by `spoil`; the error on opening it.
fn error(spoil: impl FnOnce(&Path)) -> Error {
    let folder = tempfile::tempdir().unwrap();
    let config = &configs()[0].1;
    let spec = write(folder.path(), config, WriteOptions::default());
    spoil(folder.path());
    let error = Weights::open(folder.path(), &spec).unwrap_err();
    assert_eq!(error.kind(), Kind::User, "{error}");
    error
}

/// Sharded by tensor.
fn sharded_error(spoil: impl FnOnce(&Path)) -> Error {
    let folder = tempfile::tempdir().unwrap();
    let options = WriteOptions {
        shard_bytes: 3000,
        ..WriteOptions::default()
    };
    let spec = write(folder.path(), &configs()[0].1, options);
    spoil(folder.path());
    Weights::open(folder.path(), &spec).unwrap_err()
}

/// Rewrites the header by name and entry; a name of `None` is dropped.
fn edit(folder: &Path, mut change: impl FnMut(&str, &mut Value) -> Option<String>) {
    edit_header(folder, |header| {
        header
            .into_iter()
            .filter_map(|(name, mut entry)| {
                let name = if name == "__metadata__" {
                    Some(name)
                } else {
                    change(&name, &mut entry)
                };
                Some((name?, entry))
            })
            .collect()
    });
}

fn edit_header(folder: &Path, change: impl FnOnce(crate::json::Object) -> crate::json::Object) {
    let (header, data) = split(folder);
    let header = change(serde_json::from_slice(&header).unwrap());
    join(folder, &serde_json::to_vec(&header).unwrap(), &data);
}

fn split(folder: &Path) -> (Vec<u8>, Vec<u8>) {
    let bytes = fs::read(folder.join(SINGLE)).unwrap();
    let n = usize::try_from(u64::from_le_bytes(bytes[..8].try_into().unwrap())).unwrap();
    (bytes[8..8 + n].to_vec(), bytes[8 + n..].to_vec())
}

fn join(folder: &Path, header: &[u8], data: &[u8]) {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(header);
    bytes.extend_from_slice(data);
    fs::write(folder.join(SINGLE), bytes).unwrap();
}

/// Changes the entry of one tensor.
fn edit_one(folder: &Path, tensor: &str, change: impl Fn(&mut Value)) {
    let mut found = false;
    edit(folder, |name, entry| {
        if name == tensor {
            found = true;
            change(entry);
        }
        Some(name.to_owned())
    });
    assert!(found, "no {tensor}");
}

#[track_caller]
fn says(error: &Error, parts: &[&str]) {
    let text = error.to_string();
    for part in parts {
        assert!(text.contains(part), "`{text}` does not say `{part}`");
    }
}

const NORM: &str = "model.norm.weight";

#[test]
fn cut_short_files_are_noticed_at_every_length() {
    for keep in [0, 7, 8, 100] {
        let e = error(|f| {
            let bytes = fs::read(f.join(SINGLE)).unwrap();
            fs::write(f.join(SINGLE), &bytes[..keep]).unwrap();
        });
        assert!(matches!(e, Error::Header { .. }), "{e}");
    }
    let e = error(|f| {
        let bytes = fs::read(f.join(SINGLE)).unwrap();
        fs::write(f.join(SINGLE), &bytes[..bytes.len() - 1]).unwrap();
    });
    says(&e, &["cut short", "tensor `"]);
}

#[test]
fn header_lengths_that_lie() {
    let with_length = |n: u64| {
        error(|f| {
            let mut bytes = fs::read(f.join(SINGLE)).unwrap();
            bytes[..8].copy_from_slice(&n.to_le_bytes());
            fs::write(f.join(SINGLE), bytes).unwrap();
        })
    };
    says(&with_length(u64::MAX), &["more than the 100000000"]);
    says(&with_length(50_000_000), &["claims 50000000 bytes"]);
    says(&with_length(40), &["not understood"]);
}

#[test]
fn headers_that_are_no_headers() {
    says(
        &error(|f| join(f, b"[1]", b"")),
        &["does not begin with `{`"],
    );
    says(&error(|f| join(f, b"{\"a\xff\":1}", b"")), &["not UTF-8"]);
    let twice = br#"{"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}"#;
    says(&error(|f| join(f, twice, &[0; 4])), &["`a` stands twice"]);
    let more = br#"{"a":{"dtype":"F32","shape":[],"data_offsets":[0,4],"strides":[1]}}"#;
    says(&error(|f| join(f, more, &[0; 4])), &["strides"]);
}

#[test]
fn offsets_that_overlap_or_leave_gaps() {
    let e = error(|f| {
        edit_one(f, NORM, |e| {
            for i in 0..2 {
                e["data_offsets"][i] = json!(e["data_offsets"][i].as_u64().unwrap() - 4);
            }
        });
    });
    says(&e, &["overlaps"]);
    let e = error(|f| {
        let (header, mut data) = split(f);
        data.extend([0; 4]);
        join(f, &header, &data);
    });
    says(&e, &["4 bytes after the last tensor"]);
    let e = error(|f| {
        edit(f, |name, _| {
            (name != "model.layers.0.input_layernorm.weight").then(|| name.to_owned())
        });
    });
    says(&e, &["gap"]);
    let e = error(|f| edit_one(f, NORM, |e| e["data_offsets"] = json!([8, 4])));
    says(&e, &[NORM, "8..4"]);
}

#[test]
fn shapes_and_types_that_lie() {
    says(
        &error(|f| edit_one(f, NORM, |e| e["dtype"] = json!("F33"))),
        &[NORM, "unknown dtype `F33`"],
    );
    says(
        &error(|f| edit_one(f, NORM, |e| e["dtype"] = json!("I32"))),
        &[NORM, "stored as I32"],
    );
    says(
        &error(|f| edit_one(f, NORM, |e| e["dtype"] = json!("BF16"))),
        &[NORM, "takes 32 bytes"],
    );
    says(
        &error(|f| edit_one(f, NORM, |e| e["shape"] = json!([17]))),
        &[NORM, "takes 68 bytes"],
    );
    says(
        &error(|f| edit_one(f, NORM, |e| e["shape"] = json!([u64::MAX, 3]))),
        &[NORM, "overflows"],
    );
    let e = error(|f| edit_one(f, NORM, |e| e["shape"] = json!([4, 4])));
    says(&e, &[NORM, "[4, 4]", "[16]", "config.json"]);
}

#[test]
fn missing_and_unexplained_tensors_are_all_named() {
    let e = error(|f| {
        edit(f, |name, _| {
            Some(name.replace("up_proj.weight", "upward.weight"))
        });
    });
    says(
        &e,
        &[
            "2 tensors",
            "`model.layers.0.mlp.up_proj.weight`, `model.layers.1.mlp.up_proj.weight`",
            "missing",
        ],
    );
    let folder = tempfile::tempdir().unwrap();
    let config = &configs()[0].1;
    write(folder.path(), config, WriteOptions::default());
    let mut plain = config.clone();
    plain["mlp_bias"] = json!(false);
    let e = Weights::open(folder.path(), &spec(&plain).unwrap()).unwrap_err();
    says(
        &e,
        &[
            "6 tensors",
            "`model.layers.0.mlp.down_proj.bias`",
            "does not explain",
        ],
    );
    let names = (0..25).map(|i| format!("t{i}")).collect();
    let e = Error::UnexpectedTensors {
        file: String::new(),
        names,
    };
    says(&e, &["25 tensors", "`t19` and 5 more"]);
}

#[test]
fn old_buffers_are_ignored_and_tied_copies_must_agree() {
    // A buffer at the end of the data.
    let folder = tempfile::tempdir().unwrap();
    let mut config = configs()[0].1.clone();
    let untied = write(folder.path(), &config, WriteOptions::default());
    let (header, mut data) = split(folder.path());
    let mut header: crate::json::Object = serde_json::from_slice(&header).unwrap();
    let end = data.len();
    header.insert(
        "model.layers.0.self_attn.rotary_emb.inv_freq".into(),
        json!({"dtype": "F32", "shape": [2], "data_offsets": [end, end + 8]}),
    );
    data.extend([0; 8]);
    join(folder.path(), &serde_json::to_vec(&header).unwrap(), &data);
    Weights::open(folder.path(), &untied).unwrap();
    config["tie_word_embeddings"] = json!(true);
    let tied = spec(&config).unwrap();
    let e = Weights::open(folder.path(), &tied).unwrap_err();
    says(&e, &["lm_head.weight", "tie_word_embeddings", "differ"]);
    // The head's bytes made the embedding's.
    let at = |name: &str| {
        let at =
            |i: usize| usize::try_from(header[name]["data_offsets"][i].as_u64().unwrap()).unwrap();
        at(0)..at(1)
    };
    data.copy_within(at("model.embed_tokens.weight"), at("lm_head.weight").start);
    join(folder.path(), &serde_json::to_vec(&header).unwrap(), &data);
    Weights::open(folder.path(), &tied).unwrap();
}

#[test]
fn indices_that_lie() {
    let edit_index = |change: &dyn Fn(&mut Value)| {
        sharded_error(|f| {
            let path = f.join(INDEX);
            let mut index: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
            change(&mut index);
            fs::write(&path, index.to_string()).unwrap();
        })
    };
    let place = |i: &mut Value, shard: Value| i["weight_map"][NORM] = shard;
    let first = |i: &Value| i["weight_map"]["model.embed_tokens.weight"].clone();
    says(
        &edit_index(&|i| place(i, json!("model-00009-of-00004.safetensors"))),
        &["00009", "not there"],
    );
    says(&edit_index(&|i| place(i, first(i))), &[NORM, "places"]);
    for out in ["../model.safetensors", "/etc/passwd", "a\\b", "..", ""] {
        says(
            &edit_index(&|i| place(i, json!(out))),
            &["not a plain file name"],
        );
    }
    says(&edit_index(&|i| place(i, json!(3))), &["not a text"]);
    says(
        &edit_index(&|i| i["weight_map"]["ghost"] = first(i)),
        &["ghost", "does not hold it"],
    );
    says(
        &edit_index(&|i| {
            i["weight_map"].as_object_mut().unwrap().remove(NORM);
        }),
        &["does not name", NORM],
    );
    says(&edit_index(&|i| i["weight_map"] = json!({})), &["empty"]);
    says(&edit_index(&|i| *i = json!({})), &["no `weight_map`"]);
    says(
        &sharded_error(|f| fs::write(f.join(INDEX), "{").unwrap()),
        &["malformed JSON"],
    );
    says(
        &sharded_error(|f| fs::write(f.join(INDEX), b"\xff").unwrap()),
        &["UTF-8"],
    );
}

#[test]
fn folders_without_weights_say_what_to_do() {
    let e = error(|f| fs::remove_file(f.join(SINGLE)).unwrap());
    says(&e, &["neither model.safetensors nor"]);
    let e = error(|f| fs::rename(f.join(SINGLE), f.join("pytorch_model.bin")).unwrap());
    says(&e, &["pytorch_model.bin", "save_pretrained"]);
}

#[test]
fn a_failing_source_leaves_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let spec = spec(&configs()[0].1).unwrap();
    let e = super::write_weights(folder.path(), &spec, WriteOptions::default(), |_| {
        Ok(vec![1.0])
    })
    .unwrap_err();
    assert_eq!(e.kind(), Kind::Bug);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}
