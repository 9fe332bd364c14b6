//! `infalign procedures` and `infalign transforms`: what can be typed.

use infalign::registry::Entry;
use serde_json::json;

use crate::{
    args::{Format, Output},
    error::Result,
    print,
};

pub(super) fn run(entries: &[Entry], output: Output) -> Result<()> {
    match output.format {
        Format::Text => print::entries(entries),
        Format::Json => {
            let list: Vec<_> = entries
                .iter()
                .map(|e| json!({"name": e.name, "syntax": e.syntax, "example": e.example, "summary": e.summary}))
                .collect();
            print::json(&list)
        }
    }
}
