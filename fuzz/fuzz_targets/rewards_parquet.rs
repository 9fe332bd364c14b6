//! No bytes make the reader of Parquet panic, and what it accepts holds a reward for every prompt.
//!
//! The reader catches the panics of the Parquet decoder and answers with an error. libFuzzer's panic
//! hook would abort before that, so it is taken off; a panic that leaves the reader still aborts.
#![no_main]

use bytes::Bytes;
use infalign_data::{ReadOptions, read_parquet};
use libfuzzer_sys::fuzz_target;

fuzz_target!(init: std::panic::set_hook(Box::new(|_| {})), |data: &[u8]| {
    let options = ReadOptions { texts: true, ..ReadOptions::default() };
    if let Ok(table) = read_parquet(Bytes::copy_from_slice(data), "fuzz", &options) {
        for prompt in 0..table.prompts() {
            assert!(!table.rewards(0, prompt).is_empty(), "prompt {prompt} has no rewards");
        }
    }
});
