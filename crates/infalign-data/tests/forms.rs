//! The forms that rollouts come in: each is read to the same table.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use infalign_data::{ReadOptions, RewardTable, read_csv, read_jsonl};

fn texts() -> ReadOptions {
    ReadOptions {
        texts: true,
        ..ReadOptions::default()
    }
}

fn jsonl(text: &str) -> RewardTable {
    read_jsonl(text.as_bytes(), "r.jsonl", &texts()).unwrap()
}

#[track_caller]
fn is_the_table(table: &RewardTable) {
    assert_eq!(table.prompts(), 2);
    assert_eq!((table.id(0), table.id(1)), ("a", "b"));
    assert_eq!(table.rewards(0, 0), [1.0, -2.5]);
    assert_eq!(table.rewards(0, 1), [3.0]);
}

#[test]
fn wide_lines() {
    is_the_table(&jsonl(
        "\u{feff}{\"prompt_id\": \"a\", \"rewards\": [1, -2.5]}\n\n{\"rewards\": [3], \"prompt_id\": \"b\"}",
    ));
}

#[test]
fn rlhflow_in_one_line_and_laid_out() {
    let line = r#"{"type": "text_only", "instances": [{"prompt": "a", "responses": ["x", "y"],
        "rewards": [1, -2.5]}, {"prompt": "b", "responses": ["z"], "rewards": [3]}]}"#;
    for text in [
        line.to_owned(),
        line.replace('\n', ""),
        format!("\n{}", line.replace(',', ",\n")),
    ] {
        let table = jsonl(&text);
        is_the_table(&table);
        assert_eq!(
            table.response_texts(0).unwrap().collect::<Vec<_>>(),
            ["x", "y"]
        );
        assert_eq!(table.prompt_text(0), None, "the id is the text");
    }
}

#[test]
fn an_array_of_rows() {
    is_the_table(&jsonl(
        "[{\"prompt\": \"a\", \"rewards\": [1, -2.5]},\n {\"prompt\": \"b\", \"rewards\": [3]}]",
    ));
}

#[test]
fn qrpo_reference_columns() {
    let table = jsonl(
        "{\"prompt\": \"a\", \"ref_completions\": [\"x\", \"y\"], \"ref_rewards\": [1, -2.5]}\n{\"prompt\": \"b\", \"ref_completions\": [\"z\"], \"ref_rewards\": [3]}",
    );
    is_the_table(&table);
    assert_eq!(table.columns(), ["ref_rewards"]);
    assert_eq!(table.response_texts(1).unwrap().collect::<Vec<_>>(), ["z"]);
}

#[test]
fn long_lines_out_of_order() {
    is_the_table(&jsonl(
        "{\"prompt\": \"a\", \"reward\": 1}\n{\"prompt\": \"b\", \"reward\": 3}\n{\"prompt\": \"a\", \"reward\": -2.5}",
    ));
}

#[test]
fn long_csv_with_named_columns() {
    let options = ReadOptions {
        prompt_column: Some("q".to_owned()),
        reward_column: Some("proxy".to_owned()),
        gold_columns: vec!["human".to_owned()],
        texts: false,
    };
    let text = "human,q,proxy\r\n0,a,1\r\n9,b,3\r\n1,a,-2.5\r\n";
    let table = read_csv(text.as_bytes(), "r.csv", &options).unwrap();
    is_the_table(&table);
    assert_eq!(table.columns(), ["proxy", "human"]);
    assert_eq!(table.rewards(1, 0), [0.0, 1.0]);
}

#[test]
fn wide_csv() {
    let text = "prompt_id,rewards,gold\na,\"[1, -2.5]\",\"[0, 1]\"\nb,[3],[9]\n";
    let table = read_csv(text.as_bytes(), "r.csv", &texts()).unwrap();
    is_the_table(&table);
    assert_eq!(table.columns(), ["rewards", "gold"]);
}

#[test]
fn prompts_without_a_name_are_numbered() {
    let table = jsonl("{\"rewards\": [1]}\n{\"rewards\": [2]}");
    assert_eq!((table.id(0), table.id(1)), ("0", "1"));
}

#[test]
fn numbers_and_messages_name_prompts() {
    let table = jsonl(
        "{\"prompt_id\": 7, \"prompt\": [{\"role\": \"user\", \"content\": \"Hi\"}], \"rewards\": [1]}",
    );
    assert_eq!(table.id(0), "7");
    assert_eq!(
        table.prompt_text(0),
        Some("[{\"role\":\"user\",\"content\":\"Hi\"}]") // as written
    );
}
