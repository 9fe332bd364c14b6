//! Conversions: what is written, what can be read again, what is refused.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::path::PathBuf;

use tempfile::TempDir;

use super::*;
use crate::{
    FORMATS, PreferenceRow, read_preferences, read_prompts, read_rewards, read_rollouts,
    read_scoring, read_table, write_rollouts,
};

struct Folder(TempDir);

impl Folder {
    fn with(input: &str) -> (Self, PathBuf) {
        let folder = Self(tempfile::tempdir().unwrap());
        let path = folder.path("in.jsonl");
        std::fs::write(&path, input).unwrap();
        (folder, path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

const SKIP: ConvertOptions = ConvertOptions {
    format: None,
    on_bad: OnBadRow::Skip,
    rename: Vec::new(),
    reward: None,
};

/// What is written, as text.
fn written(input: &str, to: Target, options: &ConvertOptions) -> (String, Converted) {
    let (folder, path) = Folder::with(input);
    let out = folder.path("out.jsonl");
    let converted = convert(&path, &out, to, options).unwrap();
    (std::fs::read_to_string(out).unwrap(), converted)
}

fn refused(input: &str, out: &str, to: Target) -> String {
    let (folder, path) = Folder::with(input);
    let error = convert(&path, folder.path(out), to, &ConvertOptions::default()).unwrap_err();
    assert_eq!(error.kind(), crate::Kind::User);
    assert_eq!(std::fs::read_dir(folder.0.path()).unwrap().count(), 1);
    error.to_string()
}

const RLHFLOW: &str = r#"{"type": "text_only", "instances": [{"prompt": "a", "responses": ["x", "y"], "rewards": [1, -0.5]}, {"prompt": "b", "responses": ["z"], "rewards": [0.25]}]}"#;

#[test]
fn rlhflow_to_everything() {
    let of = |to| written(RLHFLOW, to, &ConvertOptions::default());
    let (rollouts, report) = of(Target::Rollouts);
    assert_eq!(
        rollouts,
        "{\"prompt_id\":\"0\",\"prompt\":\"a\",\"responses\":[\"x\",\"y\"],\"rewards\":[1.0,-0.5]}\n\
         {\"prompt_id\":\"1\",\"prompt\":\"b\",\"responses\":[\"z\"],\"rewards\":[0.25]}\n"
    );
    assert_eq!(
        (report.format, report.rows, report.bad.count),
        ("rlhflow", 2, 0)
    );
    assert_eq!(
        report.why,
        "rows inside of `instances` in each of the first 2 rows"
    );
    assert_eq!(
        of(Target::Prompts).0,
        "{\"prompt\":\"a\"}\n{\"prompt\":\"b\"}\n"
    );
    let (samples, report) = of(Target::Samples);
    assert_eq!(report.rows, 3);
    assert_eq!(
        samples.lines().nth(1),
        Some(r#"{"prompt_id":"0","index":1,"prompt":"a","response":"y","reward":-0.5}"#)
    );
    let (rewards, _) = of(Target::Rewards);
    assert!(
        rewards.starts_with("{\"prompt_id\":\"0\",\"rewards\":[1.0,-0.5]}\n"),
        "{rewards}"
    );

    let (folder, path) = Folder::with(RLHFLOW);
    let shard = folder.path("r.parquet");
    let named = ConvertOptions {
        reward: Some("gold".to_owned()),
        ..SKIP
    };
    convert(&path, &shard, Target::Rewards, &named).unwrap();
    let (rows, about) = read_rewards(&shard).unwrap();
    assert_eq!(rows[0].rewards, [1.0, -0.5]);
    assert_eq!(about[REWARD_KEY], "gold");
}

#[test]
fn what_is_written_is_read_by_the_other_readers() {
    let (folder, path) = Folder::with(RLHFLOW);
    for name in ["t.jsonl", "t.jsonl.gz", "t.jsonl.zst"] {
        let out = folder.path(name);
        convert(&path, &out, Target::Rollouts, &SKIP).unwrap();
        let options = crate::ReadOptions {
            texts: true,
            ..Default::default()
        };
        let table = read_table(&out, &options).unwrap();
        assert_eq!((table.prompts(), table.responses()), (2, 3));
        assert_eq!(table.prompt_text(1), Some("b"));
    }
    let out = folder.path("p.jsonl");
    let verl = folder.path("v.jsonl");
    let example = FORMATS.iter().find(|f| f.name == "verl").unwrap().example;
    std::fs::write(&verl, example).unwrap();
    convert(&verl, &out, Target::Prompts, &SKIP).unwrap();
    let prompt = read_prompts(&out).unwrap().next().unwrap().unwrap();
    assert_eq!(
        (prompt.id.as_str(), prompt.answer.as_deref()),
        ("gsm8k/train/0", Some("4"))
    );
    let out = folder.path("s.jsonl");
    convert(&path, &out, Target::Samples, &SKIP).unwrap();
    let rows: Vec<_> = read_scoring(&out).unwrap().map(Result::unwrap).collect();
    assert_eq!(
        (rows.len(), rows[1].index, rows[1].responses[0].as_str()),
        (3, 1, "y")
    );
}

#[test]
fn responses_of_a_prompt_need_not_stand_together() {
    let row = |input: &str, output: &str, reward: f32| {
        format!("{{\"input\": \"{input}\", \"output\": \"{output}\", \"reward\": {reward}}}\n")
    };
    let input = row("a", "x", 1.0) + &row("b", "y", 2.0) + &row("a", "z", 3.0);
    let (rollouts, report) = written(&input, Target::Rollouts, &ConvertOptions::default());
    assert_eq!(
        rollouts,
        "{\"prompt_id\":\"0\",\"prompt\":\"a\",\"responses\":[\"x\",\"z\"],\"rewards\":[1.0,3.0]}\n\
         {\"prompt_id\":\"1\",\"prompt\":\"b\",\"responses\":[\"y\"],\"rewards\":[2.0]}\n"
    );
    assert_eq!(report.rows, 2);
    let (prompts, report) = written(&input, Target::Prompts, &ConvertOptions::default());
    assert_eq!(prompts, "{\"prompt\":\"a\"}\n{\"prompt\":\"b\"}\n");
    assert_eq!((report.rows, report.repeated), (2, 1));
}

#[test]
fn samples_become_a_shard_and_a_shard_becomes_lines() {
    let sample = |index: u64, text: &str, reason: &str| {
        format!(
            "{{\"prompt_id\": \"q\", \"index\": {index}, \"prompt\": \"a\", \"text\": \"{text}\", \"tokens\": [7, 2], \"sampled_log_probs\": [-0.5, -0.25], \"finish_reason\": \"{reason}\"}}\n"
        )
    };
    let (folder, path) = Folder::with(&(sample(0, "x", "stop") + &sample(1, "y", "length")));
    let shard = folder.path("r.parquet");
    convert(&path, &shard, Target::Rollouts, &ConvertOptions::default()).unwrap();
    let (rows, about) = read_rollouts(&shard).unwrap();
    let expected = RolloutRow {
        prompt_id: "q".to_owned(),
        prompt: "a".to_owned(),
        responses: vec!["x".to_owned(), "y".to_owned()],
        log_probs: vec![-0.75, -0.75],
        tokens: vec![vec![7, 2], vec![7, 2]],
        truncated: vec![false, true],
    };
    assert_eq!((rows.as_slice(), about.len()), (&[expected][..], 0));
    let (lines, again) = (folder.path("l.jsonl"), folder.path("again.parquet"));
    convert(&shard, &lines, Target::Rollouts, &ConvertOptions::default()).unwrap();
    convert(&lines, &again, Target::Rollouts, &ConvertOptions::default()).unwrap();
    assert_eq!(
        std::fs::read(&shard).unwrap(),
        std::fs::read(&again).unwrap()
    );
    // Rows as `infalign run` writes them come through whole.
    write_rollouts(&shard, &rows, &Metadata::new()).unwrap();
    let text = std::fs::read_to_string(&lines).unwrap();
    assert_eq!(
        text,
        "{\"prompt_id\":\"q\",\"prompt\":\"a\",\"responses\":[\"x\",\"y\"],\"logprobs\":[-0.75,-0.75],\"tokens\":[[7,2],[7,2]],\"truncated\":[false,true]}\n"
    );
}

#[test]
fn preferences_come_back_as_they_were() {
    for format in FORMATS {
        if !format.gives.contains(&Target::Preferences) {
            continue;
        }
        let (folder, path) = Folder::with(format.example);
        let out = folder.path("out.jsonl");
        convert(&path, &out, Target::Preferences, &ConvertOptions::default()).unwrap();
        let read = |path| -> PreferenceRow {
            let mut rows = read_preferences(path, &RecordOptions::default()).unwrap();
            rows.next().unwrap().unwrap()
        };
        let (before, after) = (read(&path), read(&out));
        assert_eq!(
            (&before.prompt, &before.chosen),
            (&after.prompt, &after.chosen)
        );
        assert_eq!(
            (before.prompt_id, before.rejected, before.margin, before.tie),
            (after.prompt_id, after.rejected, after.margin, after.tie),
            "{}",
            format.name
        );
    }
}

/// Every example converts to all that its format gives.
#[test]
fn formats_give_what_they_announce() {
    for format in FORMATS {
        for to in Target::ALL {
            let (folder, path) = Folder::with(format.example);
            let out = folder.path("out.jsonl");
            let done = convert(&path, &out, to, &ConvertOptions::default());
            if format.gives.contains(&to) {
                assert!(done.unwrap().rows > 0, "{} to {to}", format.name);
            } else {
                let error = done.unwrap_err().to_string();
                assert!(error.contains(&format!("data hold no {to}")), "{error}");
            }
        }
    }
}

#[test]
fn refusals_leave_no_file() {
    let rewards = r#"{"prompt_id": "a", "rewards": [1]}"#;
    let says = [
        (
            rewards,
            "o.jsonl",
            Target::Prompts,
            "`rewards` data hold no prompts; they can become rewards",
        ),
        (
            r#"{"text": "a"}"#,
            "o.jsonl",
            Target::Prompts,
            "can only be looked at",
        ),
        (
            RLHFLOW,
            "o.parquet",
            Target::Prompts,
            "prompts are written as JSON Lines; name the file .jsonl",
        ),
        (
            RLHFLOW,
            "o.csv",
            Target::Rollouts,
            "as JSON Lines or Parquet",
        ),
        (
            RLHFLOW,
            "o.parquet",
            Target::Rollouts,
            "needs the tokens and log-probabilities of every response; write .jsonl instead",
        ),
        (
            r#"{"prompt": "a", "response": "x"}"#,
            "o.jsonl",
            Target::Rewards,
            "line 1: no value for `reward`",
        ),
        (
            "{\"prompt\": \"a\", \"response\": \"x\", \"reward\": 1}\n{\"prompt\": \"a\", \"response\": \"y\"}",
            "o.jsonl",
            Target::Rollouts,
            "line 2, column `reward`: some responses of this prompt have it and some do not",
        ),
        (
            "{\"id\": 1, \"prompt\": \"a\", \"response\": \"x\"}\n{\"id\": 1, \"prompt\": \"b\", \"response\": \"y\"}",
            "o.jsonl",
            Target::Samples,
            "line 2, column `prompt`: this id had another prompt before",
        ),
        (
            "{\"id\": 1, \"prompt\": \"a\"}\n{\"id\": 1, \"prompt\": \"b\"}",
            "o.jsonl",
            Target::Prompts,
            "line 2, column `prompt`: this id had another prompt before",
        ),
        (
            "{\"prompt_id\": \"a\", \"rewards\": [1]}\n{\"prompt_id\": \"a\", \"rewards\": [2]}",
            "o.parquet",
            Target::Rewards,
            "line 2: prompt `a` was already given",
        ),
        (
            r#"{"ref_rewards": [1]}"#,
            "o.jsonl",
            Target::Rollouts,
            "line 1: no value for `responses`",
        ),
        (
            r#"{"prompt_id": "a", "prompt": [{"role": "user", "content": "b"}], "responses": ["c"], "logprobs": [0], "tokens": [[1]], "truncated": [false]}"#,
            "o.parquet",
            Target::Rollouts,
            "this prompt is a conversation",
        ),
    ];
    for (input, out, to, expected) in says {
        let message = refused(input, out, to);
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn bad_rows_are_skipped_counted_and_listed() {
    let input = "{\"prompt\": \"a\", \"responses\": [\"x\"], \"rewards\": [1]}\n{\"prompt\":\n{\"prompt\": \"b\", \"responses\": [\"y\"], \"rewards\": [null]}\n{\"prompt\": \"c\", \"responses\": [\"z\"]}\n";
    let (rewards, report) = written(input, Target::Rewards, &SKIP);
    assert_eq!(rewards, "{\"prompt_id\":\"0\",\"rewards\":[1.0]}\n");
    assert_eq!((report.rows, report.bad.count), (1, 3));
    assert!(
        report.bad.first[0].contains("in.jsonl, line 2: malformed JSON"),
        "{report:?}"
    );
    assert!(
        report.bad.first[1].contains("line 3, column `rewards`, response 1"),
        "{report:?}"
    );
    assert!(
        report.bad.first[2].contains("line 4: no value for `reward`"),
        "{report:?}"
    );
    let (folder, path) = Folder::with("{\"prompt\": \"c\", \"responses\": [\"z\"]}\n");
    let none = convert(&path, folder.path("o.jsonl"), Target::Rewards, &SKIP).unwrap_err();
    assert!(matches!(none, Error::MissingField { .. }), "{none}");
    assert!(!folder.path("o.jsonl").exists());
}

#[test]
fn columns_under_other_names() {
    let rename = |pairs: &[(&str, &str)]| ConvertOptions {
        rename: pairs
            .iter()
            .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()))
            .collect(),
        ..ConvertOptions::default()
    };
    let input = "{\"question\": \"a\", \"says\": \"x\", \"proxy\": 0.5, \"reward\": 7}\n";
    let names = rename(&[
        ("question", "prompt"),
        ("says", "response"),
        ("proxy", "reward"),
    ]);
    let (samples, _) = written(input, Target::Samples, &names);
    assert_eq!(
        samples,
        "{\"prompt_id\":\"0\",\"index\":0,\"prompt\":\"a\",\"response\":\"x\",\"reward\":0.5}\n"
    );
    let (folder, path) = Folder::with(input);
    let wrong = rename(&[("questoin", "reward")]);
    let error = convert(&path, folder.path("o.jsonl"), Target::Samples, &wrong).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("no such column `questoin` (did you mean `question`?)"),
        "{error}"
    );
}
