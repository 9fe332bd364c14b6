//! Texts end to end: real stories, if there, and damaged files of every form.
#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test stops at the first surprise, and says when it skips"
)]

use std::{io::Cursor, path::PathBuf};

use infalign_data::{
    DocumentOptions, OnBadRow, TextForm, read_documents, read_documents_from, read_examples_from,
    read_prompts, read_prompts_from, read_scoring_from,
};
use proptest::prelude::*;

fn stories() -> Option<PathBuf> {
    let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let shared =
        std::env::var_os("INFALIGN_SHARED").map_or_else(|| root.join("../shared"), PathBuf::from);
    let path = shared.join("data/text/tinystories_1000.json");
    if path.is_file() {
        return Some(path);
    }
    eprintln!(
        "SKIPPED: {} is not there; set INFALIGN_SHARED to the folder of data",
        path.display()
    );
    None
}

#[test]
fn a_thousand_stories_in_one_array() {
    let Some(path) = stories() else { return };
    let all: Vec<String> = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    let documents = read_documents(&path, &DocumentOptions::default()).unwrap();
    let texts: Vec<String> = documents.map(|d| d.unwrap().text).collect();
    assert_eq!(texts.len(), 1000);
    assert_eq!(texts, all);
    assert_eq!(
        read_prompts(&path).unwrap().map(Result::unwrap).count(),
        1000
    );
}

const SEED: &str = r#"[{"text": "a\u00e9", "prompt": "a", "completion": "b"},
{"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}]},
{"prompt": [{"role": "user", "content": "x"}], "responses": ["é", ""], "id": "q"}, "story"]
{"prompt": "a", "response": "b"} <|endoftext|>
"#;

const FORMS: [TextForm; 3] = [TextForm::Plain, TextForm::JsonLines, TextForm::Json];

proptest! {
    #[test]
    fn damaged_files_end_in_rows_or_errors(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0_u8..3), 0..6),
        lines: bool,
    ) {
        let mut bytes = SEED.replace(if lines { ",\n" } else { "\0" }, "\n").into_bytes();
        for (at, byte, how) in changes {
            let at = at.index(bytes.len());
            match how {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ => { bytes.remove(at); }
            }
        }
        // A file has fewer rows than bytes; every reader must end, at the latest with an error.
        let most = bytes.len() + 1;
        let input = || Cursor::new(bytes.clone());
        for form in FORMS {
            let options = DocumentOptions::default();
            if let Ok(found) = read_documents_from(input(), "x", form, &options) {
                prop_assert!(found.take(most + 1).count() <= most);
            }
            if let Ok(found) = read_prompts_from(input(), "x", form) {
                prop_assert!(found.take(most + 1).count() <= most);
            }
            if let Ok(found) = read_scoring_from(input(), "x", form) {
                prop_assert!(found.take(most + 1).count() <= most);
            }
            for bad in [OnBadRow::Fail, OnBadRow::Skip] {
                if let Ok(found) = read_examples_from(input(), "x", form, bad) {
                    prop_assert!(found.take(most + 1).count() <= most);
                }
            }
        }
    }
}
