//! No text makes the reader of config.json panic, and what it accepts has tensors and matrices.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &str| infalign_lm::fuzz::config(data));
