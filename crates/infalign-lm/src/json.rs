//! JSON files and their fields: read strictly, and named in every message.

use std::{fs, path::Path};

use serde_json::{Map, Value};

use crate::error::{Error, Result};

/// An object of a JSON file.
pub(crate) type Object = Map<String, Value>;

/// Reads a text file.
pub(crate) fn read_text(path: &Path) -> Result<String> {
    let bytes = fs::read(path).map_err(|e| Error::read(path, e))?;
    text(bytes, &path.display().to_string())
}

pub(crate) fn text(bytes: Vec<u8>, file: &str) -> Result<String> {
    String::from_utf8(bytes).map_err(|_| Error::NotUtf8 {
        file: file.to_owned(),
    })
}

/// Reads a file that holds one JSON object; `None` if there is no such file.
pub(crate) fn read_object_if_there(path: &Path) -> Result<Option<Object>> {
    match fs::read(path) {
        Ok(bytes) => {
            let file = path.display().to_string();
            object(&text(bytes, &file)?, &file).map(Some)
        }
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(Error::read(path, e)),
    }
}

/// Reads a file that holds one JSON object.
pub(crate) fn read_object(path: &Path) -> Result<Object> {
    object(&read_text(path)?, &path.display().to_string())
}

/// Parses one JSON object.
pub(crate) fn object(text: &str, file: &str) -> Result<Object> {
    serde_json::from_str(text).map_err(|e| Error::Json {
        file: file.to_owned(),
        what: e.to_string(),
    })
}

/// How an object is written: indented as transformers does, with a last line feed.
pub(crate) fn pretty(object: &Object) -> Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec_pretty(object)
        .map_err(|e| Error::bug(format!("a configuration cannot be written as JSON: {e}")))?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// The fields of one object, with the names that messages need.
#[derive(Clone, Copy)]
pub(crate) struct Fields<'a> {
    pub(crate) object: &'a Object,
    pub(crate) file: &'a str,
    pub(crate) model_type: &'a str,
    /// What stands before a field's name in messages (`rope_scaling.`).
    pub(crate) within: &'a str,
}

impl<'a> Fields<'a> {
    /// The field, unless absent or null.
    pub(crate) fn get(&self, field: &str) -> Option<&'a Value> {
        self.object.get(field).filter(|v| !v.is_null())
    }

    pub(crate) fn bad(&self, field: &str, expected: impl Into<String>) -> Error {
        let found = self
            .object
            .get(field)
            .map_or_else(|| "absent".to_owned(), ToString::to_string);
        Error::BadField {
            file: self.file.to_owned(),
            field: format!("{}{field}", self.within),
            found: shorten(&found),
            expected: expected.into(),
        }
    }

    pub(crate) fn missing(&self, field: &str) -> Error {
        Error::MissingField {
            file: self.file.to_owned(),
            field: format!("{}{field}", self.within),
            model_type: self.model_type.to_owned(),
        }
    }

    pub(crate) fn contradiction(&self, what: impl Into<String>) -> Error {
        Error::Contradiction {
            file: self.file.to_owned(),
            what: what.into(),
        }
    }

    /// A size from 1 to `most`.
    pub(crate) fn size(&self, field: &str, most: usize) -> Result<usize> {
        self.size_if_there(field, most)?
            .ok_or_else(|| self.missing(field))
    }

    pub(crate) fn size_if_there(&self, field: &str, most: usize) -> Result<Option<usize>> {
        let Some(value) = self.get(field) else {
            return Ok(None);
        };
        match value.as_u64().and_then(|n| usize::try_from(n).ok()) {
            Some(n) if n >= 1 && n <= most => Ok(Some(n)),
            _ => Err(self.bad(field, format!("a whole number from 1 to {most}"))),
        }
    }

    /// A positive number.
    pub(crate) fn positive(&self, field: &str) -> Result<Option<f64>> {
        let Some(value) = self.get(field) else {
            return Ok(None);
        };
        match value.as_f64() {
            Some(x) if x > 0.0 && x.is_finite() => Ok(Some(x)),
            _ => Err(self.bad(field, "a positive number")),
        }
    }

    pub(crate) fn needed(&self, field: &str) -> Result<f64> {
        self.positive(field)?.ok_or_else(|| self.missing(field))
    }

    pub(crate) fn flag(&self, field: &str, default: bool) -> Result<bool> {
        match self.get(field) {
            None => Ok(default),
            Some(value) => value
                .as_bool()
                .ok_or_else(|| self.bad(field, "true or false")),
        }
    }

    pub(crate) fn word(&self, field: &str) -> Result<Option<&'a str>> {
        match self.get(field) {
            None => Ok(None),
            Some(value) => value
                .as_str()
                .map(Some)
                .ok_or_else(|| self.bad(field, "a string")),
        }
    }

    /// A token id; a negative one (as in the first Llamas) means none.
    pub(crate) fn token(&self, field: &str) -> Result<Option<u32>> {
        Ok(self.tokens(field)?.first().copied())
    }

    /// A token id or a list of them.
    pub(crate) fn tokens(&self, field: &str) -> Result<Vec<u32>> {
        let one = |value: &Value| match value.as_i64() {
            Some(n) if n < 0 => Ok(None),
            Some(n) => u32::try_from(n)
                .map(Some)
                .map_err(|_| self.bad(field, "a token id")),
            None => Err(self.bad(field, "a token id, or a list of them")),
        };
        match self.get(field) {
            None => Ok(Vec::new()),
            Some(Value::Array(values)) => {
                values.iter().filter_map(|v| one(v).transpose()).collect()
            }
            Some(value) => Ok(one(value)?.into_iter().collect()),
        }
    }

    /// The object in a field.
    pub(crate) fn inner(&self, field: &str, within: &'a str) -> Result<Option<Fields<'a>>> {
        match self.get(field) {
            None => Ok(None),
            Some(Value::Object(object)) => Ok(Some(Fields {
                object,
                within,
                ..*self
            })),
            Some(_) => Err(self.bad(field, "an object")),
        }
    }
}

/// The first characters of a text that stands in a message.
pub(crate) fn shorten(text: &str) -> String {
    const MOST: usize = 60;
    if text.chars().count() <= MOST {
        return text.to_owned();
    }
    text.chars().take(MOST).chain(['…']).collect()
}
