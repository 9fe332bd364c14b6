//! AlpacaEval's annotations: `{"instruction", "generator_1", "generator_2", "preference"}`, the first generator the baseline.
//!
//! | preference p | the model (the second) wins |
//! |---|---|
//! | from 1 to 2 | p − 1: 1 for the second, 0 for the first, ½ for a draw, between for a weighed verdict |
//! | 0 | ½: a draw, as older annotators write it |
//! | null | no verdict |
//! | anything else | a bad row |

use super::{Content, Raw, Record, Verdict, fields::Fields};
use crate::error::{Error, Result};

pub(super) const EXAMPLE: &str = r#"{"instruction": "2 + 2?", "output_1": "5", "generator_1": "base", "output_2": "4", "generator_2": "tiny", "annotator": "judge", "preference": 1.75}"#;

pub(super) fn recognise(raw: &Raw) -> Option<&'static str> {
    raw.has(&["instruction", "generator_1", "generator_2", "preference"])
        .then_some("`instruction`, `generator_1`, `generator_2` and `preference`")
}

pub(super) fn read(raw: &Raw) -> Result<Record> {
    let fields = Fields::of(
        raw,
        "{\"instruction\", \"generator_1\", \"generator_2\", \"preference\"}",
    )?;
    let won = match fields.number("preference")? {
        None => None,
        Some(0.0) => Some(0.5),
        Some(p) if (1.0..=2.0).contains(&p) => Some(p - 1.0),
        Some(_) => {
            return Err(Error::UnusableRow {
                place: fields.place.clone(),
                column: "preference".to_owned(),
                what: "a preference lies between 1 (the first) and 2 (the second); 0 and 1.5 are draws",
            });
        }
    };
    let verdict = Verdict {
        model: fields.text("generator_2")?,
        baseline: fields.text("generator_1")?,
        won,
    };
    fields.record(
        Some(fields.turns("instruction")?),
        Content::Verdict(verdict),
    )
}
