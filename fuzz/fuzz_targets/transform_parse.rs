//! No text makes the parser of transforms panic, and what parses prints as a text that parses to the same.
#![no_main]

use infalign::transform::TransformSpec;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(parsed) = text.parse::<TransformSpec>() {
        let printed = parsed.to_string();
        let again: TransformSpec = printed.parse().expect("what was printed parses");
        assert_eq!(again.to_string(), printed);
    }
});
