//! Real rewards: 160 prompts × 155 responses by two reward models (openfeedback/superhf), if there.
#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test that skips says so"
)]

use std::path::PathBuf;

use infalign_data::{ReadOptions, ResponseCounts, read_table, write_table};

fn scores() -> Option<PathBuf> {
    let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let shared =
        std::env::var_os("INFALIGN_SHARED").map_or_else(|| root.join("../shared"), PathBuf::from);
    let path = shared.join("data/superhf/scores.csv.gz");
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
fn superhf_scores() {
    let Some(path) = scores() else { return };
    let options = ReadOptions {
        reward_column: Some("proxy_train_rm".to_owned()),
        gold_columns: vec!["gold_test_rm".to_owned()],
        ..ReadOptions::default()
    };
    let table = read_table(&path, &options).unwrap();
    assert_eq!((table.prompts(), table.responses()), (160, 24_800));
    assert_eq!(
        table.counts(),
        ResponseCounts {
            min: 155,
            median: 155,
            max: 155
        }
    );
    // The file's first row: 0,20,-2.328125,-3.484375,31
    assert_eq!(table.id(0), "0");
    assert_eq!(
        (table.rewards(0, 0)[0], table.rewards(1, 0)[0]),
        (-3.484_375, -2.328_125)
    );

    let directory = tempfile::tempdir().unwrap();
    let wide = directory.path().join("scores.parquet");
    write_table(&wide, &table).unwrap();
    assert_eq!(read_table(&wide, &options).unwrap(), table);
}

#[test]
fn without_options_the_error_lists_its_columns() {
    let Some(path) = scores() else { return };
    let message = read_table(&path, &ReadOptions::default())
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("`gold_test_rm`, `proxy_train_rm`"),
        "{message}"
    );
    assert!(message.contains("--reward-column"), "{message}");
}
