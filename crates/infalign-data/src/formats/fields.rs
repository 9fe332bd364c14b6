//! The fields of a row, each with its type and its error.

use serde_json::{Map, Value};

use super::{Content, Raw, Record, Response};
use crate::{
    error::{Error, Place, Result},
    table::finite,
    texts::{
        Turns,
        message::{empty, messages, wrong_type},
        prompts,
    },
};

/// The fields of a row.
#[derive(Clone, Copy)]
pub(super) struct Fields<'r> {
    map: &'r Map<String, Value>,
    pub(super) place: &'r Place,
}

impl<'r> Fields<'r> {
    /// Of a row that must be an object, `expected` in words.
    pub(super) fn of(raw: &'r Raw, expected: &'static str) -> Result<Self> {
        Ok(Self {
            map: raw.object(expected)?,
            place: &raw.place,
        })
    }

    /// A field that is there and not null.
    pub(super) fn given(&self, name: &str) -> Option<&'r Value> {
        self.map.get(name).filter(|value| !value.is_null())
    }

    /// The first of some names that is there.
    pub(super) fn first(&self, names: &[&'static str]) -> Option<&'static str> {
        names
            .iter()
            .find(|name| self.given(name).is_some())
            .copied()
    }

    pub(super) fn need(&self, name: &str) -> Result<&'r Value> {
        self.given(name).ok_or_else(|| Error::MissingField {
            place: self.place.clone(),
            column: name.to_owned(),
        })
    }

    /// A text or messages, not empty.
    pub(super) fn turns(&self, name: &str) -> Result<Turns> {
        Turns::parse(self.need(name)?, self.place, name)
    }

    /// A text; may be empty.
    pub(super) fn text(&self, name: &str) -> Result<String> {
        text(self.need(name)?, self.place, name)
    }

    /// A response: a text, or a list with one message.
    pub(super) fn response(&self, name: &str) -> Result<String> {
        response(self.need(name)?, self.place, name)
    }

    /// A list that holds something.
    pub(super) fn list(&self, name: &str) -> Result<&'r [Value]> {
        match self.need(name)? {
            Value::Array(list) if list.is_empty() => Err(empty(self.place, name)),
            Value::Array(list) => Ok(list),
            other => Err(wrong_type(other, self.place, name, "a list")),
        }
    }

    /// Responses, at least one.
    pub(super) fn responses(&self, name: &str) -> Result<Vec<String>> {
        let list = self.list(name)?.iter().enumerate();
        list.map(|(i, value)| response(value, self.place, &format!("{name}[{i}]")))
            .collect()
    }

    /// A reward.
    pub(super) fn reward(&self, name: &str) -> Result<f32> {
        reward(self.need(name)?, self.place, name, None)
    }

    /// Rewards, at least one.
    pub(super) fn rewards(&self, name: &str) -> Result<Vec<f32>> {
        let list = self.list(name)?.iter().enumerate();
        list.map(|(i, value)| reward(value, self.place, name, Some(i)))
            .collect()
    }

    /// A finite number, if the field is there.
    pub(super) fn number(&self, name: &str) -> Result<Option<f64>> {
        let Some(value) = self.given(name) else {
            return Ok(None);
        };
        match number(value) {
            Some(x) if x.is_finite() => Ok(Some(x)),
            _ => Err(wrong_type(value, self.place, name, "a finite number")),
        }
    }

    /// Names the prompt: `id` or `prompt_id`.
    pub(super) fn id(&self) -> Result<Option<String>> {
        prompts::id(self.map, self.place)
    }

    /// A text or an integer under a name.
    pub(super) fn id_under(&self, name: &str) -> Result<Option<String>> {
        match self.given(name) {
            None => Ok(None),
            Some(Value::String(id)) if id.is_empty() => Err(empty(self.place, name)),
            Some(Value::String(id)) => Ok(Some(id.clone())),
            Some(Value::Number(id)) if !id.is_f64() => Ok(Some(id.to_string())),
            Some(other) => Err(wrong_type(other, self.place, name, "a text or an integer")),
        }
    }

    /// The right answer: `answer`, `solution` or `ground_truth`.
    pub(super) fn answer(&self) -> Option<String> {
        prompts::answer(self.map)
    }

    /// The record with what all rows share: `prompt` must have been read.
    pub(super) fn record(&self, prompt: Option<Turns>, content: Content) -> Result<Record> {
        Ok(Record {
            place: self.place.clone(),
            id: self.id()?,
            prompt,
            answer: self.answer(),
            content,
        })
    }

    /// Responses of one field with the rewards of another, if that is there.
    pub(super) fn rewarded(&self, texts: &str, rewards: Option<&str>) -> Result<Vec<Response>> {
        let responses = self.responses(texts)?;
        let Some(name) = rewards else {
            let plain = |text| Response {
                text,
                ..Response::default()
            };
            return Ok(responses.into_iter().map(plain).collect());
        };
        let rewards = self.rewards(name)?;
        if rewards.len() != responses.len() {
            return Err(Error::UnequalLengths {
                place: self.place.clone(),
                column: name.to_owned(),
                length: rewards.len(),
                other: texts.to_owned(),
                other_length: responses.len(),
            });
        }
        let both = responses.into_iter().zip(rewards);
        Ok(both
            .map(|(text, reward)| Response {
                text,
                reward: Some(reward),
                sampled: None,
            })
            .collect())
    }
}

/// A text as it stands, anything else as compact JSON.
pub(super) fn as_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

pub(super) fn text(value: &Value, place: &Place, column: &str) -> Result<String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        other => Err(wrong_type(other, place, column, "a text")),
    }
}

fn response(value: &Value, place: &Place, column: &str) -> Result<String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Array(list) => match messages(list, place, column)?.as_mut_slice() {
            [one] => Ok(std::mem::take(&mut one.content)),
            _ => Err(Error::UnusableRow {
                place: place.clone(),
                column: column.to_owned(),
                what: "a response of several messages; give the last one, the others belong to the prompt",
            }),
        },
        other => Err(wrong_type(other, place, column, "a text or one message")),
    }
}

/// A number, also as the text that CSV has in its place.
fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(n) => n.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

fn reward(value: &Value, place: &Place, column: &str, position: Option<usize>) -> Result<f32> {
    match number(value) {
        Some(x) => finite(x, place, column, position),
        None if value.is_null() => finite(f64::NAN, place, column, position),
        None => Err(wrong_type(value, place, column, "a number")),
    }
}
