//! No text makes the parser of procedures panic, and what parses prints as a text that parses to the same.
#![no_main]

use infalign::procedure::ProcedureSpec;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(parsed) = text.parse::<ProcedureSpec>() {
        let printed = parsed.to_string();
        let again: ProcedureSpec = printed.parse().expect("what was printed parses");
        assert_eq!(again.to_string(), printed);
    }
});
