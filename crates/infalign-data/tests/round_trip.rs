//! What is written is read back equal, in every format, and the same table gives the same bytes.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use infalign_data::{
    Compression, Error, ReadOptions, RewardTable, TableBuilder, TableFormat, read_table,
    write_table, write_table_to,
};
use proptest::prelude::*;

const NAMES: &[&str] = &[
    "t.parquet",
    "t.jsonl",
    "t.jsonl.gz",
    "t.jsonl.zst",
    "t.csv",
    "t.csv.gz",
    "t.csv.zst",
];

fn read_back(path: &std::path::Path, table: &RewardTable, texts: bool) -> RewardTable {
    let options = ReadOptions {
        prompt_column: None,
        reward_column: Some(table.columns()[0].clone()),
        gold_columns: table.columns()[1..].to_vec(),
        texts,
    };
    read_table(path, &options).unwrap()
}

/// Text with everything that quoting must survive.
fn text() -> impl Strategy<Value = String> {
    proptest::collection::vec(
        prop_oneof![
            Just('"'),
            Just(','),
            Just('\n'),
            Just('\r'),
            Just('\\'),
            Just('['),
            Just(' '),
            Just('\u{feff}'),
            any::<char>()
        ],
        0..8,
    )
    .prop_map(String::from_iter)
}

fn reward() -> impl Strategy<Value = f32> {
    prop_oneof![
        any::<f32>().prop_filter("finite", |v| v.is_finite()),
        Just(f32::MAX),
        Just(f32::MIN_POSITIVE / 4.0),
        (-3_i8..3).prop_map(f32::from),
    ]
}

fn table() -> impl Strategy<Value = RewardTable> {
    (1..4_usize, 1..12_usize, any::<bool>(), any::<bool>()).prop_flat_map(
        |(columns, prompts, prompt_texts, response_texts)| {
            let row = (1..6_usize).prop_flat_map(move |k| {
                let rewards =
                    proptest::collection::vec(proptest::collection::vec(reward(), k), columns);
                (
                    text(),
                    text(),
                    rewards,
                    proptest::collection::vec(text(), k),
                )
            });
            proptest::collection::vec(row, prompts).prop_map(move |rows| {
                let names = ["proxy", "gold, \"human\"", "Güte"];
                let mut builder = TableBuilder::new(names[..columns].iter().copied()).unwrap();
                for (i, (id, prompt, rewards, responses)) in rows.iter().enumerate() {
                    let rewards: Vec<&[f32]> = rewards.iter().map(Vec::as_slice).collect();
                    let responses: Vec<&str> = responses.iter().map(String::as_str).collect();
                    let responses = if response_texts { &responses[..] } else { &[] };
                    let prompt = prompt_texts.then_some(prompt.as_str());
                    builder
                        .insert(&format!("{id}{i}"), prompt, &rewards, responses)
                        .unwrap();
                }
                builder.finish().unwrap()
            })
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..Default::default() })]

    #[test]
    fn every_format_keeps_the_table(table in table()) {
        let directory = tempfile::tempdir().unwrap();
        for name in NAMES {
            let path = directory.path().join(name);
            write_table(&path, &table).unwrap();
            prop_assert_eq!(&read_back(&path, &table, true), &table, "{}", name);
            let lean = read_back(&path, &table, false);
            prop_assert!(lean.response_texts(0).is_none() && lean.prompt_text(0).is_none());
            prop_assert_eq!(lean.rewards(0, 0), table.rewards(0, 0));

            let format = TableFormat::of(&path).unwrap();
            let mut bytes = Vec::new();
            write_table_to(&mut bytes, name, &table, format).unwrap();
            prop_assert!(bytes == std::fs::read(&path).unwrap(), "{} differs", name);
        }
    }
}

#[test]
fn more_prompts_than_a_row_group_and_a_read_hold() {
    let mut builder = TableBuilder::new(["rewards"]).unwrap();
    for prompt in 0..9000_u16 {
        let k = usize::from(prompt % 5) + 1;
        builder
            .insert(
                &prompt.to_string(),
                None,
                &[&vec![f32::from(prompt); k]],
                &[],
            )
            .unwrap();
    }
    let table = builder.finish().unwrap();
    let directory = tempfile::tempdir().unwrap();
    for name in ["t.parquet", "t.csv"] {
        let path = directory.path().join(name);
        write_table(&path, &table).unwrap();
        assert_eq!(read_back(&path, &table, false), table, "{name}");
    }
}

#[test]
fn what_cannot_be_written_is_refused_before() {
    let directory = tempfile::tempdir().unwrap();
    let mut builder = TableBuilder::new(["prompt"]).unwrap();
    builder.insert("a", None, &[&[1.0]], &[]).unwrap();
    let table = builder.finish().unwrap();
    let error = write_table(directory.path().join("t.csv"), &table).unwrap_err();
    assert!(matches!(error, Error::Table { .. }), "{error}");
    let error = write_table(directory.path().join("t.xlsx"), &table).unwrap_err();
    assert!(matches!(error, Error::UnknownFormat { .. }), "{error}");
    let format = TableFormat::Csv(Compression::None);
    assert!(write_table_to(Vec::new(), "t", &table, format).is_err());
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}
