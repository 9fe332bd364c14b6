//! No bytes make the reader of CSV (plain or compressed) panic, and what it accepts holds a reward for every prompt.
#![no_main]

use infalign_data::{ReadOptions, read_csv};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let options = ReadOptions {
        texts: true,
        ..ReadOptions::default()
    };
    if let Ok(table) = read_csv(data, "fuzz", &options) {
        for prompt in 0..table.prompts() {
            assert!(
                !table.rewards(0, prompt).is_empty(),
                "prompt {prompt} has no rewards"
            );
        }
    }
});
