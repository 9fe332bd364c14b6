//! UltraFeedback (binarised): preferences with the two values of the judge; the responses repeat
//! the prompt as their first turn.

use super::{
    Content, Raw, Record,
    fields::Fields,
    pair::{preference, split},
};
use crate::error::{Error, Result};

pub(super) const EXAMPLE: &str = r#"{"prompt_id": "f0e3", "prompt": "2 + 2?", "chosen": [{"role": "user", "content": "2 + 2?"}, {"role": "assistant", "content": "4"}], "rejected": [{"role": "user", "content": "2 + 2?"}, {"role": "assistant", "content": "5"}], "score_chosen": 8.0, "score_rejected": 3.5}"#;

const SCORES: [&str; 2] = ["score_chosen", "score_rejected"];

pub(super) fn recognise(raw: &Raw) -> Option<&'static str> {
    let names = ["chosen", "rejected", SCORES[0], SCORES[1]];
    raw.has(&names)
        .then_some("`chosen` and `rejected` with `score_chosen` and `score_rejected`")
}

pub(super) fn read(raw: &Raw) -> Result<Record> {
    let fields = Fields::of(
        raw,
        "{\"chosen\", \"rejected\", \"score_chosen\", \"score_rejected\"}",
    )?;
    let prompt = fields.given("prompt").map(|_| fields.turns("prompt"));
    let (chosen, rejected) = (fields.turns("chosen")?, fields.turns("rejected")?);
    let (prompt, chosen, rejected) = split(prompt.transpose()?, chosen, rejected, fields.place)?;
    let value = |name: &str| {
        fields.number(name)?.ok_or_else(|| Error::MissingField {
            place: fields.place.clone(),
            column: name.to_owned(),
        })
    };
    let margin = value(SCORES[0])? - value(SCORES[1])?;
    let content = Content::Preference(preference(chosen, rejected, Some(margin), false));
    fields.record(Some(prompt), content)
}
