//! Reward models of a few hundred numbers: they learn, they resume, they are saved.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::{fs, path::Path};

use infalign_lm::{
    Device, DeviceName, Folder, Head, Precision, Spec, WriteOptions, open_device, train_bpe,
};

use super::*;
use crate::{Decay, Interrupt, Schedule, Sink, Telemetry, Warmup, write_reward_model};

fn device() -> Device {
    let cpu: DeviceName = "cpu".parse().unwrap();
    open_device(cpu, Precision::F32).unwrap()
}

/// A fresh language model of 260 tokens.
fn language_model() -> Decoder {
    let config = r#"{"model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": 16, "intermediate_size": 32,
        "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1, "max_position_embeddings": 16, "rms_norm_eps": 1e-5,
        "vocab_size": 260, "tie_word_embeddings": true, "initializer_range": 0.2}"#;
    let spec = Spec::from_text(config, "config.json").unwrap();
    Decoder::fresh(spec, 3, &device())
}

/// Whoever says 7 is preferred to whoever says 8, wherever it is said.
fn pairs(count: usize) -> Vec<Pair> {
    let text = |n: usize, word: u32| -> Vec<u32> {
        let mut tokens: Vec<u32> = (0..4 + n % 3)
            .map(|i| (10 + (n * 7 + i * 3) % 40) as u32)
            .collect();
        let at = n % tokens.len();
        tokens[at] = word;
        tokens
    };
    (0..count)
        .map(|n| Pair {
            prompt: n as u64,
            chosen: text(n, 7),
            rejected: text(n + 1, 8),
            margin: 0.0,
            tie: false,
        })
        .collect()
}

const SETTINGS: Settings = Settings {
    steps: 60,
    batch_size: 8,
    accumulate: 1,
    label_smoothing: 0.0,
    centring: 0.01,
    validation_every: 30,
    seed: 5,
    schedule: Schedule {
        peak: 0.01,
        warmup: Warmup::Steps(3),
        decay: Decay::Linear,
        floor: 0.1,
    },
    adamw: infalign_lm::AdamWConfig {
        beta1: 0.9,
        beta2: 0.95,
        eps: 1e-8,
        weight_decay: 0.0,
        clip: Some(1.0),
    },
};

/// For so few steps that there is none to warm up in.
fn short() -> Settings {
    Settings {
        schedule: Schedule {
            warmup: Warmup::Steps(0),
            ..SETTINGS.schedule
        },
        ..SETTINGS
    }
}

/// Stops a run after a step.
struct StopAfter(u64, Interrupt);

impl Sink for StopAfter {
    fn append(&mut self, metrics: &Metrics) -> Result<()> {
        if metrics.step == self.0 {
            let _ = self.1.request();
        }
        Ok(())
    }
}

fn run(
    start: &Start,
    settings: &Settings,
    directory: &Path,
    stop: Option<u64>,
) -> Result<Outcome<Decoder>> {
    let interrupt = Interrupt::new();
    let habits = Habits {
        save_every: 1000,
        save_seconds: 1e9,
        keep: 2,
        recompute: false,
    };
    let mut watch = |_| match stop {
        Some(step) => Telemetry::new().with(StopAfter(step, interrupt.clone())),
        None => Telemetry::new(),
    };
    let (learned, held_out) = (pairs(64), &pairs(100)[64..]);
    train(PreferenceRun {
        start,
        pairs: &learned,
        held_out,
        settings,
        habits: &habits,
        around: Surroundings {
            directory,
            watch: &mut watch,
            interrupt: &interrupt,
            clock: || 0.0,
        },
    })
}

fn done(outcome: Outcome<Decoder>) -> Decoder {
    match outcome {
        Outcome::Done(model) => *model,
        Outcome::Interrupted { step } => unreachable!("stopped at {step}"),
    }
}

fn all_values(model: &Decoder) -> Vec<u32> {
    let names = model.leaf_names();
    let values = names.iter().flat_map(|name| model.values(name).unwrap());
    values.map(f32::to_bits).collect()
}

#[test]
fn what_can_be_told_apart_is_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let start = Start::Model(Box::new(language_model()));
    let model = done(run(&start, &SETTINGS, folder.path(), None).unwrap());
    let found = evaluate(&judge(&model, &pairs(200)[100..]).unwrap()).unwrap();
    assert_eq!(found.accuracy.mean, 1.0, "{found:?}");
    assert!(found.log_loss < 0.1, "{found:?}");
    let text = fs::read_to_string(folder.path().join("metrics.jsonl")).unwrap();
    let last: serde_json::Value = serde_json::from_str(text.lines().next_back().unwrap()).unwrap();
    assert_eq!(last["validation/accuracy"].as_f64(), Some(1.0), "{last}");
    // Centring: without it nothing keeps the mean of the rewards anywhere.
    assert!(last["mean_reward"].as_f64().unwrap().abs() < 1.0, "{last}");
}

#[test]
fn resumed_is_uninterrupted_bit_for_bit() {
    let settings = Settings {
        steps: 20,
        ..SETTINGS
    };
    let start = Start::Model(Box::new(language_model()));
    let whole = tempfile::tempdir().unwrap();
    let expected = done(run(&start, &settings, whole.path(), None).unwrap());
    let parts = tempfile::tempdir().unwrap();
    for stop in [7, 13] {
        let outcome = run(&start, &settings, parts.path(), Some(stop)).unwrap();
        assert!(matches!(outcome, Outcome::Interrupted { step } if step == stop));
    }
    let resumed = done(run(&start, &settings, parts.path(), None).unwrap());
    assert_eq!(all_values(&resumed), all_values(&expected));
    let metrics =
        |folder: &tempfile::TempDir| fs::read(folder.path().join("metrics.jsonl")).unwrap();
    assert_eq!(metrics(&parts), metrics(&whole));
    // The last checkpoint holds all there is; another configuration is refused.
    let other = Settings {
        centring: 0.5,
        ..settings
    };
    let told = run(&start, &other, parts.path(), None)
        .unwrap_err()
        .to_string();
    assert!(told.contains("centring: 0.01 then, 0.5 now"), "{told}");
}

#[test]
fn parts_of_a_batch_have_its_gradient() {
    let settings = Settings {
        steps: 1,
        ..short()
    };
    let start = Start::Model(Box::new(language_model()));
    let model = |accumulate| {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings {
            accumulate,
            ..settings
        };
        run(&start, &settings, folder.path(), None).unwrap();
        let text = fs::read_to_string(folder.path().join("metrics.jsonl")).unwrap();
        let line: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
        ["loss", "gradient_norm", "accuracy"].map(|name| line[name].as_f64().unwrap())
    };
    for (one, four) in model(1).into_iter().zip(model(4)) {
        // Sums of 16 f32 in another order.
        assert!(
            (one - four).abs() <= 64.0 * f64::from(f32::EPSILON) * one,
            "{one} {four}"
        );
    }
}

#[test]
fn a_saved_reward_model_is_the_one_that_was_trained() {
    let base = tempfile::tempdir().unwrap();
    let tokenizer = train_bpe(["a cat and a cat"].into_iter(), 260).unwrap();
    let language_model = language_model();
    language_model
        .save(base.path(), None, WriteOptions::default(), |new| {
            tokenizer.save(new)
        })
        .unwrap();
    fs::write(base.path().join("chat_template.jinja"), "{{ messages }}").unwrap();
    let opened = Folder::open(base.path()).unwrap();
    let start = Start::Folder(Box::new(opened), device());
    // A folder and a model in memory begin alike.
    let in_memory = Start::Model(Box::new(language_model));
    assert_eq!(
        all_values(&start.begin(5).unwrap()),
        all_values(&in_memory.begin(5).unwrap())
    );
    let out = tempfile::tempdir().unwrap();
    let settings = Settings {
        steps: 3,
        ..short()
    };
    let model = done(run(&start, &settings, out.path(), None).unwrap());
    write_reward_model(&model, Some(base.path()), &tokenizer, out.path()).unwrap();
    let saved = Folder::open(out.path()).unwrap();
    assert_eq!(saved.spec().head, Head::Classifier { labels: 1 });
    assert!(saved.chat_template().is_some() && saved.tokenizer().is_ok());
    let config = fs::read_to_string(out.path().join("config.json")).unwrap();
    assert!(
        config.contains("LlamaForSequenceClassification"),
        "{config}"
    );
    // What was saved goes on as it is: its head is kept.
    let again = Start::Folder(Box::new(saved), device()).begin(99).unwrap();
    let few = pairs(5);
    assert_eq!(judge(&again, &few).unwrap(), judge(&model, &few).unwrap());
}

#[test]
fn pairs_that_cannot_be_read_are_named() {
    let model = Start::Model(Box::new(language_model())).begin(0).unwrap();
    let told = |change: &dyn Fn(&mut Pair)| {
        let mut pairs = pairs(3);
        change(&mut pairs[2]);
        judge(&model, &pairs).unwrap_err().to_string()
    };
    assert_eq!(
        told(&|pair| pair.rejected.clear()),
        "preference 2, rejected: 0 tokens, the model takes from 1 to 16; shorten the text, or leave the preference out"
    );
    assert!(told(&|pair| pair.chosen = vec![1; 17]).contains("chosen: 17 tokens"));
    assert!(told(&|pair| pair.chosen[0] = 260).contains("token 260"));
    assert!(told(&|pair| pair.margin = f32::NAN).contains("margin is NaN for preference 2"));
    let language_model = language_model();
    assert!(judge(&language_model, &pairs(1)).is_err());
}
