//! `infalign score`: what sampling said, exact KL, rewards.

use infalign_lm::{
    Decoder, DeviceName, Folder as ModelFolder, Head, Precision, WriteOptions, open_device,
};
use serde_json::Value;

use super::{folder::Folder, tiny};

fn numbers(value: &Value) -> Vec<f64> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|v| v.as_f64().unwrap())
        .collect()
}

#[test]
fn scores_are_the_log_probabilities_of_sampling() {
    let folder = Folder::new();
    let model = tiny::model().display().to_string();
    folder.write("prompts.txt", "One day Lily\nTom was\n");
    let sampled = folder
        .run(&format!("sample --model {model} --prompts prompts.txt --n 4 --max-tokens 12 --temperature 0.8 --seed 5"))
        .done();
    folder.write("samples.jsonl", &sampled.stdout);
    let line = format!("score --model {model} --data samples.jsonl --per-token");
    let scored = folder.run(&line).done();
    let (sampled, lines) = (tiny::lines(&sampled.stdout), tiny::lines(&scored.stdout));
    assert_eq!(lines.len(), 8);
    for (s, l) in sampled.iter().zip(&lines) {
        assert_eq!(
            (&s["prompt_id"], &s["index"], &s["tokens"]),
            (&l["prompt_id"], &l["index"], &l["token_ids"])
        );
        for (a, b) in numbers(&s["untempered_log_probs"])
            .iter()
            .zip(numbers(&l["token_log_probs"]))
        {
            assert!((a - b).abs() < 1e-4, "{a} sampled, {b} scored");
        }
    }
    // At the temperature of the sampling, the distribution that was drawn from.
    let tempered = tiny::lines(
        &folder
            .run(&format!("{line} --temperature 0.8"))
            .done()
            .stdout,
    );
    for (s, l) in sampled.iter().zip(&tempered) {
        for (a, b) in numbers(&s["sampled_log_probs"])
            .iter()
            .zip(numbers(&l["token_log_probs"]))
        {
            assert!((a - b).abs() < 1e-4, "{a} sampled, {b} scored");
        }
    }
    let said = "8 responses of ";
    assert!(
        scored.stderr.contains(said) && scored.stderr.contains("nats per token"),
        "{}",
        scored.stderr
    );
}

#[test]
fn the_kl_to_itself_is_zero_and_to_another_positive() {
    let folder = tiny::begun();
    let model = tiny::model().display().to_string();
    folder.write(
        "pairs.jsonl",
        "{\"prompt\": \"One day\", \"responses\": [\" Tom saw\", \"\"]}\n",
    );
    let other = tiny::PRETRAIN
        .replace("--steps 60", "--steps 6")
        .replace("--out tiny", "--out other");
    folder.run(&other).done();
    let kl = |reference: &str| {
        let line = format!("score --model {model} --reference {reference} --data pairs.jsonl");
        let lines = tiny::lines(&folder.run(&line).done().stdout);
        [
            lines[0]["kl"].as_f64().unwrap(),
            lines[1]["kl"].as_f64().unwrap(),
        ]
    };
    let [itself, _] = kl(&model);
    assert!(itself.abs() < 1e-6, "{itself}");
    let [different, empty] = kl("other");
    assert!(different > 0.1 && empty == 0.0, "{different} {empty}");
    let table = folder
        .run(&format!(
            "score --model {model} --reference other --data pairs.jsonl --format text"
        ))
        .done();
    assert!(table.stdout.starts_with(" prompt"), "{}", table.stdout);
}

#[test]
fn reward_models_give_rewards_that_run_reads() {
    let folder = Folder::new();
    let device = open_device(DeviceName::default(), Precision::F32).unwrap();
    let base = ModelFolder::open(tiny::model()).unwrap();
    let model = Decoder::open(&base, Head::Classifier { labels: 1 }, 7, &device).unwrap();
    model
        .save(
            folder.path("reward"),
            Some(tiny::model()),
            WriteOptions::default(),
            |_| Ok(()),
        )
        .unwrap();
    let row = |id: usize| {
        format!(
            "{{\"id\": \"p{id}\", \"prompt\": \"One day {id}\", \"responses\": [\"a\", \"b b\", \"c\", \"Tom\", \"e\", \"f f\", \"g\", \"h\"]}}\n"
        )
    };
    folder.write("pairs.jsonl", &(0..4).map(row).collect::<String>());
    let scored = folder.run("score --model reward --data pairs.jsonl").done();
    let lines = tiny::lines(&scored.stdout);
    assert_eq!(lines.len(), 32);
    assert!(lines[0]["reward"].as_f64() != lines[1]["reward"].as_f64());
    folder.write("rewards.jsonl", &scored.stdout);
    folder
        .run("run --rollouts rewards.jsonl --procedure best-of:2 --kl 0.3 --transforms identity")
        .done();
    let refused = folder.run("score --model reward --data pairs.jsonl --per-token");
    refused.refused(2, &["the model has a classification head with 1 labels"]);
    let refused = folder.run("sample --model reward One");
    refused.refused(
        2,
        &[
            "the model has a classification head",
            "needs a language model",
        ],
    );
}
