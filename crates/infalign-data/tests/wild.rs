//! Real files of other people, if there: HH transcripts, prompts, reviews.
#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test stops at the first surprise, and says when it skips"
)]

use std::path::PathBuf;

use infalign_data::{
    OnBadRow, RecordOptions, Target, Turns, convert, inspect, read_preferences, read_prompts,
};

fn shared(file: &str) -> Option<PathBuf> {
    let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let shared =
        std::env::var_os("INFALIGN_SHARED").map_or_else(|| root.join("../shared"), PathBuf::from);
    let path = shared.join("data").join(file);
    if path.is_file() {
        return Some(path);
    }
    eprintln!(
        "SKIPPED: {} is not there; set INFALIGN_SHARED to the folder of data",
        path.display()
    );
    None
}

const SKIP: RecordOptions = RecordOptions {
    format: None,
    on_bad: OnBadRow::Skip,
    rename: Vec::new(),
};

#[test]
fn hh_transcripts() {
    for (file, rows) in [
        ("harmless-base-test", 2312),
        ("helpful-base-test", 2354),
        ("helpful-online-test", 1137),
        ("helpful-rejection-sampled-test", 2749),
    ] {
        let Some(path) = shared(&format!("hh/{file}.jsonl.gz")) else {
            return;
        };
        let found = inspect(&path, &SKIP).unwrap();
        assert_eq!((found.format, found.rows), ("hh", rows));
        assert_eq!(found.bad.count, 0, "{:?}", found.bad.first);
        let preferences = found.preferences.unwrap();
        assert_eq!(preferences.count, rows);
        let mut last_user = 0;
        for row in read_preferences(&path, &SKIP).unwrap() {
            let row = row.unwrap();
            let (Turns::Messages(prompt), Turns::Messages(chosen)) = (&row.prompt, &row.chosen)
            else {
                unreachable!("transcripts are messages")
            };
            assert_eq!(chosen[0].role, "assistant");
            last_user += u64::from(prompt.last().unwrap().role == "user");
        }
        assert_eq!(last_user, preferences.count);
    }
}

#[test]
fn prompts_and_reviews() {
    if let Some(path) = shared("superhf/prompts.jsonl") {
        let found = inspect(&path, &SKIP).unwrap();
        assert_eq!(
            (found.format, found.rows, found.bad.count),
            ("prompts", 160, 0)
        );
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("p.jsonl");
        convert(&path, &out, Target::Prompts, &Default::default()).unwrap();
        let both = read_prompts(&path)
            .unwrap()
            .zip(read_prompts(&out).unwrap());
        let same = both.filter(|(a, b)| {
            let (a, b) = (a.as_ref().unwrap(), b.as_ref().unwrap());
            (&a.id, &a.prompt) == (&b.id, &b.prompt)
        });
        assert_eq!(same.count(), 160);
    }
    if let Some(path) = shared("superhf/scores.csv.gz") {
        let options = RecordOptions {
            rename: vec![("proxy_train_rm".to_owned(), "reward".to_owned())],
            ..SKIP
        };
        let found = inspect(&path, &options).unwrap();
        assert_eq!(
            (found.format, found.rows, found.prompts),
            ("rewards", 24_800, 160)
        );
        assert_eq!(found.responses_per_prompt.unwrap().min, 155);
    }
    if let Some(path) = shared("imdb/train-pos.jsonl.zst") {
        let found = inspect(&path, &SKIP).unwrap();
        assert_eq!(
            (found.format, found.rows, found.bad.count),
            ("texts", 12_500, 0)
        );
    }
}
