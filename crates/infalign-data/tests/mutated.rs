//! Readers never panic: valid files, mutated at random, give a table or a typed error.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::panic;

use bytes::Bytes;
use infalign_data::{
    Compression, ReadOptions, TableBuilder, TableFormat, read_csv, read_jsonl, read_parquet,
    write_table_to,
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

fn survive(format: TableFormat, read: impl Fn(Vec<u8>)) {
    let original = seed_file(format);
    let mut rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    for _ in 0..MUTANTS {
        let mut bytes = original.clone();
        mutate(&mut bytes, &mut rng);
        read(bytes);
    }
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
        survive(TableFormat::Jsonl(compression), |bytes| {
            let _ = read_jsonl(&bytes[..], "t", &texts());
        });
    }
}

#[test]
fn csv() {
    for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
        survive(TableFormat::Csv(compression), |bytes| {
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
        survive(TableFormat::Parquet, |bytes| {
            let _ = read_parquet(Bytes::from(bytes), "t", &texts());
        });
    });
    panic::set_hook(hook);
    assert!(outcome.is_ok(), "the Parquet reader panicked");
}
