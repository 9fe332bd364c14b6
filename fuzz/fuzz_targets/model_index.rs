//! No text makes the reader of shard indices panic, and what it accepts names files beside the index.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &str| infalign_lm::fuzz::index(data));
