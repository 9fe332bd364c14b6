//! One JSON value as a reward, a text, or a list of either.

use std::borrow::Cow;

use serde_json::Value;

use crate::{
    error::{Error, Place, Result},
    table::{finite, shortened},
};

pub(super) fn number(
    value: &Value,
    place: &Place,
    column: &str,
    response: Option<usize>,
) -> Result<f32> {
    match value {
        // `as_f64` is `None` for no number that serde_json's default features parse.
        Value::Number(n) => finite(n.as_f64().unwrap_or(f64::NAN), place, column, response),
        Value::Null => Err(Error::NotFinite {
            place: place.clone(),
            column: column.to_owned(),
            response: response.map(|r| r + 1),
            value: "null".to_owned(),
        }),
        other => Err(wrong_type(other, place, column, "a number")),
    }
}

pub(in crate::read) fn numbers(value: &Value, place: &Place, column: &str) -> Result<Vec<f32>> {
    match value {
        Value::Array(list) => list
            .iter()
            .enumerate()
            .map(|(i, v)| number(v, place, column, Some(i)))
            .collect(),
        Value::Null => Err(Error::MissingField {
            place: place.clone(),
            column: column.to_owned(),
        }),
        other => Err(wrong_type(other, place, column, "a list of numbers")),
    }
}

/// A text as it stands; numbers and messages as their JSON.
pub(super) fn text<'v>(value: &'v Value, place: &Place, column: &str) -> Result<Cow<'v, str>> {
    match value {
        Value::String(text) => Ok(Cow::Borrowed(text)),
        Value::Number(_) | Value::Array(_) | Value::Object(_) => Ok(Cow::Owned(value.to_string())),
        Value::Null => Err(Error::MissingField {
            place: place.clone(),
            column: column.to_owned(),
        }),
        Value::Bool(_) => Err(wrong_type(value, place, column, "a text or an integer")),
    }
}

pub(in crate::read) fn text_list<'v>(
    value: &'v Value,
    place: &Place,
    column: &str,
) -> Result<Vec<Cow<'v, str>>> {
    match value {
        Value::Array(list) => list.iter().map(|v| text(v, place, column)).collect(),
        other => Err(wrong_type(other, place, column, "a list of texts")),
    }
}

fn wrong_type(value: &Value, place: &Place, column: &str, expected: &'static str) -> Error {
    let found = match value {
        Value::Null => "null".to_owned(),
        Value::Bool(truth) => format!("the boolean {truth} (write 0 or 1)"),
        Value::Number(n) => format!("the number {n}"),
        Value::String(s) => format!("the text {:?}", shortened(s)),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    };
    Error::WrongType {
        place: place.clone(),
        column: column.to_owned(),
        found,
        expected,
    }
}
