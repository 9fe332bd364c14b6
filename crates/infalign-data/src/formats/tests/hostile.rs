//! Rows that are refused: each with its place, the reason and what to do; or counted and left out.

use super::*;

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
