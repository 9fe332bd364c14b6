//! Readers never panic: valid files, mutated at random, give a table or a typed error.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::{panic, sync::Arc};

use bytes::Bytes;
use infalign_data::{
    Compression, ReadOptions, TableBuilder, TableFormat, read_csv, read_jsonl, read_parquet,
    write_table_to,
};
use parquet::{
    data_type::{ByteArray, ByteArrayType, FloatType},
    file::writer::SerializedFileWriter,
    schema::parser::parse_message_type,
};
use proptest::{
    prelude::Rng as _,
    test_runner::{RngAlgorithm, TestRng},
};

const MUTANTS: u64 = 10_000; // per format: some tenths of a second

fn seed_file(format: TableFormat) -> Vec<u8> {
    let mut builder = TableBuilder::new(["rewards", "gold"]).unwrap();
    for i in 0..20_u8 {
        let rewards: Vec<f32> = (0..i % 4 + 1)
            .map(|j| f32::from(i) - f32::from(j) / 3.0)
            .collect();
        let responses: Vec<String> = rewards.iter().map(|r| format!("\"r\", {r}\n")).collect();
        let responses: Vec<&str> = responses.iter().map(String::as_str).collect();
        let lists = [&rewards[..], &rewards[..]];
        builder
            .insert(&format!("p{i}"), Some("Why?"), &lists, &responses)
            .unwrap();
    }
    let mut bytes = Vec::new();
    write_table_to(&mut bytes, "t", &builder.finish().unwrap(), format).unwrap();
    bytes
}

/// One to four slips: bytes changed, cut out, repeated, or the end cut off.
fn mutate(bytes: &mut Vec<u8>, rng: &mut TestRng) {
    let below = |n: usize, rng: &mut TestRng| (rng.next_u64() % n.max(1) as u64) as usize;
    for _ in 0..=below(4, rng) {
        let at = below(bytes.len(), rng);
        let end = (at + below(16, rng)).min(bytes.len());
        match below(6, rng) {
            0 => bytes.truncate(at),
            1 => drop(bytes.drain(at..end)),
            2 => {
                let piece = bytes[at..end].to_vec();
                bytes.splice(at..at, piece);
            }
            3 => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << below(8, rng);
                }
            }
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = [0, 1, 0x7f, 0x80, 0xff, b'"', b'[', b'\n'][below(8, rng)];
                }
            }
        }
    }
}

fn survive(original: &[u8], read: impl Fn(Vec<u8>)) {
    let mut rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    for _ in 0..MUTANTS {
        let mut bytes = original.to_vec();
        mutate(&mut bytes, &mut rng);
        read(bytes);
    }
}

/// Without compression, slips reach levels, dictionaries and values.
fn uncompressed_parquet() -> Vec<u8> {
    let schema = "message m { required binary prompt_id (UTF8); required group rewards (LIST) { \
                  repeated group list { optional float element; } } }";
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let mut bytes = Vec::new();
    let mut writer = SerializedFileWriter::new(&mut bytes, schema, Arc::default()).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let ids: Vec<ByteArray> = (0..30).map(|i| format!("p{i}").as_str().into()).collect();
    let mut column = group.next_column().unwrap().unwrap();
    column
        .typed::<ByteArrayType>()
        .write_batch(&ids, None, None)
        .unwrap();
    column.close().unwrap();
    let rewards: Vec<f32> = (0_u8..90).map(|i| f32::from(i % 7)).collect();
    let repetitions: Vec<i16> = (0..90).map(|i| i16::from(i % 3 > 0)).collect();
    let mut column = group.next_column().unwrap().unwrap();
    let levels = (Some(&[2; 90][..]), Some(&repetitions[..]));
    column
        .typed::<FloatType>()
        .write_batch(&rewards, levels.0, levels.1)
        .unwrap();
    column.close().unwrap();
    group.close().unwrap();
    writer.close().unwrap();
    bytes
}

fn texts() -> ReadOptions {
    ReadOptions {
        texts: true,
        ..ReadOptions::default()
    }
}

#[test]
fn jsonl() {
    for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
        survive(&seed_file(TableFormat::Jsonl(compression)), |bytes| {
            let _ = read_jsonl(&bytes[..], "t", &texts());
        });
    }
}

#[test]
fn csv() {
    for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
        survive(&seed_file(TableFormat::Csv(compression)), |bytes| {
            let options = ReadOptions {
                reward_column: Some("rewards".to_owned()),
                ..texts()
            };
            let _ = read_csv(&bytes[..], "t", &options);
        });
    }
}

#[test]
fn parquet() {
    // The decoder's own panics are caught by the reader; keep their text out of the output.
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    let outcome = panic::catch_unwind(|| {
        for original in [seed_file(TableFormat::Parquet), uncompressed_parquet()] {
            survive(&original, |bytes| {
                let _ = read_parquet(Bytes::from(bytes), "t", &texts());
            });
        }
    });
    panic::set_hook(hook);
    assert!(outcome.is_ok(), "the Parquet reader panicked");
}
