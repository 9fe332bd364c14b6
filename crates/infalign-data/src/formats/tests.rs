//! Every format: recognised by its example, read to the record that it means, refused when broken.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

use std::{fs::File, io::Write, path::PathBuf, sync::Arc};

use ::parquet::{
    data_type::{ByteArray, ByteArrayType, Int64Type},
    file::{properties::WriterProperties, writer::SerializedFileWriter},
    schema::parser::parse_message_type,
};
use tempfile::TempDir;

use super::*;
use crate::{
    OnBadRow, PreferenceRow,
    error::{Error, Kind, Spot},
    read_preferences,
    texts::Message,
    write::parquet as encode,
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

/// Prompt, chosen and rejected of a row of preferences.
fn split(row: &str) -> (Turns, Turns, Turns) {
    let files = Files::new();
    let path = files.write("f.jsonl", row);
    let mut rows = read_preferences(path, &RecordOptions::default()).unwrap();
    let PreferenceRow {
        prompt,
        chosen,
        rejected,
        ..
    } = rows.next().unwrap().unwrap();
    (prompt, chosen, rejected)
}

#[test]
fn prompts_of_preferences() {
    // Implicit, texts: the space belongs to the responses.
    let row = r#"{"chosen": "The sky is blue.", "rejected": "The sky is green."}"#;
    let expected = (text("The sky is"), text(" blue."), text(" green."));
    assert_eq!(split(row), expected);
    // Explicit, texts.
    let row = r#"{"prompt": "Say", "chosen": "Say a", "rejected": "b"}"#;
    assert_eq!(split(row), (text("Say"), text("Say a"), text("b")));
    // Messages that go on for several turns, and part again at the assistant.
    let turns = |turns: Vec<Message>| Turns::Messages(turns);
    let row = "{\"chosen\": \"\\n\\nHuman: a\\n\\nAssistant: b\\n\\nHuman: c\\n\\nAssistant: d\", \"rejected\": \"\\n\\nHuman: a\\n\\nAssistant: b\\n\\nHuman: e\\n\\nAssistant: f\"}";
    let expected = (
        turns(vec![user("a")]),
        turns(vec![assistant("b"), user("c"), assistant("d")]),
        turns(vec![assistant("b"), user("e"), assistant("f")]),
    );
    assert_eq!(split(row), expected);
    // A text prompt before messages that do not repeat it.
    let row =
        r#"{"prompt": "a", "chosen": [{"role": "assistant", "content": "b"}], "rejected": "c"}"#;
    let expected = (
        turns(vec![user("a")]),
        turns(vec![assistant("b")]),
        turns(vec![assistant("c")]),
    );
    assert_eq!(split(row), expected);
    // UltraFeedback over several turns: the prompt is the first of them.
    let row = r#"{"prompt": "a", "score_chosen": 1, "score_rejected": 1, "chosen": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, {"role": "user", "content": "c"}, {"role": "assistant", "content": "d"}], "rejected": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, {"role": "user", "content": "c"}, {"role": "assistant", "content": "e"}]}"#;
    let expected = (
        turns(vec![user("a"), assistant("b"), user("c")]),
        turns(vec![assistant("d")]),
        turns(vec![assistant("e")]),
    );
    assert_eq!(split(row), expected);
}

#[test]
fn ties_and_margins() {
    let tie = |more: &str, rejected: &str| {
        let row = format!(r#"{{"prompt": "a", "chosen": "b", "rejected": "{rejected}"{more}}}"#);
        let Content::Preference(found) = one(&row).1.content else {
            panic!("a preference")
        };
        (found.tie, found.margin)
    };
    assert_eq!(tie("", "c"), (false, None));
    assert_eq!(tie("", "b"), (true, None));
    assert_eq!(tie(r#", "tie": true"#, "c"), (true, None));
    assert_eq!(tie(r#", "margin": 0"#, "c"), (true, Some(0.0)));
    assert_eq!(tie(r#", "margin": -1.5"#, "c"), (false, Some(-1.5)));
    let scores = r#", "score_chosen": 2, "score_rejected": 3"#;
    assert_eq!(tie(scores, "c"), (false, Some(-1.0)));
}

#[test]
fn hostile_rows() {
    for (format, row, says) in [
        ("prompts", "{}", "no value for `prompt`"),
        (
            "prompts",
            "7",
            "column `row`: found the number 7, expected {\"prompt\"}",
        ),
        ("prompts", r#"{"prompt": ""}"#, "`prompt` is empty"),
        (
            "prompts",
            r#"{"prompt": 7}"#,
            "column `prompt`: found the number 7",
        ),
        (
            "prompts",
            r#"{"prompt": "a", "id": 1.5}"#,
            "column `id`: found the number 1.5",
        ),
        (
            "trl-preference",
            r#"{"prompt": "a", "chosen": "b"}"#,
            "no value for `rejected`",
        ),
        (
            "trl-preference",
            r#"{"chosen": "b", "rejected": "c"}"#,
            "do not begin with a prompt that they share",
        ),
        (
            "trl-preference",
            r#"{"chosen": "bc", "rejected": "bcd"}"#,
            "cannot be told where the prompt ends",
        ),
        (
            "trl-preference",
            r#"{"chosen": [{"role": "user", "content": "a"}], "rejected": [{"role": "user", "content": "a"}]}"#,
            "do not begin with a prompt",
        ),
        (
            "trl-preference",
            r#"{"prompt": "a", "chosen": "b", "rejected": "c", "margin": "much"}"#,
            "expected a finite number",
        ),
        (
            "trl-preference",
            r#"{"prompt": "a", "chosen": "b", "rejected": "c", "tie": 1}"#,
            "column `tie`",
        ),
        (
            "hh",
            r#"{"chosen": "a", "rejected": "b"}"#,
            "column `chosen`: not a transcript",
        ),
        (
            "ultrafeedback",
            r#"{"prompt": "a", "chosen": "b", "rejected": "c", "score_chosen": 1}"#,
            "no value for `score_rejected`",
        ),
        (
            "trl-unpaired",
            r#"{"prompt": "a", "completion": "b", "label": 2}"#,
            "column `label`: found the number 2",
        ),
        (
            "trl-unpaired",
            r#"{"prompt": "a", "label": true, "completion": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}]}"#,
            "a response of several messages",
        ),
        (
            "rlhflow",
            r#"{"prompt": "a", "responses": ["b"], "rewards": [1, 2]}"#,
            "`rewards` holds 2 values but `responses` holds 1",
        ),
        (
            "rlhflow",
            r#"{"prompt": "a", "rewards": [1]}"#,
            "no value for `responses`",
        ),
        (
            "responses",
            r#"{"prompt": "a", "responses": []}"#,
            "`responses` is empty",
        ),
        (
            "responses",
            r#"{"prompt": "a", "responses": ["b", 7]}"#,
            "column `responses[1]`: found the number 7",
        ),
        (
            "responses",
            r#"{"prompt": "a", "response": "b", "reward": 1e39}"#,
            "the reward is 1e39",
        ),
        (
            "qrpo",
            r#"{"prompt": "a", "ref_rewards": [null]}"#,
            "response 1: the reward is NaN",
        ),
        (
            "qrpo",
            r#"{"prompt": "a", "ref_rewards": ["x"]}"#,
            "expected a number",
        ),
        (
            "qrpo",
            r#"{"prompt": "a", "ref_rewards": 7}"#,
            "column `ref_rewards`: found the number 7, expected a list",
        ),
        (
            "generations",
            r#"{"generations": ["a"]}"#,
            "no value for `instruction`",
        ),
        (
            "rewardbench2",
            r#"{"prompt": "a", "chosen": ["b"], "rejected": []}"#,
            "`rejected` is empty",
        ),
        (
            "arena-hard",
            r#"{"uid": "a", "model": "m", "messages": [{"role": "user", "content": "a"}]}"#,
            "a prompt and an answer are needed",
        ),
        (
            "lm-eval",
            r#"{"doc_id": 0, "arguments": [], "resps": [["a"]]}"#,
            "no value for `arguments[0][0]`",
        ),
        (
            "lm-eval",
            r#"{"doc_id": 0, "arguments": [["a"]], "resps": [[[-1.5, false]]]}"#,
            "column `resps[0]`: found a list, expected a text",
        ),
        (
            "lm-eval",
            r#"{"doc_id": 0, "arguments": [["a"]], "resps": [[]]}"#,
            "`resps` is empty",
        ),
        ("rewards", r#"{"rewards": [1]}"#, "no value for `prompt_id`"),
        ("rewards", r#"{"prompt_id": "a"}"#, "no value for `reward`"),
        (
            "conversations",
            r#"{"messages": [{"role": "assistant", "content": "a"}]}"#,
            "nothing stands before",
        ),
        ("texts", r#"{"text": ""}"#, "`text` is empty"),
        (
            "samples",
            r#"{"prompt": "a", "text": "b", "tokens": [1], "sampled_log_probs": []}"#,
            "`sampled_log_probs` holds 0 values but `tokens` holds 1",
        ),
        (
            "samples",
            r#"{"prompt": "a", "text": "b", "tokens": [-1], "sampled_log_probs": [0]}"#,
            "expected token ids",
        ),
        (
            "samples",
            r#"{"prompt": "a", "text": "b", "tokens": [1], "sampled_log_probs": [null]}"#,
            "expected finite numbers",
        ),
        (
            "samples",
            r#"{"prompt": "a", "text": "b", "tokens": [1], "sampled_log_probs": [-1e300]}"#,
            "the log-probability is -inf",
        ),
        (
            "rollout-shard",
            r#"{"prompt_id": "a", "prompt": "b", "responses": ["c"], "logprobs": [0], "tokens": [2], "token_ids": [1], "truncated": [false]}"#,
            "have 2 tokens together, but `token_ids` holds 1",
        ),
        (
            "rollout-shard",
            r#"{"prompt_id": "a", "prompt": "b", "responses": ["c"], "logprobs": [0, 1], "tokens": [[1]], "truncated": [false]}"#,
            "`logprobs` holds 2 values",
        ),
        (
            "rollout-shard",
            r#"{"prompt_id": "a", "prompt": "b", "responses": ["c"], "logprobs": [0], "tokens": [[1]], "truncated": [0]}"#,
            "expected true or false",
        ),
    ] {
        let message = refused(format, row);
        assert!(message.contains("f.jsonl, line 1"), "{message}");
        assert!(message.contains(says), "{format} {row}: {message}");
    }
}

#[test]
fn unknown_rows_are_told_the_formats() {
    let unknown = open(r#"{"a": 1, "b": 2}"#).err().unwrap();
    assert!(matches!(unknown, Error::UnknownRecords { .. }));
    let message = unknown.to_string();
    assert!(
        message.contains("f.jsonl: its rows are of no known format (columns: `a`, `b`)"),
        "{message}"
    );
    for format in FORMATS {
        assert!(message.contains(format.name), "{message}");
    }
    let files = Files::new();
    let path = files.write("f.jsonl", "{}");
    let options = RecordOptions {
        format: Some("trl".to_owned()),
        ..RecordOptions::default()
    };
    let message = read_records(&path, &options).err().unwrap().to_string();
    assert!(
        message.starts_with("there is no format `trl`; the formats are:\n  rollout-shard"),
        "{message}"
    );
    for empty in ["", "\n\n", "[]"] {
        let path = files.write("e.jsonl", empty);
        let message = read_records(&path, &RecordOptions::default())
            .err()
            .unwrap()
            .to_string();
        assert!(
            message.ends_with("e.jsonl holds no rows; give at least one"),
            "{message}"
        );
    }
    let broken = open("{\"prompt\": \n{]").err().unwrap();
    assert!(matches!(broken, Error::Malformed { .. }), "{broken}");
    let path = files.write("x.bin", "some bytes");
    let unknown = read_records(&path, &RecordOptions::default())
        .err()
        .unwrap();
    assert!(matches!(unknown, Error::UnknownFormat { .. }), "{unknown}");
}

#[test]
fn bad_rows_fail_or_are_counted() {
    let text = "{\"prompt\": \"a\"}\n{\"prompt\": \n{\"prompt\": \"b\"}\n{\"prompt\": \"\"}\n";
    let files = Files::new();
    let path = files.write("f.jsonl", text);
    let mut strict = read_records(&path, &RecordOptions::default()).unwrap();
    assert!(strict.next().unwrap().is_ok());
    let error = strict.next().unwrap().unwrap_err().to_string();
    assert!(error.contains("f.jsonl, line 2: malformed JSON"), "{error}");
    assert!(strict.next().is_none());

    let options = RecordOptions {
        format: None,
        on_bad: OnBadRow::Skip,
        ..RecordOptions::default()
    };
    let mut lenient = read_records(&path, &options).unwrap();
    let lines: Vec<Spot> = lenient.by_ref().map(|r| r.unwrap().place.spot).collect();
    assert_eq!(lines, [Spot::Line(1), Spot::Line(3)]);
    assert_eq!((lenient.bad().count, lenient.bad().first.len()), (2, 2));

    let path = files.write("g.jsonl", "{\"prompt\": \"\"}\n{\"prompt\": 7}\n");
    let mut none = read_records(&path, &options).unwrap();
    let error = none.next().unwrap().unwrap_err().to_string();
    assert!(error.contains("line 1: `prompt` is empty"), "{error}");
}

#[test]
fn rlhflow_is_read_instance_by_instance() {
    let instances: Vec<String> = (0..3000)
        .map(|i| format!("{{\"prompt\": \"p{i} ]}}\\\"\", \"responses\": [\"a\", \"b\"], \"rewards\": [{i}, 0.5]}}"))
        .collect();
    let list = instances.join(",\n");
    for whole in [
        format!("{{\"type\": \"text_only\", \"instances\": [\n{list}]}}"),
        format!("\u{feff} {{\"instances\":[\n{list}\n], \"type\": \"text_only\"}}\n"),
    ] {
        for name in ["f.json", "f.jsonl"] {
            let files = Files::new();
            let path = files.write(name, &whole);
            let records = read_records(path, &RecordOptions::default()).unwrap();
            assert_eq!(records.format().name, "rlhflow");
            let all: Vec<Record> = records.map(Result::unwrap).collect();
            assert_eq!(all.len(), 3000);
            assert_eq!(all[2999].prompt, Some(text("p2999 ]}\"")));
            assert_eq!(all[2999].place.spot, Spot::Line(3001));
        }
    }
    for (bad, says) in [
        (format!("{{\"instances\": [{list}"), "the file ends within"),
        (
            format!("{{\"instances\": [{list}] {{}}"),
            "the object does not end as it should",
        ),
        (
            format!("{{\"instances\": [{list}]"),
            "the object does not end as it should",
        ),
    ] {
        let (records, _files) = open(&bad).unwrap();
        let error = records.last().unwrap().unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
}

#[test]
fn compressed_delimited_and_plain_files() {
    let files = Files::new();
    let line = "{\"prompt\": \"a\", \"chosen\": \"b\", \"rejected\": \"c\"}\n";
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(line.as_bytes()).unwrap();
    let zst = zstd::encode_all(line.as_bytes(), 1).unwrap();
    for (name, bytes) in [
        ("a.jsonl.gz", gz.finish().unwrap()),
        ("a.jsonl.zst", zst.clone()),
        ("a.json", format!("[{line}]").into_bytes()),
        ("a.csv", b"prompt,chosen,rejected\na,b,c\n".to_vec()),
        ("a.tsv", b"prompt\tchosen\trejected\na\tb\tc\n".to_vec()),
    ] {
        let path = files.write(name, bytes);
        let records = read_records(path, &RecordOptions::default()).unwrap();
        assert_eq!(records.format().name, "trl-preference", "{name}");
        assert_eq!(records.map(Result::unwrap).count(), 1, "{name}");
    }
    let csv = "prompt_id,reward,rewards\nx,,\"[1, -2.5]\"\ny,0.5,\nz,nan,\nz\n";
    let path = files.write("r.csv", csv);
    let options = RecordOptions {
        format: None,
        on_bad: OnBadRow::Skip,
        ..RecordOptions::default()
    };
    let mut records = read_records(path, &options).unwrap();
    let found: Vec<Content> = records.by_ref().map(|r| r.unwrap().content).collect();
    assert_eq!(
        found,
        [Content::Rewards(vec![1.0, -2.5]), Content::Reward(0.5)]
    );
    let bad: Vec<String> = records.bad().first.iter().map(Error::to_string).collect();
    assert!(
        bad[0].contains("r.csv, line 4") && bad[0].contains("the reward is NaN"),
        "{bad:?}"
    );
    assert!(
        bad[1].contains("r.csv, line 5: 1 fields, expected 3"),
        "{bad:?}"
    );
    let path = files.write("twice.csv", "prompt,prompt\na,b\n");
    let error = read_records(path, &RecordOptions::default()).err().unwrap();
    assert!(matches!(error, Error::RepeatedColumn { .. }), "{error}");

    let path = files.write("p.txt", "one\n\ntwo\n");
    let records = read_records(path, &RecordOptions::default()).unwrap();
    let prompts: Vec<Turns> = records.map(|r| r.unwrap().prompt.unwrap()).collect();
    assert_eq!(prompts, [text("one"), text("two")]);

    let path = files.write("cut.jsonl.zst", &zst[..zst.len() - 4]);
    let error = read_records(path, &RecordOptions::default())
        .and_then(|mut records| records.next().unwrap())
        .unwrap_err();
    assert!(matches!(error, Error::Damaged { .. }), "{error}");
}

#[test]
fn verl_in_parquet() {
    let schema = "message schema {
        required binary data_source (STRING);
        required group prompt (LIST) { repeated group list { required group element {
            required binary role (STRING); required binary content (STRING); } } }
        required group reward_model { required binary ground_truth (STRING); }
        required group extra_info { optional int64 index; }
    }";
    let files = Files::new();
    let path = files.0.path().join("v.parquet");
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let properties = Arc::new(WriterProperties::builder().build());
    let file = File::create(&path).unwrap();
    let mut writer = SerializedFileWriter::new(file, schema, properties).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let texts =
        |texts: &[&str]| -> Vec<ByteArray> { texts.iter().map(|t| encode::text(t)).collect() };
    encode::column::<ByteArrayType, _>(&mut group, &texts(&["gsm8k", "math"]), None).unwrap();
    let levels = encode::levels([2, 1].into_iter());
    let levels = Some((&levels.0[..], &levels.1[..]));
    encode::column::<ByteArrayType, _>(&mut group, &texts(&["system", "user", "user"]), levels)
        .unwrap();
    encode::column::<ByteArrayType, _>(&mut group, &texts(&["s", "é", "b"]), levels).unwrap();
    encode::column::<ByteArrayType, _>(&mut group, &texts(&["72", "x"]), None).unwrap();
    let index = Some((&[1, 0][..], &[0, 0][..]));
    encode::column::<Int64Type, _>(&mut group, &[7], index).unwrap();
    group.close().unwrap();
    writer.close().unwrap();

    let records = read_records(&path, &RecordOptions::default()).unwrap();
    assert_eq!(records.format().name, "verl");
    let all: Vec<Record> = records.map(Result::unwrap).collect();
    let system = Message {
        role: "system".to_owned(),
        content: "s".to_owned(),
    };
    assert_eq!(
        all[0].prompt,
        Some(Turns::Messages(vec![system, user("é")]))
    );
    assert_eq!(all[0].id.as_deref(), Some("gsm8k/7"));
    assert_eq!(all[1].answer.as_deref(), Some("x"));
    assert_eq!(
        (all[1].id.as_ref(), all[1].place.spot),
        (None, Spot::Row(2))
    );

    let mut bytes = std::fs::read(&path).unwrap();
    bytes.truncate(bytes.len() - 5);
    let path = files.write("cut.parquet", bytes);
    let error = read_records(path, &RecordOptions::default()).err().unwrap();
    assert!(matches!(error, Error::Parquet { .. }), "{error}");
}
