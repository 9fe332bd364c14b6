//! Models made elsewhere (llama2.c's `stories260K`, `babyllama105`): likelihood of known stories, a known continuation, written and read again.

use std::path::Path;

use super::numbers::device;
use crate::{
    Decoder, Error, Folder, Sequence, WriteOptions,
    sample::{Batching, Collector, Job, Resources, Sampler, Sampling, generate},
    score,
    testing::shared_model,
};

fn open(name: &str) -> Option<(Folder, Decoder)> {
    let folder = Folder::open(shared_model(name)?).expect("a model's folder");
    let model = Decoder::open(&folder, folder.spec().head, 0, &device()).expect("a model");
    Some((folder, model))
}

/// The first stories as tokens, cut to the context.
fn stories(folder: &Folder, count: usize) -> Option<Vec<Sequence>> {
    let models = shared_model("stories260K")?;
    let path = models.join("../../text/tinystories_1000.json");
    let text = std::fs::read_to_string(path).expect("the stories");
    let stories: Vec<String> = serde_json::from_str(&text).expect("a list of texts");
    let tokenizer = folder.tokenizer().expect("a tokenizer");
    let sequence = |story: &String| {
        let mut tokens = tokenizer.encode(story, true).expect("tokens");
        tokens.truncate(folder.spec().max_positions);
        Sequence { tokens, from: 1 }
    };
    Some(stories[..count].iter().map(sequence).collect())
}

/// Nats per token by a forward pass in f64, written in NumPy from the formulae: of the first 200 stories, cut to the context of 512 tokens; and
/// of the first 64 tokens after BOS of each. (Later stories hold mis-decoded quotation marks, which the model has never seen.)
const WHOLE: f64 = 1.733_223;
const BEGINNINGS: f64 = 1.4243;

#[test]
fn stories_are_as_likely_as_known() {
    let Some((folder, model)) = open("stories260K") else {
        return;
    };
    let Some(stories) = stories(&folder, 200) else {
        return;
    };
    let scored = score(&model, None, &stories, 1.0).expect("scores");
    let mean = |first: usize| {
        let of = scored.iter().flat_map(|s| s.tokens.iter().take(first));
        let (sum, count) = of.fold((0.0, 0), |(sum, n), t| (sum - f64::from(t.log_prob), n + 1));
        (sum / f64::from(count), count)
    };
    let (nats, tokens) = mean(usize::MAX);
    assert_eq!(tokens, 80_862);
    assert!((nats - WHOLE).abs() < 1e-4, "{nats} nats per token");
    let (nats, _) = mean(64);
    assert!((nats - BEGINNINGS).abs() < 1e-3, "{nats} nats per token");
}

#[test]
fn the_known_continuation() {
    let Some((folder, mut model)) = open("stories260K") else {
        return;
    };
    let tokenizer = folder.tokenizer().expect("a tokenizer");
    let settings = Sampling {
        temperature: 0.0,
        max_tokens: 40,
        ..Sampling::default()
    };
    let sampler = Sampler::<Error>::new(settings, Batching::default(), &folder.tokens().eos)
        .expect("settings")
        .with_text(|| Box::new(tokenizer.stream(true)));
    let job = Job {
        prompt_id: "once".into(),
        prompt: tokenizer.encode("Once upon a time", true).expect("tokens"),
        samples: 0..1,
    };
    let resources = Resources {
        cache_bytes: 1 << 22,
        max_batch: 1,
        longest: 64,
    };
    let mut collector = Collector::new();
    generate(&mut model, &sampler, resources, [Ok(job)], &mut collector).expect("a sample");
    let text = collector.finish().remove(0).text.expect("a text");
    assert!(
        text.starts_with(", there was a little girl named Lily"),
        "{text}"
    );
}

#[test]
fn written_and_read_again_a_model_is_the_same() {
    for name in ["babyllama105", "stories260K"] {
        let Some((folder, model)) = open(name) else {
            return;
        };
        let directory = tempfile::tempdir().expect("a folder");
        let copy = directory.path().join("copy");
        model
            .save(&copy, Some(folder.path()), WriteOptions::default(), |_| {
                Ok(())
            })
            .expect("a save");
        let bytes =
            |folder: &Path| std::fs::read(folder.join("tokenizer.json")).expect("a tokenizer");
        assert_eq!(bytes(&copy), bytes(folder.path()));
        let again = Folder::open(&copy).expect("the copy");
        let again =
            Decoder::open(&again, folder.spec().head, 0, &device()).expect("the copy's weights");
        let text = "Once upon a time there was a cat.";
        let tokens = folder
            .tokenizer()
            .expect("a tokenizer")
            .encode(text, true)
            .expect("tokens");
        let sequences = [Sequence { tokens, from: 1 }];
        let scores = |model: &Decoder| score(model, None, &sequences, 1.0).expect("scores");
        assert_eq!(scores(&model), scores(&again), "{name}");
    }
}
