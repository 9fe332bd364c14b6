//! No bytes make the reader of safetensors headers panic, and what it accepts lies within the file.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| infalign_lm::fuzz::safetensors(data));
