//! Arena-Hard's judgments: `{"uid", "model", "baseline", "games": [{"score"}, {"score"}]}`; the model is B in the first game, A in the second.
//!
//! | score | A wins |
//! |---|---|
//! | `A>>B`, `A>B` | 1 |
//! | `A=B` | ½ |
//! | `B>A`, `B>>A`, and as `A<B`, `A<<B` | 0 |
//! | none | no verdict: one position alone tells more of the position than of the answers |
//!
//! A prompt's verdict is the mean over its games, which averages over the swap of positions. Order and missing scores are taken as Arena-Hard's own
//! `gen_judgment.py` writes and `show_result.py` reads them; but that some win by more (`>>`), which weighs three there, is not weighed here, as a win
//! rate counts wins.

use serde_json::Value;

use super::{Content, Raw, Record, Verdict, fields::Fields};
use crate::{
    error::{Error, Result},
    texts::message::wrong_type,
};

pub(super) const EXAMPLE: &str = r#"{"uid": "a1", "judge": "judge", "model": "tiny", "baseline": "base", "games": [{"score": "B>A"}, {"score": "A=B"}]}"#;

pub(super) fn recognise(raw: &Raw) -> Option<&'static str> {
    let named = raw.has(&["uid", "model", "games"]) || raw.has(&["question_id", "model", "games"]);
    named.then_some("`uid`, `model` and `games`")
}

pub(super) fn read(raw: &Raw) -> Result<Record> {
    let fields = Fields::of(raw, "{\"uid\", \"model\", \"games\"}")?;
    let games = fields.list("games")?;
    if games.len() > 2 {
        return Err(Error::UnusableRow {
            place: fields.place.clone(),
            column: "games".to_owned(),
            what: "there are two games, one for each position; give each judge its own row",
        });
    }
    let mut wins = Vec::new();
    let mut silent = false;
    for (game, said) in games.iter().enumerate() {
        let score = match said.get("score").unwrap_or(&Value::Null) {
            Value::Null => {
                silent = true;
                continue;
            }
            Value::String(score) => score.trim(),
            other => {
                return Err(wrong_type(
                    other,
                    fields.place,
                    "games.score",
                    "a text such as \"A>B\"",
                ));
            }
        };
        let a = match score {
            "A>>B" | "A>B" | "B<A" | "B<<A" => 1.0,
            "A=B" | "B=A" => 0.5,
            "B>>A" | "B>A" | "A<B" | "A<<B" => 0.0,
            _ => {
                return Err(Error::UnusableRow {
                    place: fields.place.clone(),
                    column: "games.score".to_owned(),
                    what: "a score is A>>B, A>B, A=B, B>A or B>>A; drop the row, or make the score null",
                });
            }
        };
        wins.push(if game == 0 { 1.0 - a } else { a });
    }
    let won = (!silent && !wins.is_empty()).then(|| wins.iter().sum::<f64>() / wins.len() as f64);
    let baseline = match fields.given("baseline") {
        None => "baseline".to_owned(),
        Some(_) => fields.text("baseline")?,
    };
    let verdict = Verdict {
        model: fields.text("model")?,
        baseline,
        won,
    };
    let mut record = fields.record(None, Content::Verdict(verdict))?;
    record.id = match fields.id_under("uid")? {
        Some(id) => Some(id),
        None => fields.id_under("question_id")?,
    };
    Ok(record)
}
