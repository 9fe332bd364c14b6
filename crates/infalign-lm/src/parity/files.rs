//! Tests against files that transformers and peft wrote (`tests/fixtures`, made by `tests/parity`).
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::{
    Adapter, ChatOptions, ChatTemplate, Dtype, Folder, Spec, Weights, WriteOptions,
    weights::file::TensorFile,
};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

/// The folders of models.
fn models() -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = fs::read_dir(fixtures())
        .unwrap()
        .map(|e| e.unwrap().path())
        .filter(|p| p.join("config.json").exists())
        .collect();
    folders.sort();
    assert!(folders.len() >= 15, "{folders:?}");
    folders
}

/// All tensors of a folder's safetensors files whose names begin so.
fn contents(folder: &Path, start: &str) -> BTreeMap<String, (Vec<usize>, Vec<f32>)> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if !(name.starts_with(start) && name.ends_with(".safetensors")) {
            continue;
        }
        let (file, entries) = TensorFile::open(&path).unwrap();
        for (name, entry) in entries {
            let mut values = Vec::new();
            file.append(&name, &entry, &mut values).unwrap();
            all.insert(name, (entry.shape, values));
        }
    }
    all
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

#[test]
fn both_generations_of_config_json_describe_one_model() {
    for folder in models() {
        let read = |name: &str| {
            let mut spec = Spec::read(folder.join(name)).unwrap();
            spec.raw.clear();
            format!("{spec:?}")
        };
        assert_eq!(
            read("config.json"),
            read("config_v4.json"),
            "{}",
            folder.display()
        );
    }
}

#[test]
fn what_transformers_saved_is_saved_again_tensor_by_tensor() {
    let place = tempfile::tempdir().unwrap();
    // Where to leave the folders, for `check_saved.py` to open.
    let keep = std::env::var_os("INFALIGN_KEEP_SAVED").map(PathBuf::from);
    for source in models() {
        let name = source.file_name().unwrap();
        let folder = Folder::open(&source).unwrap();
        let spec = folder.spec();
        let weights = folder.weights(spec).unwrap();
        let target = keep.as_deref().unwrap_or(place.path()).join(name);
        let options = WriteOptions {
            shard_bytes: 40_000,
            ..WriteOptions::default()
        };
        let read = |tensor: &str| Ok(weights.tensor(tensor)?.1);
        Folder::save(&target, spec, Some(&source), options, read, |_| Ok(())).unwrap();
        assert!(
            contents(&target, "model") == contents(&source, "model"),
            "{name:?}"
        );
        assert_eq!(
            contents(&target, "model").len(),
            contents(&source, "model").len()
        );
        let again = Folder::open(&target).unwrap();
        assert_eq!(again.tokens(), folder.tokens());
        Weights::open(&target, again.spec()).unwrap();
    }
}

#[test]
fn adapters_return_as_peft_saved_them() {
    let spec = Spec::read(fixtures().join("llama2/config.json")).unwrap();
    for name in ["qv", "all"] {
        let source = fixtures().join("lora").join(name);
        let adapter = Adapter::read(&source, &spec).unwrap();
        assert_eq!((adapter.rank, adapter.scale(4)), (4, 2.0));
        let target = tempfile::tempdir().unwrap();
        let target = std::env::var_os("INFALIGN_KEEP_SAVED")
            .map_or(target.path().to_owned(), PathBuf::from)
            .join(format!("lora_{name}"));
        adapter.save(&target, &spec, Dtype::F32).unwrap();
        assert!(
            contents(&target, "adapter") == contents(&source, "adapter"),
            "{name}"
        );
        assert_eq!(Adapter::read(&target, &spec).unwrap(), adapter);
        let config = json(&target.join("adapter_config.json"));
        let modules = config["target_modules"].as_array().unwrap().len();
        assert_eq!(modules, if name == "qv" { 2 } else { 7 }, "{config}");
    }
}

#[test]
fn adapters_of_another_kind_are_refused() {
    let spec = Spec::read(fixtures().join("llama2/config.json")).unwrap();
    let error = |change: &dyn Fn(&mut Value)| {
        let folder = tempfile::tempdir().unwrap();
        let source = fixtures().join("lora/qv");
        for name in ["adapter_config.json", "adapter_model.safetensors"] {
            fs::copy(source.join(name), folder.path().join(name)).unwrap();
        }
        let path = folder.path().join("adapter_config.json");
        let mut config = json(&path);
        change(&mut config);
        fs::write(path, config.to_string()).unwrap();
        Adapter::read(folder.path(), &spec).unwrap_err().to_string()
    };
    assert!(error(&|c| c["use_dora"] = true.into()).contains("`use_dora` is true, expected false"));
    assert!(error(&|c| c["peft_type"] = "IA3".into()).contains("expected LORA"));
    assert!(error(&|c| c["r"] = 0.into()).contains("`r` is 0"));
    let other = Spec::read(fixtures().join("gpt2/config.json")).unwrap();
    let text = Adapter::read(fixtures().join("lora/qv"), &other)
        .unwrap_err()
        .to_string();
    assert!(
        text.contains(
            "does not explain: `base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight`"
        ),
        "{text}"
    );
}

#[test]
fn chat_templates_agree_byte_for_byte() {
    let folder = fixtures().join("templates");
    let all = json(&folder.join("cases.json"));
    // 2024-12-03T04:05:06 UTC
    let now = Some(1_733_198_706);
    let cases = all["cases"].as_array().unwrap();
    let mut wrong = Vec::new();
    for case in cases {
        let text = |field: &str| case[field].as_str().unwrap();
        let name = text("template");
        let source = fs::read_to_string(folder.join(format!("{name}.jinja"))).unwrap();
        let special = all["special_tokens"][name].as_object().unwrap();
        let special = special
            .iter()
            .map(|(role, token)| (role.clone(), token.as_str().unwrap().to_owned()))
            .collect();
        let options = ChatOptions {
            add_generation_prompt: case["add_generation_prompt"].as_bool().unwrap(),
            tools: case["tools"]
                .as_bool()
                .unwrap()
                .then(|| all["tools"].clone()),
            now,
            variables: case["variables"].as_object().unwrap().clone(),
        };
        let messages = all["conversations"][text("conversation")]
            .as_array()
            .unwrap();
        let rendered = ChatTemplate::new(&source, special, "t").render(messages, &options);
        let good = match (&rendered, case.get("expected"), case.get("error")) {
            (Ok(found), Some(expected), _) => Some(found.as_str()) == expected.as_str(),
            (Err(found), _, Some(expected)) => {
                found.to_string().contains(expected.as_str().unwrap())
            }
            _ => false,
        };
        if !good {
            let expected = case.get("expected").or(case.get("error"));
            wrong.push(format!(
                "{name}, {}, tools {}: {rendered:?}\n   expected {expected:?}",
                text("conversation"),
                case["tools"]
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        cases.len(),
        wrong.join("\n")
    );
}
