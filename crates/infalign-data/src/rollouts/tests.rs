//! Shards: the way there and back, bytes that repeat, and a hostile file for every error.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::{fs::File, path::Path, sync::Arc};

use parquet::{
    data_type::{ByteArray, ByteArrayType, FloatType, Int32Type},
    file::{properties::WriterProperties, writer::SerializedFileWriter},
    schema::{parser::parse_message_type, types::TypePtr},
};
use proptest::prelude::*;

use super::*;
use crate::{error::Kind, write::parquet as encode};

fn row(id: &str) -> RolloutRow {
    RolloutRow {
        prompt_id: id.to_owned(),
        prompt: "<s>Say é:\n".to_owned(),
        responses: vec!["é".to_owned(), String::new(), "aa".to_owned()],
        log_probs: vec![-1.5, -0.0, -f32::MIN_POSITIVE],
        tokens: vec![vec![3, 2], Vec::new(), vec![i32::MAX as u32]],
        truncated: vec![false, false, true],
    }
}

fn metadata() -> Metadata {
    [("policy", "stories"), ("reward", "length"), ("empty", "")]
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .into()
}

fn refused(change: impl FnOnce(&mut RolloutRow)) -> String {
    let folder = tempfile::tempdir().unwrap();
    let mut rows = vec![row("a"), row("b")];
    change(&mut rows[1]);
    let path = folder.path().join("s.parquet");
    let error = write_rollouts(&path, &rows, &metadata()).unwrap_err();
    assert_eq!(error.kind(), Kind::User);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    let message = error.to_string();
    assert!(message.contains("s.parquet, row 2"), "{message}");
    message
}

#[test]
fn there_and_back_with_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = (folder.path().join("a.parquet"), folder.path().join("b"));
    for rows in [0, 1, 600] {
        let rows: Vec<_> = (0..rows).map(|i| row(&format!("{i}"))).collect();
        write_rollouts(&a, &rows, &metadata()).unwrap();
        write_rollouts(&b, &rows, &metadata()).unwrap();
        assert_eq!(std::fs::read(&a).unwrap(), std::fs::read(&b).unwrap());
        assert_eq!(read_rollouts(&a).unwrap(), (rows.clone(), metadata()));
        let shard = open_rollouts(&a).unwrap();
        assert_eq!(shard.announced(), rows.len() as u64);
        assert_eq!(shard.map(Result::unwrap).count(), rows.len());
    }
}

#[test]
fn what_a_server_did_not_tell_may_be_empty() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.parquet");
    let (whole, mut texts, mut likely) = (row("a"), row("b"), row("c"));
    texts.log_probs.clear();
    texts.tokens.clear();
    likely.tokens.clear();
    let rows = vec![whole, texts, likely];
    write_rollouts(&path, &rows, &metadata()).unwrap();
    assert_eq!(read_rollouts(&path).unwrap().0, rows);
}

#[test]
fn rewards_there_and_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.parquet");
    let rows = [("a", vec![0.5, -0.0, f32::MAX]), ("b", vec![1.0])].map(|(id, rewards)| {
        let prompt_id = id.to_owned();
        RewardRow { prompt_id, rewards }
    });
    write_rewards(&path, &rows, &metadata()).unwrap();
    let (read, about) = read_rewards(&path).unwrap();
    assert_eq!((read.as_slice(), &about), (rows.as_slice(), &metadata()));
    assert!(read[0].rewards[1].is_sign_negative());
    // A shard of rewards is a table as well.
    let table = crate::read_table(&path, &crate::ReadOptions::default()).unwrap();
    assert_eq!(table.rewards(0, 0), rows[0].rewards);

    let says = |rows: &[RewardRow], about: &Metadata| {
        write_rewards(&path, rows, about).unwrap_err().to_string()
    };
    let none = says(&rows, &Metadata::new());
    assert!(
        none.contains("do not name the reward under `reward`"),
        "{none}"
    );
    let mut bad = rows.clone();
    bad[0].rewards[1] = f32::NAN;
    let not_finite = says(&bad, &metadata());
    assert!(
        not_finite.contains("row 1, column `rewards`, response 2: the reward is NaN"),
        "{not_finite}"
    );
    bad[0].rewards.clear();
    let empty = says(&bad, &metadata());
    assert!(
        empty.contains("column `rewards`: the list is empty"),
        "{empty}"
    );
    // What stood there is still there.
    assert_eq!(read_rewards(&path).unwrap().0, rows);
}

#[test]
fn rows_that_no_shard_holds() {
    type Change = fn(&mut RolloutRow);
    let cases: [(Change, &str); 9] = [
        (|r| r.prompt_id.clear(), "`prompt_id` is empty"),
        (
            |r| r.prompt_id = "a".to_owned(),
            "prompt `a` was already given in",
        ),
        (|r| r.responses.clear(), "`responses`: the list is empty"),
        (
            |r| r.log_probs.truncate(1),
            "`logprobs` holds 1 values but `responses` holds 3",
        ),
        (|r| r.tokens.push(vec![1]), "`tokens` holds 4 values"),
        (|r| r.truncated.clear(), "`truncated` holds 0 values"),
        (
            |r| r.log_probs[2] = f32::NAN,
            "response 3: the log-probability is NaN",
        ),
        (
            |r| r.log_probs[0] = f32::NEG_INFINITY,
            "the log-probability is -inf",
        ),
        (
            |r| r.tokens[0][1] = 1 << 31,
            "a token id is negative or from 2^31 on",
        ),
    ];
    for (change, says) in cases {
        let message = refused(change);
        assert!(message.contains(says), "{message}");
    }
}

/// A shard of one row whose columns another program wrote.
struct Foreign {
    schema: TypePtr,
    lengths: [usize; 5], // responses, logprobs, tokens, token_ids, truncated
    counts: Vec<i32>,
    ids: Vec<i32>,
    response: Vec<u8>,
}

const SCHEMA: &str = "message schema {
    required binary prompt_id (STRING);
    required binary prompt (STRING);
    required group responses (LIST) { repeated group list { required binary element (STRING); } }
    required group logprobs (LIST) { repeated group list { required float element; } }
    required group tokens (LIST) { repeated group list { required int32 element; } }
    required group token_ids (LIST) { repeated group list { required int32 element; } }
    required group truncated (LIST) { repeated group list { required boolean element; } }
}";

impl Foreign {
    fn new() -> Self {
        Self {
            schema: Arc::new(parse_message_type(SCHEMA).unwrap()),
            lengths: [2, 2, 2, 3, 2],
            counts: vec![1, 2],
            ids: vec![7, 8, 9],
            response: b"x".to_vec(),
        }
    }

    fn write(&self, path: &Path) {
        let properties = Arc::new(WriterProperties::builder().build());
        let file = File::create(path).unwrap();
        let mut writer =
            SerializedFileWriter::new(file, Arc::clone(&self.schema), properties).unwrap();
        let mut group = writer.next_row_group().unwrap();
        let texts = [encode::text("p")];
        encode::column::<ByteArrayType, _>(&mut group, &texts, None).unwrap();
        encode::column::<ByteArrayType, _>(&mut group, &texts, None).unwrap();
        let levels = self.lengths.map(|n| encode::levels([n].into_iter()));
        let levels = levels.each_ref().map(|(d, r)| Some((&d[..], &r[..])));
        let responses = vec![ByteArray::from(self.response.clone()); self.lengths[0]];
        encode::column::<ByteArrayType, _>(&mut group, &responses, levels[0]).unwrap();
        let zeros = vec![0.0; self.lengths[1]];
        encode::column::<FloatType, _>(&mut group, &zeros, levels[1]).unwrap();
        encode::column::<Int32Type, _>(&mut group, &self.counts, levels[2]).unwrap();
        encode::column::<Int32Type, _>(&mut group, &self.ids, levels[3]).unwrap();
        let falses = vec![false; self.lengths[4]];
        encode::column::<parquet::data_type::BoolType, _>(&mut group, &falses, levels[4]).unwrap();
        group.close().unwrap();
        writer.close().unwrap();
    }
}

#[test]
fn a_foreign_shard_is_read_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("f.parquet");
    let read = |foreign: Foreign| {
        foreign.write(&path);
        read_rollouts(&path)
    };
    let (rows, about) = read(Foreign::new()).unwrap();
    assert_eq!(rows[0].tokens, [vec![7], vec![8, 9]]);
    assert!(about.is_empty());

    let says = |change: fn(&mut Foreign), says: &str| {
        let mut foreign = Foreign::new();
        change(&mut foreign);
        let message = read(foreign).unwrap_err().to_string();
        assert!(message.contains("f.parquet"), "{message}");
        assert!(message.contains(says), "{message}");
    };
    says(
        |f| f.counts[0] = 2,
        "row 1: the responses have 4 tokens together, but `token_ids` holds 3",
    );
    says(|f| f.counts[1] = 1, "have 2 tokens together, but");
    says(|f| f.counts = vec![5, -2], "have 3 tokens together, but");
    says(|f| f.ids[0] = -1, "a token id is negative");
    says(
        |f| f.lengths[0] = 3,
        "`logprobs` holds 2 values but `responses` holds 3",
    );
    says(|f| f.lengths[4] = 0, "`truncated` holds 0 values");
    says(|f| f.response = vec![0xff], "row 1: not UTF-8");
}

#[test]
fn other_columns_are_no_shard() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("o.parquet");
    let says = |schema: &str| {
        let schema = Arc::new(parse_message_type(schema).unwrap());
        let file = File::create(&path).unwrap();
        let properties = Arc::new(WriterProperties::builder().build());
        let writer = SerializedFileWriter::new(file, schema, properties).unwrap();
        writer.close().unwrap();
        read_rollouts(&path).unwrap_err().to_string()
    };
    let none = says("message m { required int32 prompt_id; }");
    assert!(
        none.contains("not a shard of rollouts: its column `prompt_id` is not a string"),
        "{none}"
    );
    let missing = says("message m { required binary prompt_id (STRING); }");
    assert!(missing.contains("it has no column `prompt`"), "{missing}");
    let floats = SCHEMA.replace("required float element", "required double element");
    let floats = says(&floats);
    assert!(
        floats.contains("`logprobs` is not a list of floats"),
        "{floats}"
    );
    let flat = SCHEMA.replace(
        "required group truncated (LIST) { repeated group list { required boolean element; } }",
        "required boolean truncated;",
    );
    let flat = says(&flat);
    assert!(
        flat.contains("`truncated` is not a list of booleans"),
        "{flat}"
    );

    std::fs::write(&path, b"PAR1 and nothing more").unwrap();
    let error = read_rollouts(&path).err().unwrap();
    assert!(matches!(error, Error::Parquet { .. }), "{error}");
    let error = read_rollouts(folder.path().join("absent")).err().unwrap();
    assert!(matches!(error, Error::Read { .. }), "{error}");
}

proptest! {
    #[test]
    fn any_row_comes_back(
        lists in prop::collection::vec((".{0,9}", -100.0_f32..0.0, prop::collection::vec(0_u32..1 << 31, 0..5), any::<bool>()), 1..6),
        prompt in ".{0,9}",
    ) {
        let mut row = RolloutRow { prompt_id: "p".to_owned(), prompt, ..RolloutRow::default() };
        for (response, log_prob, tokens, truncated) in lists {
            row.responses.push(response);
            row.log_probs.push(log_prob);
            row.tokens.push(tokens);
            row.truncated.push(truncated);
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.parquet");
        write_rollouts(&path, std::slice::from_ref(&row), &Metadata::new()).unwrap();
        prop_assert_eq!(read_rollouts(&path).unwrap().0, [row]);
    }

    #[test]
    fn damaged_shards_end_in_rows_or_errors(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..5),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("d.parquet");
        write_rollouts(&path, &[row("a"), row("b")], &metadata()).unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        std::fs::write(&path, bytes).unwrap();
        if let Ok(shard) = open_rollouts(&path) {
            prop_assert!(shard.take(100).count() < 100);
        }
    }
}
