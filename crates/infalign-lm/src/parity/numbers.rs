//! Agreement with transformers, PyTorch and peft: tiny models of every family against what `tests/parity/make_fixtures.py` found.
//!
//! Everything is checked on both ways that an operation can take: the CPU's kernels, and the composition that other devices use.

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use serde_json::Value;

use crate::{
    Precision,
    batch::Batch,
    model::{Decoder, values},
    open_device,
    ops::{
        fused::{composed, is_cpu},
        head::{RowGrad, RowStats, Rule},
    },
    score::{Sequence, classify, score, token_values},
    spec::{Head, Spec},
    tensors::TensorRule,
    train::{AdamW, AdamWConfig, Gradients, Objective, ScoreGrad, gradients, score_gradients},
    weights::{Adapter, Weights, named::Named},
};

pub(super) const CAUSAL: [&str; 9] = [
    "llama2",
    "llama3",
    "mistral",
    "qwen2",
    "qwen3",
    "gemma2",
    "gpt2",
    "gpt_neox",
    "gpt_neox_sequential",
];
pub(super) const CLASSIFIERS: [&str; 7] = [
    "llama_cls",
    "mistral_cls",
    "qwen2_cls",
    "qwen3_cls",
    "gemma2_cls",
    "gpt2_cls",
    "gpt_neox_cls",
];

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}

pub(super) fn load(name: &str) -> Decoder {
    let folder = folder(name);
    let spec = Spec::read(folder.join("config.json")).expect("a config");
    let weights = Weights::open(&folder, &spec).expect("weights");
    Decoder::load(spec, &weights, 0, &device()).expect("a decoder")
}

/// The device under test: `INFALIGN_PARITY_DEVICE` (`cargo xtask gpu-parity` sets it), else the CPU.
pub(super) fn device() -> Device {
    let name = std::env::var("INFALIGN_PARITY_DEVICE").unwrap_or_else(|_| "cpu".to_owned());
    open_device(name.parse().expect("a device"), Precision::F32).expect("the device")
}

/// What is expected of a fixture.
pub(super) struct Expected {
    pub(super) facts: Value,
    tensors: Named,
}

impl Expected {
    pub(super) fn of(name: &str) -> Self {
        let folder = folder(name);
        let text = std::fs::read_to_string(folder.join("expected.json")).expect("expected.json");
        Self {
            facts: serde_json::from_str(&text).expect("JSON"),
            tensors: Named::open(folder.join("expected.safetensors"))
                .expect("expected.safetensors"),
        }
    }

    pub(super) fn tensor(&self, name: &str) -> Vec<f32> {
        self.tensors.tensor(name).expect(name).1
    }

    pub(super) fn sequences(&self) -> Vec<Vec<u32>> {
        serde_json::from_value(self.facts["sequences"].clone()).expect("sequences")
    }
}

/// Runs a check on both ways.
fn both(check: impl Fn(&str)) {
    if is_cpu(&device()) {
        check("kernels");
    }
    composed::run(|| check("composed"));
}

fn assert_near(found: &[f32], expected: &[f32], tolerance: f32, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}: length");
    for (i, (f, e)) in found.iter().zip(expected).enumerate() {
        assert!(
            (f - e).abs() <= tolerance,
            "{what}, value {i}: {f}, expected {e}"
        );
    }
}

/// ‖found − expected‖ ≤ share · ‖expected‖.
pub(super) fn assert_close(found: &[f32], expected: &[f32], share: f64, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}: length");
    let norm = |it: &mut dyn Iterator<Item = f64>| it.map(|v| v * v).sum::<f64>().sqrt();
    let off = norm(&mut found.iter().zip(expected).map(|(f, e)| f64::from(f - e)));
    let size = norm(&mut expected.iter().map(|e| f64::from(*e)));
    assert!(off <= share * size, "{what}: off by {off:e} of {size:e}");
}

/// Mean next-token cross-entropy and its gradients.
pub(super) fn cross_entropy(
    model: &Decoder,
    sequences: &[Vec<u32>],
    checkpoint: bool,
) -> (Gradients, f64) {
    let batch = Batch::new(sequences, model.spec()).expect("a batch");
    let targets: Vec<Option<u32>> = sequences
        .iter()
        .flat_map(|s| s[1..].iter().copied().map(Some).chain([None]))
        .collect();
    let count = targets.iter().flatten().count() as f64;
    let objective = Objective {
        targets: &targets,
        reference: None,
        temperature: 1.0,
        rule: Rule::Row(&mut |_, stats: RowStats| RowGrad {
            loss: -stats.log_prob,
            d_log_prob: -1.0,
            ..RowGrad::default()
        }),
    };
    (
        gradients(model, &batch, objective, checkpoint).expect("gradients"),
        1.0 / count,
    )
}

/// The parts of one of our tensors under the hub's names.
fn hub(rule: &TensorRule, ours: &[f32], expected: &Expected) -> Vec<(String, Vec<f32>)> {
    let row = rule.row_len();
    rule.parts
        .iter()
        .map(|p| {
            let rows = &ours[p.rows.start * row..p.rows.end * row];
            // transformers gives NeoX's head another name in memory than in files.
            let names = [Some(&p.hub), p.other_hub.as_ref()].into_iter().flatten();
            let name = names
                .map(|hub| format!("grad.{}{hub}", p.prefix))
                .find(|name| expected.tensors.has(name))
                .expect("a gradient under one of its names");
            (name, p.layout.to_hub(rows, row))
        })
        .collect()
}

#[test]
fn logits_log_probabilities_and_entropies() {
    for name in CAUSAL {
        let (model, expected) = (load(name), Expected::of(name));
        let sequences = expected.sequences();
        both(|way| {
            let what = |part: &str, i: usize| format!("{name}, {way}: {part}.{i}");
            let batch = Batch::new(&sequences, model.spec()).expect("a batch");
            let logits = values(&model.logits(model.hidden(&batch)));
            for (i, w) in batch.offsets().windows(2).enumerate() {
                let vocab = model.spec().vocab;
                let part = format!("logits.{i}");
                assert_near(
                    &logits[w[0] * vocab..w[1] * vocab],
                    &expected.tensor(&part),
                    1e-4,
                    &what("logits", i),
                );
            }
            let items: Vec<Sequence> = sequences
                .iter()
                .map(|tokens| Sequence {
                    tokens: tokens.clone(),
                    from: 1,
                })
                .collect();
            let mut other = model.clone();
            for leaf in other.leaves_mut() {
                *leaf = leaf
                    .clone()
                    .mul_scalar(expected.facts["perturbation"].as_f64().expect("a factor"));
            }
            let scored = score(&model, None, &items, 1.0).expect("scores");
            let against = score(&other, Some(&model), &items, 1.0).expect("scores");
            for (i, (s, o)) in scored.iter().zip(&against).enumerate() {
                let get = |f: fn(&RowStats) -> f32| s.tokens.iter().map(f).collect::<Vec<f32>>();
                let rows = s.tokens.len();
                assert_near(
                    &get(|t| t.log_prob),
                    &expected.tensor(&format!("logprobs.{i}")),
                    1e-4,
                    &what("log-probabilities", i),
                );
                assert_near(
                    &get(|t| t.entropy),
                    &expected.tensor(&format!("entropy.{i}"))[..rows],
                    1e-4,
                    &what("entropies", i),
                );
                let kl: Vec<f32> = o.tokens.iter().map(|t| t.kl).collect();
                assert_near(
                    &kl,
                    &expected.tensor(&format!("kl.{i}"))[..rows],
                    1e-4,
                    &what("KL", i),
                );
            }
        });
    }
}

#[test]
fn gradients_of_every_tensor() {
    for name in CAUSAL {
        let (model, expected) = (load(name), Expected::of(name));
        both(|way| {
            for checkpoint in [false, true] {
                let (found, scale) = cross_entropy(&model, &expected.sequences(), checkpoint);
                let loss = found.loss * scale;
                let wanted = expected.facts["loss"].as_f64().expect("a loss");
                assert!(
                    (loss - wanted).abs() < 1e-4,
                    "{name}, {way}: loss {loss}, expected {wanted}"
                );
                for (rule, gradient) in model.layout.rules.iter().zip(&found.leaves) {
                    let ours: Vec<f32> = values(gradient.as_ref().expect("a gradient"))
                        .iter()
                        .map(|g| g * scale as f32)
                        .collect();
                    for (part, values) in hub(rule, &ours, &expected) {
                        let what = format!("{name}, {way}, checkpointing {checkpoint}: {part}");
                        assert_close(&values, &expected.tensor(&part), 1e-3, &what);
                    }
                }
            }
        });
    }
}

#[test]
fn twenty_steps_of_adamw() {
    for name in CAUSAL {
        let expected = Expected::of(name);
        let curve = &expected.facts["adamw"];
        let list = |field: &str| -> Vec<f64> {
            serde_json::from_value(curve[field].clone()).expect(field)
        };
        both(|way| {
            let mut model = load(name);
            let settings = &curve["settings"];
            let number = |field: &str| settings[field].as_f64().expect("a number");
            let config = AdamWConfig {
                beta1: settings["betas"][0].as_f64().expect("a beta"),
                beta2: settings["betas"][1].as_f64().expect("a beta"),
                eps: number("eps"),
                weight_decay: number("weight_decay"),
                clip: Some(number("clip_norm")),
            };
            let mut optimiser = AdamW::new(config, &model).expect("an optimiser");
            let steps = list("losses")
                .into_iter()
                .zip(list("learning_rates"))
                .zip(list("gradient_norms"));
            for (step, ((loss, rate), norm)) in steps.enumerate() {
                let (found, scale) = cross_entropy(&model, &expected.sequences(), false);
                let mine = found.loss * scale;
                assert!(
                    (mine - loss).abs() < 1e-3,
                    "{name}, {way}, step {step}: loss {mine}, expected {loss}"
                );
                let update = optimiser
                    .update(&mut model, found, scale, rate)
                    .expect("an update");
                assert!(
                    (update.norm - norm).abs() < 1e-3 * norm.max(1.0),
                    "{name}, {way}, step {step}: norm {}, expected {norm}",
                    update.norm
                );
            }
        });
    }
}

#[test]
fn classification_heads() {
    for name in CLASSIFIERS {
        let (model, expected) = (load(name), Expected::of(name));
        let sequences = expected.sequences();
        let padded: Vec<Vec<u32>> =
            serde_json::from_value(expected.facts["padded"].clone()).expect("padded");
        let tail: Vec<u32> = serde_json::from_value(expected.facts["tail"].clone()).expect("tail");
        both(|way| {
            for (part, sequences) in [
                ("scores", &sequences),
                ("scores_padded", &padded),
                ("scores_tail", &vec![tail.clone()]),
            ] {
                let found = classify(&model, sequences).expect("scores").concat();
                assert_near(
                    &found,
                    &expected.tensor(part),
                    1e-4,
                    &format!("{name}, {way}: {part}"),
                );
            }
        });
    }
}

#[test]
fn adapters() {
    let base = load("llama2");
    for name in ["lora/qv", "lora/all"] {
        let expected = Expected::of(name);
        let stored = Adapter::read(folder(name), base.spec()).expect("an adapter");
        let model = base.clone().with_adapter(&stored).expect("a decoder");
        let sequences = expected.sequences();
        both(|way| {
            let batch = Batch::new(&sequences, model.spec()).expect("a batch");
            let vocab = model.spec().vocab;
            for (kind, model) in [("beside", &model), ("merged", &model.merged())] {
                let logits = values(&model.logits(model.hidden(&batch)));
                for (i, w) in batch.offsets().windows(2).enumerate() {
                    let what = format!("{name}, {way}, {kind}: logits.{i}");
                    assert_near(
                        &logits[w[0] * vocab..w[1] * vocab],
                        &expected.tensor(&format!("logits.{i}")),
                        1e-4,
                        &what,
                    );
                }
            }
            let (found, scale) = cross_entropy(&model, &sequences, false);
            let kinds = stored.matrices.iter().flat_map(|m| [(m, "A"), (m, "B")]);
            assert_eq!(
                found.leaves.len(),
                2 * stored.matrices.len(),
                "only adapters are trained"
            );
            for ((m, part), gradient) in kinds.zip(&found.leaves) {
                let key = format!("grad.base_model.model.{}.lora_{part}.weight", m.module);
                let ours: Vec<f32> = values(gradient.as_ref().expect("a gradient"))
                    .iter()
                    .map(|g| g * scale as f32)
                    .collect();
                assert_close(
                    &ours,
                    &expected.tensor(&key),
                    1e-3,
                    &format!("{name}, {way}: {key}"),
                );
            }
        });
        assert_eq!(
            model.adapter(stored.base.clone()).as_ref(),
            Some(&stored),
            "the stored form returns"
        );
    }
}

#[test]
fn a_fresh_adapter_changes_nothing() {
    let base = load("llama2");
    let targets = ["all-linear".to_owned()];
    let model = base
        .clone()
        .with_fresh_adapter(4, 8.0, &targets, 1)
        .expect("a decoder");
    let batch = Batch::new(&[[3_u32, 4, 5]], base.spec()).expect("a batch");
    assert_eq!(values(&model.hidden(&batch)), values(&base.hidden(&batch)));
    assert!(
        base.with_fresh_adapter(4, 8.0, &["nothing".to_owned()], 1)
            .is_err()
    );
}

#[test]
fn gradients_of_a_preference() {
    for name in ["llama_cls", "gpt2_cls"] {
        let (model, expected) = (load(name), Expected::of(name));
        both(|way| {
            let batch = Batch::new(&expected.sequences(), model.spec()).expect("a batch");
            let labels = model.layout.rules[model.layout.head].shape[0];
            // Bradley and Terry: the first label of sequence 2 shall be above that of sequence 1.
            let found = score_gradients(&model, &batch, |scores| {
                let (better, worse) = (2 * labels, labels);
                let above = f64::from(scores[better] - scores[worse]);
                let mut d_scores = vec![0.0; scores.len()];
                d_scores[better] = (-1.0 / (1.0 + above.exp())) as f32;
                d_scores[worse] = -d_scores[better];
                ScoreGrad {
                    loss: (-above).exp().ln_1p(),
                    d_scores,
                }
            })
            .expect("gradients");
            let wanted = expected.facts["bradley_terry_loss"]
                .as_f64()
                .expect("a loss");
            assert!(
                (found.loss - wanted).abs() < 1e-4,
                "{name}, {way}: loss {}, expected {wanted}",
                found.loss
            );
            for (rule, gradient) in model.layout.rules.iter().zip(&found.leaves) {
                let ours = values(gradient.as_ref().expect("a gradient"));
                for (part, values) in hub(rule, &ours, &expected) {
                    assert_close(
                        &values,
                        &expected.tensor(&part),
                        1e-3,
                        &format!("{name}, {way}: {part}"),
                    );
                }
            }
        });
    }
}

#[test]
fn a_value_head_looks_at_every_token() {
    let folder = folder("llama_cls");
    let spec = Spec::read(folder.join("config.json"))
        .expect("a config")
        .with_head(Head::Value);
    let weights = Weights::open(&folder, &spec).expect("weights");
    let model = Decoder::load(spec, &weights, 0, &device()).expect("a decoder");
    let sequences = Expected::of("llama_cls").sequences();
    let found = token_values(&model, &sequences).expect("values");
    let scores = Expected::of("llama_cls").tensor("scores");
    for ((values, sequence), score) in found.iter().zip(&sequences).zip(scores) {
        assert_eq!(values.len(), sequence.len());
        assert!((values[values.len() - 1] - score).abs() < 1e-4);
    }
}
