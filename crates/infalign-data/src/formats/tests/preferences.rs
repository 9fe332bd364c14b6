//! Preferences: where the prompt ends, ties, margins.

use super::*;
use crate::{PreferenceRow, read_preferences};

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
