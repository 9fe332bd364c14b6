//! What is said about small files, figure by figure.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use serde_json::json;

use super::*;

fn look(content: &str) -> Inspection {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("f.jsonl");
    std::fs::write(&path, content).unwrap();
    inspect(&path, &RecordOptions::default()).unwrap()
}

#[test]
fn responses_with_rewards() {
    let found = look(
        "{\"id\": 1, \"prompt\": \"ab\", \"responses\": [\"é\", \"xyz\"], \"rewards\": [1, -2], \"note\": \"\"}\n\
         {\"id\": 2, \"prompt\": \"abcd\", \"responses\": [\"\"], \"answer\": 7}\n\
         {\"id\": 2, \"prompt\": \"abcd\", \"responses\": [\"\"], \"answer\": 7}\n\
         {\"id\": 3, \"prompt\": \"\", \"responses\": [\"\"]}\n\
         {\"id\": \n",
    );
    assert_eq!(found.format, "responses");
    assert_eq!(
        found.why,
        "`prompt` with `responses` or `completions` in each of the first 4 rows"
    );
    assert_eq!((found.rows, found.prompts, found.answers), (5, 2, 2));
    assert_eq!((found.duplicate_rows, found.repeated_prompts), (1, 1));
    let per_prompt = found.responses_per_prompt.unwrap();
    assert_eq!(
        (per_prompt.count, per_prompt.min, per_prompt.max),
        (2, 2, 2)
    );
    let prompts = found.prompt_characters.unwrap();
    assert_eq!((prompts.min, prompts.median, prompts.max), (2, 4, 4));
    let responses = found.response_characters.unwrap();
    assert_eq!((responses.count, responses.min, responses.max), (4, 0, 3));
    let rewards = found.rewards.unwrap();
    assert_eq!((rewards.count, rewards.absent), (2, 2));
    assert_eq!((rewards.min, rewards.mean, rewards.max), (-2.0, -0.5, 1.0));
    let gaps: Vec<_> = found
        .missing
        .iter()
        .map(|g| (g.field.as_str(), g.rows))
        .collect();
    assert_eq!(
        gaps,
        [("prompt", 1), ("rewards", 3), ("note", 4), ("answer", 2)]
    );
    assert_eq!(found.bad.count, 2);
    assert!(
        found.bad.first[0].contains("line 4: `prompt` is empty"),
        "{:?}",
        found.bad
    );
    assert!(
        found.bad.first[1].contains("line 5: malformed JSON"),
        "{:?}",
        found.bad
    );
    assert_eq!(found.example.as_ref().unwrap()["prompt"], "ab");
    assert_eq!(found.preferences, None);
    let json = serde_json::to_value(&found).unwrap();
    assert_eq!(
        json["converts_to"],
        json!(["prompts", "rollouts", "rewards", "samples"])
    );
}

#[test]
fn preferences() {
    let found = look(
        "{\"prompt\": \"a\", \"chosen\": \"b\", \"rejected\": \"cd\", \"margin\": -1}\n\
         {\"prompt\": \"a\", \"chosen\": \"b\", \"rejected\": \"b\"}\n",
    );
    let expected = PreferenceSummary {
        count: 2,
        ties: 1,
        margins: 1,
        reversed: 1,
    };
    assert_eq!(found.preferences, Some(expected));
    assert_eq!((found.prompts, found.repeated_prompts), (1, 1));
    assert_eq!(found.responses_per_prompt.unwrap().max, 4);
}

#[test]
fn a_file_of_bad_rows_can_be_looked_at() {
    let found = look("{\"prompt\": \"\"}\n{\"prompt\": 1}\n");
    assert_eq!((found.rows, found.bad.count, found.prompts), (2, 2, 0));
    assert!(found.example.is_none() && found.prompt_characters.is_none());
}

#[test]
fn examples_are_short() {
    let value = json!({"a": "x".repeat(500), "b": [1, 2, 3, 4, 5, 6], "c": null});
    let short = short(&value);
    assert_eq!(short["a"].as_str().unwrap().chars().count(), SHOWN + 1);
    assert_eq!(short["b"], json!([1, 2, 3, 4, "… 2 more"]));
    assert_eq!(
        super::short(&json!("é".repeat(SHOWN))),
        json!("é".repeat(SHOWN))
    );
}
