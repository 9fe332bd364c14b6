//! `infalign reward`: preferences to a reward model, and how well rewards agree with preferences.

use std::fs;

use super::{folder::Folder, tiny};

/// Eggs are preferred to balls.
fn preferences(count: usize) -> String {
    let row = |n: usize| {
        let name = ["Tom", "Lily", "Ben"][n % 3];
        format!(
            "{{\"prompt\": \"One day {n} {name} saw\", \"chosen\": \" an egg.\", \"rejected\": \" a ball.\"}}\n"
        )
    };
    (0..count).map(row).collect()
}

fn train(folder: &Folder, more: &str) -> super::folder::Ran {
    let model = tiny::model().display();
    folder.run(&format!(
        "reward train --model {model} --data train.jsonl --out rm --steps 20 --batch-size 8 --learning-rate 0.01 --validation 0.2 \
         --format json {more}"
    ))
}

#[test]
fn a_reward_model_learns_evaluates_and_rewards() {
    let folder = Folder::new();
    folder.write("train.jsonl", &preferences(40));
    let ran = train(&folder, "").done();
    let found: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(found["accuracy"]["mean"], 1.0, "{found}");
    assert_eq!(found["pairs"], 8, "a fifth of forty prompts is held out");
    let config = fs::read_to_string(folder.path("rm/config.json")).unwrap();
    assert!(
        config.contains("LlamaForSequenceClassification"),
        "{config}"
    );
    // Done is done.
    let again = train(&folder, "").done();
    assert_eq!(again.stdout, ran.stdout);
    assert!(again.stderr.contains("done before"), "{}", again.stderr);
    // Other prompts; by the model's command and by the seam of rewards the same.
    folder.write("other.jsonl", &preferences(60)[preferences(50).len()..]);
    let eval = |judge: &str| {
        let line = format!("reward eval {judge} --data other.jsonl --format json");
        let stdout = folder.run(&line).done().stdout;
        serde_json::from_str::<serde_json::Value>(&stdout).unwrap()
    };
    let by_model = eval("--model rm");
    assert_eq!(by_model["accuracy"]["mean"], 1.0, "{by_model}");
    assert_eq!(eval("--reward model:rm"), by_model);
    // " an egg." is as long as " a ball.": half a credit each.
    let by_length = eval("--reward length");
    assert_eq!(by_length["accuracy"]["mean"], 0.5, "{by_length}");
    // A reward model scores.
    folder.write(
        "r.jsonl",
        "{\"prompt\": \"One day\", \"response\": \" an egg.\"}\n",
    );
    let scored = folder
        .run("score --model rm --data r.jsonl --format json")
        .done();
    assert!(scored.stdout.contains("\"reward\":"), "{}", scored.stdout);
}

#[test]
fn mistakes_are_named() {
    let folder = Folder::new();
    folder.write("train.jsonl", &preferences(10));
    train(&folder, "--label-smoothing 0.7").refused(2, &["label_smoothing is 0.7"]);
    assert!(!folder.path("rm").exists());
    let eval = |judge: &str| folder.run(&format!("reward eval {judge} --data train.jsonl"));
    eval("--reward lenght").refused(2, &["unknown reward `lenght`: did you mean `length`?"]);
    eval(&format!("--model {}", tiny::model().display())).refused(
        2,
        &["is no reward model", "`infalign reward train` makes one"],
    );
    eval("--reward exec:./no-judge").refused(2, &["cannot start `./no-judge`"]);
    let long = "dog ".repeat(100);
    folder.write(
        "train.jsonl",
        &format!(
            "{}{{\"prompt\": \"a\", \"chosen\": \"{long}\", \"rejected\": \"b\"}}\n",
            preferences(10)
        ),
    );
    train(&folder, "").refused(2, &["train.jsonl, line 11", "the model's context is 64"]);
    let ran = train(&folder, "--skip-bad-rows").done();
    assert!(
        ran.stderr.contains("1 pairs cannot be read"),
        "{}",
        ran.stderr
    );
}
