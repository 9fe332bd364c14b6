//! Every format: recognised by its example, read to the record that it means, refused when broken.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

mod files;
mod hostile;
mod preferences;

use std::path::PathBuf;

use tempfile::TempDir;

use super::*;
use crate::{
    OnBadRow,
    error::{Error, Kind, Spot},
    texts::Message,
};

struct Files(TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }
}

fn open(content: &str) -> Result<(Records, Files)> {
    let files = Files::new();
    let path = files.write("f.jsonl", content);
    Ok((read_records(path, &RecordOptions::default())?, files))
}

/// The one record of a row, and its format's name.
fn one(row: &str) -> (&'static str, Record) {
    let (mut records, _files) = open(row).unwrap();
    let record = records.next().unwrap().unwrap();
    assert!(records.next().is_none());
    (records.format().name, record)
}

fn refused(format: &str, row: &str) -> String {
    let files = Files::new();
    let path = files.write("f.jsonl", row);
    let options = RecordOptions {
        format: Some(format.to_owned()),
        ..RecordOptions::default()
    };
    let error = read_records(path, &options)
        .and_then(|mut records| records.next().unwrap())
        .unwrap_err();
    assert_eq!(error.kind(), Kind::User);
    error.to_string()
}

fn user(content: &str) -> Message {
    Message {
        role: "user".to_owned(),
        content: content.to_owned(),
    }
}

fn assistant(content: &str) -> Message {
    Message {
        role: "assistant".to_owned(),
        content: content.to_owned(),
    }
}

fn text(text: &str) -> Turns {
    Turns::Text(text.to_owned())
}

fn rewarded(text: &str, reward: f32) -> Response {
    Response {
        text: text.to_owned(),
        reward: Some(reward),
        sampled: None,
    }
}

fn plain(text: &str) -> Response {
    Response {
        text: text.to_owned(),
        ..Response::default()
    }
}

#[test]
fn every_example_is_of_its_own_format() {
    for format in FORMATS {
        let (mut records, _files) = open(format.example).unwrap();
        assert_eq!(records.format().name, format.name);
        assert!(records.why().ends_with("in the one row looked at"));
        records.next().unwrap().unwrap();
        let named = format_named(format.name).unwrap();
        assert_eq!(named.name, format.name);
        assert!(!format.summary.is_empty());
    }
    assert!(format_named("trl").is_none());
}

/// Format, id, prompt, answer, content.
type Meaning = (
    &'static str,
    Option<&'static str>,
    Option<Turns>,
    Option<&'static str>,
    Content,
);

#[test]
fn what_the_examples_mean() {
    let question = || Turns::Messages(vec![user("2 + 2?")]);
    let pair = |chosen: Turns, rejected: Turns, margin| {
        Content::Preference(Preference {
            chosen,
            rejected,
            margin,
            tie: false,
        })
    };
    let answers = |a: &str, b: &str| {
        let said = |text| Turns::Messages(vec![assistant(text)]);
        (said(a), said(b))
    };
    let (four, five) = answers("4", "5");
    let both = || vec![rewarded("4", 1.5), rewarded("5", -0.5)];
    let sampled = |log_prob| Response {
        sampled: Some(Sampled {
            log_prob,
            tokens: vec![19, 2],
            truncated: false,
        }),
        ..plain("4")
    };
    let verdict = |won| {
        Content::Verdict(Verdict {
            model: "tiny".to_owned(),
            baseline: "base".to_owned(),
            won: Some(won),
        })
    };
    let cases: Vec<Meaning> = vec![
        (
            "rollout-shard",
            Some("a"),
            Some(text("2 + 2?")),
            None,
            Content::Responses(vec![sampled(-0.75)]),
        ),
        (
            "samples",
            Some("a"),
            Some(text("2 + 2?")),
            None,
            Content::Response(sampled(-0.75)),
        ),
        (
            "rewardbench2",
            Some("7"),
            Some(text("2 + 2?")),
            None,
            Content::Ranked {
                chosen: vec!["4".to_owned()],
                rejected: ["5", "22", "3"].map(str::to_owned).to_vec(),
                subset: Some("Math".to_owned()),
            },
        ),
        (
            "ultrafeedback",
            Some("f0e3"),
            Some(question()),
            None,
            pair(four.clone(), five.clone(), Some(4.5)),
        ),
        (
            "hh",
            None,
            Some(question()),
            None,
            pair(four.clone(), five.clone(), None),
        ),
        (
            "trl-preference",
            None,
            Some(question()),
            None,
            pair(four, five, None),
        ),
        (
            "qrpo",
            None,
            Some(text("2 + 2?")),
            None,
            Content::Responses(both()),
        ),
        (
            "rlhflow",
            None,
            Some(text("2 + 2?")),
            None,
            Content::Responses(both()),
        ),
        (
            "responses",
            Some("a"),
            Some(text("2 + 2?")),
            None,
            Content::Responses(both()),
        ),
        (
            "verl",
            Some("gsm8k/train/0"),
            Some(question()),
            Some("4"),
            Content::Responses(vec![plain("4"), plain("5")]),
        ),
        (
            "generations",
            None,
            Some(text("2 + 2?")),
            None,
            Content::Responses(vec![rewarded("4", 5.0), rewarded("5", 1.0)]),
        ),
        (
            "alpaca-annotations",
            None,
            Some(text("2 + 2?")),
            None,
            verdict(0.75),
        ),
        ("arena-judgments", Some("a1"), None, None, verdict(0.75)),
        (
            "alpaca-eval",
            None,
            Some(text("2 + 2?")),
            None,
            Content::Response(plain("4")),
        ),
        (
            "arena-hard",
            Some("a1"),
            Some(question()),
            None,
            Content::Response(plain("4")),
        ),
        (
            "lm-eval",
            Some("0"),
            Some(text("2 + 2 =")),
            Some("4"),
            Content::Responses(vec![plain("4"), plain("5")]),
        ),
        (
            "trl-unpaired",
            None,
            Some(text("The sky is")),
            None,
            Content::Response(rewarded(" blue.", 1.0)),
        ),
        (
            "openrlhf",
            None,
            Some(text("2 + 2?")),
            None,
            Content::Response(rewarded("4", 1.5)),
        ),
        (
            "rewards",
            Some("a"),
            None,
            None,
            Content::Rewards(vec![1.5, -0.5]),
        ),
        ("conversations", None, Some(question()), None, Content::Text),
        (
            "prompts",
            Some("a"),
            Some(text("2 + 2?")),
            Some("4"),
            Content::Prompt,
        ),
        ("texts", None, None, None, Content::Text),
    ];
    assert_eq!(cases.len(), FORMATS.len());
    for (name, id, prompt, answer, content) in cases {
        let example = format_named(name).unwrap().example;
        let (found, record) = one(example);
        assert_eq!(found, name);
        assert_eq!(record.id.as_deref(), id, "{name}");
        assert_eq!(record.prompt, prompt, "{name}");
        assert_eq!(record.answer.as_deref(), answer, "{name}");
        assert_eq!(record.content, content, "{name}");
        assert_eq!(record.place.spot, Spot::Line(1));
    }
}

#[test]
fn other_forms_of_the_same_formats() {
    let content = |row: &str, format: &str| {
        let (found, record) = one(row);
        assert_eq!(found, format, "{row}");
        record.content
    };
    let unpaired = r#"{"prompt": [{"role": "user", "content": "a"}], "completion": [{"role": "assistant", "content": "b"}], "label": false}"#;
    assert_eq!(
        content(unpaired, "trl-unpaired"),
        Content::Response(rewarded("b", 0.0))
    );
    let conversational = r#"{"prompt": "a", "ref_completions": [[{"role": "assistant", "content": "b"}]], "ref_rewards": [2]}"#;
    assert_eq!(
        content(conversational, "qrpo"),
        Content::Responses(vec![rewarded("b", 2.0)])
    );
    assert_eq!(
        content(r#"{"ref_rewards": [2, 3]}"#, "qrpo"),
        Content::Rewards(vec![2.0, 3.0])
    );
    let verl = r#"{"prompt": [{"role": "user", "content": "a"}], "reward_model": {"ground_truth": ["7", 8]}, "extra_info": {"prompt_id": "p", "index": 3}, "responses": ["b", ""]}"#;
    let (_, record) = one(verl);
    assert_eq!(
        record.content,
        Content::Responses(vec![plain("b"), plain("")])
    );
    assert_eq!(record.answer.as_deref(), Some(r#"["7",8]"#));
    assert_eq!(record.id.as_deref(), Some("p"));
    assert_eq!(
        content(r#"{"prompt": "a", "completion": "b"}"#, "responses"),
        Content::Response(plain("b"))
    );
    assert_eq!(
        content(r#"{"id": 7, "reward": 0.5}"#, "rewards"),
        Content::Reward(0.5)
    );
    assert_eq!(content("\"a prompt\"", "prompts"), Content::Prompt);
    let lists = r#"{"doc_id": 3, "arguments": [["2 + 2 =", {}]], "resps": [["4"], "5"]}"#;
    assert_eq!(
        content(lists, "lm-eval"),
        Content::Responses(vec![plain("4"), plain("5")])
    );
    let ids = r#"{"prompt_id": "a", "prompt": "", "responses": ["x", ""], "logprobs": [-1, 0], "tokens": [[5], []], "truncated": [true, false]}"#;
    let Content::Responses(found) = content(ids, "rollout-shard") else {
        panic!("a row of rollouts holds responses")
    };
    let first = found[0].sampled.as_ref().unwrap();
    assert_eq!((first.tokens.as_slice(), first.truncated), (&[5][..], true));
    assert!(found[1].sampled.as_ref().unwrap().tokens.is_empty());
}
