//! Prompts to sample from, and prompts with the responses to score.
//!
//! | input | outcome |
//! |---|---|
//! | plain text | a prompt a line; blank lines are skipped |
//! | JSON: a string | a prompt |
//! | JSON: `{"prompt": text or messages, "id"?, "answer"?}` | a prompt; `prompt_id` stands for `id`, `solution` and `ground_truth` for `answer` |
//! | to score: `{"prompt", "response"}`, `{"prompt", "responses": […]}` | `completion` or `text`, `completions` stand for them |
//! | … with `index` | which of its prompt's samples the response is: the same id may come again under another index |
//! | … with `tokens` | the response's token ids, as `infalign sample` writes them; else its text is tokenised |
//! | no id | the 0-based position in the file |
//! | an id for the second time | an error: samples would share their seed |
//! | an empty prompt | an error; an empty response is one that ended at once |

use std::{collections::BTreeMap, io::Read, path::Path, sync::Arc};

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::{
    Opened, TextForm,
    message::{Turns, empty, wrong_type},
    plain::Lines,
    rows::{Fault, Row, Rows},
};
use crate::{
    error::{Error, Place, Result, Spot},
    table::shortened,
};

const LONGEST_LINE: usize = 1 << 26; // bytes of a plain prompt
const ROW: &str = "{\"prompt\"} with an optional id";
const SCORING: &str =
    "{\"prompt\", \"response\"} or {\"prompt\", \"responses\": […]} with an optional id";

/// A prompt to sample from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PromptRow {
    /// Where it stands.
    pub place: Place,
    /// Names the prompt; no two of a file are equal.
    pub id: String,
    /// The prompt, not empty.
    pub prompt: Turns,
    /// The right answer, for rewards that verify it: `answer`, `solution` or `ground_truth`, a text
    /// or compact JSON.
    pub answer: Option<String>,
}

/// A prompt with responses to score.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScoringRow {
    /// Where it stands.
    pub place: Place,
    /// Names the prompt; no two rows of a file have the same id and index.
    pub id: String,
    /// Which of its prompt's samples the first response is; 0 where nothing is said.
    pub index: u64,
    /// The prompt, not empty.
    pub prompt: Turns,
    /// At least one response; each may be empty.
    pub responses: Vec<String>,
    /// The tokens of the one response, where the row has them.
    pub tokens: Option<Vec<u32>>,
}

/// Opens the prompts of a file (`.jsonl`, `.ndjson`, `.json`, anything else is plain text; also
/// `.gz` and `.zst`).
///
/// # Errors
/// When the file cannot be opened or is a table (CSV, Parquet).
pub fn read_prompts(path: impl AsRef<Path>) -> Result<Prompts> {
    Opened::path(path.as_ref()).map(Prompts::new)
}

/// The prompts of a stream; `name` stands in errors.
///
/// # Errors
/// When the stream's first bytes cannot be read.
pub fn read_prompts_from(
    input: impl Read + 'static,
    name: &str,
    form: TextForm,
) -> Result<Prompts> {
    Opened::stream(input, name, form).map(Prompts::new)
}

/// Opens what is to be scored (`.jsonl`, `.ndjson`, `.json`; also `.gz` and `.zst`).
///
/// # Errors
/// When the file cannot be opened or is not JSON by its name.
pub fn read_scoring(path: impl AsRef<Path>) -> Result<Scoring> {
    Scoring::new(Opened::path(path.as_ref())?)
}

/// What a stream gives to score; `name` stands in errors.
///
/// # Errors
/// When the stream's first bytes cannot be read, or for plain text.
pub fn read_scoring_from(
    input: impl Read + 'static,
    name: &str,
    form: TextForm,
) -> Result<Scoring> {
    Scoring::new(Opened::stream(input, name, form)?)
}

/// The prompts of a file, one after the other; ends after the first error.
///
/// Memory: a prompt, and 40 bytes for every id before it.
///
/// # Errors
/// Items: any error about a row or the file; [`Error::DuplicatePrompt`]; [`Error::NoTexts`] for a
/// file without prompts.
pub struct Prompts {
    source: Source,
    ids: Ids,
    done: bool,
}

enum Source {
    Lines(Lines, Arc<str>),
    Rows(Rows),
}

impl Prompts {
    fn new(opened: Opened) -> Self {
        let file = Arc::clone(&opened.file);
        let source = match opened.form {
            TextForm::Plain => {
                Source::Lines(Lines::new(opened.input, opened.file, LONGEST_LINE), file)
            }
            form => Source::Rows(Rows::new(opened.input, opened.file, form)),
        };
        Self {
            source,
            ids: Ids::default(),
            done: false,
        }
    }

    fn find(&mut self) -> Result<Option<PromptRow>> {
        let (place, id, prompt, answer) = match &mut self.source {
            Source::Lines(lines, file) => loop {
                match lines.advance()? {
                    None => return self.ids.end(file, "prompts"),
                    Some(part) if !part.last => {
                        return Err(Error::UnusableRow {
                            place: lines.place(),
                            column: "prompt".to_owned(),
                            what: "the line is longer than 64 MiB; give one prompt a line",
                        });
                    }
                    Some(_) if lines.text().trim().is_empty() => {}
                    Some(_) => {
                        let prompt = Turns::Text(lines.text().to_owned());
                        break (lines.place(), None, prompt, None);
                    }
                }
            },
            Source::Rows(rows) => match rows.advance() {
                None => return self.ids.end(rows.file(), "prompts"),
                Some(row) => {
                    let Row { place, value } = row.map_err(Fault::into_error)?;
                    match &value {
                        Value::Object(fields) => {
                            let prompt = prompt(fields, &place, ROW)?;
                            (place.clone(), id(fields, &place)?, prompt, answer(fields))
                        }
                        Value::String(_) => {
                            let prompt = Turns::parse(&value, &place, "prompt")?;
                            (place, None, prompt, None)
                        }
                        other => return Err(wrong_type(other, &place, "row", ROW)),
                    }
                }
            },
        };
        let id = self.ids.insert(id, None, &place)?;
        Ok(Some(PromptRow {
            place,
            id,
            prompt,
            answer,
        }))
    }
}

impl Iterator for Prompts {
    type Item = Result<PromptRow>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let found = self.find();
        self.done = !matches!(found, Ok(Some(_)));
        found.transpose()
    }
}

/// Prompts with their responses, one after the other; ends after the first error.
///
/// Memory: a row, and 40 bytes for every id before it.
///
/// # Errors
/// Items: as [`Prompts`].
pub struct Scoring {
    rows: Rows,
    ids: Ids,
    done: bool,
}

impl Scoring {
    fn new(opened: Opened) -> Result<Self> {
        Ok(Self {
            rows: opened.rows("prompts with responses")?,
            ids: Ids::default(),
            done: false,
        })
    }

    fn find(&mut self) -> Result<Option<ScoringRow>> {
        let Some(row) = self.rows.advance() else {
            return self.ids.end(self.rows.file(), "responses");
        };
        let Row { place, value } = row.map_err(Fault::into_error)?;
        let Value::Object(fields) = &value else {
            return Err(wrong_type(&value, &place, "row", SCORING));
        };
        let prompt = prompt(fields, &place, SCORING)?;
        let responses = responses(fields, &place)?;
        let tokens = tokens(fields, &place)?;
        if tokens.is_some() && responses.len() > 1 {
            return Err(Error::UnusableRow {
                place,
                column: "tokens".to_owned(),
                what: "tokens of one response beside several responses; give one response a row",
            });
        }
        let index = index(fields, &place)?;
        let id = self.ids.insert(id(fields, &place)?, index, &place)?;
        Ok(Some(ScoringRow {
            place,
            id,
            index: index.unwrap_or(0),
            prompt,
            responses,
            tokens,
        }))
    }
}

impl Iterator for Scoring {
    type Item = Result<ScoringRow>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let found = self.find();
        self.done = !matches!(found, Ok(Some(_)));
        found.transpose()
    }
}

fn prompt(fields: &Map<String, Value>, place: &Place, expected: &'static str) -> Result<Turns> {
    match fields.get("prompt") {
        None | Some(Value::Null) => Err(unknown(fields, place, expected)),
        Some(prompt) => Turns::parse(prompt, place, "prompt"),
    }
}

pub(crate) fn id(fields: &Map<String, Value>, place: &Place) -> Result<Option<String>> {
    let given = |name| fields.get(name).filter(|v| !v.is_null()).map(|v| (name, v));
    match given("id").or_else(|| given("prompt_id")) {
        None => Ok(None),
        Some((name, Value::String(id))) if id.is_empty() => Err(empty(place, name)),
        Some((_, Value::String(id))) => Ok(Some(id.clone())),
        Some((_, Value::Number(id))) if !id.is_f64() => Ok(Some(id.to_string())),
        Some((name, other)) => Err(wrong_type(other, place, name, "a text or an integer")),
    }
}

/// The right answer of a prompt: a text, or compact JSON.
pub(crate) fn answer(fields: &Map<String, Value>) -> Option<String> {
    let given = |name: &str| fields.get(name).filter(|v| !v.is_null());
    match ["answer", "solution", "ground_truth"]
        .into_iter()
        .find_map(given)?
    {
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

fn index(fields: &Map<String, Value>, place: &Place) -> Result<Option<u64>> {
    match fields.get("index").filter(|v| !v.is_null()) {
        None => Ok(None),
        Some(value) => value
            .as_u64()
            .map(Some)
            .ok_or_else(|| wrong_type(value, place, "index", "an integer from 0 on")),
    }
}

fn tokens(fields: &Map<String, Value>, place: &Place) -> Result<Option<Vec<u32>>> {
    let value = match fields.get("tokens").filter(|v| !v.is_null()) {
        None => return Ok(None),
        Some(Value::Array(list)) => list,
        Some(other) => return Err(wrong_type(other, place, "tokens", "a list of token ids")),
    };
    let id = |(i, value): (usize, &Value)| {
        let id = value.as_u64().and_then(|id| u32::try_from(id).ok());
        id.ok_or_else(|| wrong_type(value, place, &format!("tokens[{i}]"), "a token id"))
    };
    value
        .iter()
        .enumerate()
        .map(id)
        .collect::<Result<_>>()
        .map(Some)
}

fn responses(fields: &Map<String, Value>, place: &Place) -> Result<Vec<String>> {
    const ONE: [&str; 3] = ["response", "completion", "text"];
    const MANY: [&str; 2] = ["responses", "completions"];
    let mut given = ONE
        .into_iter()
        .chain(MANY)
        .filter_map(|name| Some((name, fields.get(name).filter(|v| !v.is_null())?)));
    let (Some((name, value)), None) = (given.next(), given.next()) else {
        return Err(unknown(fields, place, SCORING));
    };
    match value {
        Value::String(text) if ONE.contains(&name) => Ok(vec![text.clone()]),
        Value::Array(list) if MANY.contains(&name) && list.is_empty() => Err(empty(place, name)),
        Value::Array(list) if MANY.contains(&name) => list
            .iter()
            .enumerate()
            .map(|(i, value)| match value {
                Value::String(text) => Ok(text.clone()),
                other => Err(wrong_type(other, place, &format!("{name}[{i}]"), "a text")),
            })
            .collect(),
        other if ONE.contains(&name) => Err(wrong_type(other, place, name, "a text")),
        other => Err(wrong_type(other, place, name, "a list of texts")),
    }
}

fn unknown(fields: &Map<String, Value>, place: &Place, expected: &'static str) -> Error {
    Error::UnknownRow {
        place: place.clone(),
        found: fields.keys().cloned().collect(),
        expected,
    }
}

/// The ids given so far, by the first 128 bits of their SHA-256.
#[derive(Default)]
pub(crate) struct Ids {
    spots: BTreeMap<[u8; 16], Spot>,
    count: u64,
}

impl Ids {
    /// The id of the next prompt; its position where it has none.
    pub(crate) fn insert(
        &mut self,
        id: Option<String>,
        index: Option<u64>,
        place: &Place,
    ) -> Result<String> {
        let id = id.unwrap_or_else(|| self.count.to_string());
        self.count += 1;
        let hash = match index {
            None => Sha256::digest(id.as_bytes()),
            Some(index) => Sha256::digest(format!("{id}\0{index}").as_bytes()),
        };
        let mut key = [0; 16];
        key.copy_from_slice(&hash[..16]);
        match self.spots.insert(key, place.spot) {
            None => Ok(id),
            Some(spot) => Err(Error::DuplicatePrompt {
                place: place.clone(),
                id: shortened(&id),
                first: Place {
                    file: Arc::clone(&place.file),
                    spot,
                },
            }),
        }
    }

    fn end<T>(&self, file: &str, what: &'static str) -> Result<Option<T>> {
        if self.count > 0 {
            return Ok(None);
        }
        Err(Error::NoTexts {
            file: file.to_owned(),
            what,
        })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;
    use crate::error::Kind;

    fn prompts(text: &str, form: TextForm) -> Prompts {
        let input = std::io::Cursor::new(text.as_bytes().to_vec());
        read_prompts_from(input, "p", form).unwrap()
    }

    fn scoring(text: &str) -> Scoring {
        let input = std::io::Cursor::new(text.as_bytes().to_vec());
        read_scoring_from(input, "p", TextForm::JsonLines).unwrap()
    }

    #[test]
    fn answers() {
        let rows = r#"{"prompt": "a", "answer": "4"} {"prompt": "b", "solution": [1]} {"prompt": "c", "answer": null}"#;
        let found: Vec<_> = prompts(rows, TextForm::Json)
            .map(|row| row.unwrap().answer)
            .collect();
        assert_eq!(found, [Some("4".to_owned()), Some("[1]".to_owned()), None]);
    }

    fn pairs(text: &str, form: TextForm) -> Vec<(String, String)> {
        prompts(text, form)
            .map(|row| {
                let row = row.unwrap();
                (row.id, serde_json::to_string(&row.prompt).unwrap())
            })
            .collect()
    }

    fn refused<T>(mut rows: impl Iterator<Item = Result<T>>) -> String {
        let error = rows.by_ref().find_map(Result::err).unwrap();
        assert_eq!(error.kind(), Kind::User);
        assert!(rows.next().is_none(), "an error is the end");
        error.to_string()
    }

    fn own(found: &[(&str, &str)]) -> Vec<(String, String)> {
        let own = |&(a, b): &(&str, &str)| (a.to_owned(), b.to_owned());
        found.iter().map(own).collect()
    }

    #[test]
    fn a_prompt_a_line() {
        let found = pairs("Once\r\n\n  \n upon a\n", TextForm::Plain);
        assert_eq!(found, own(&[("0", "\"Once\""), ("1", "\" upon a\"")]));
    }

    #[test]
    fn prompts_in_json() {
        let text = "\"a\"\n{\"prompt\": \"b\", \"id\": \"x\"}\n{\"prompt_id\": 7, \"prompt\": [{\"role\": \"user\", \"content\": \"c\"}]}\n{\"prompt\": \"d\", \"id\": null}";
        let expected = own(&[
            ("0", "\"a\""),
            ("x", "\"b\""),
            ("7", "[{\"role\":\"user\",\"content\":\"c\"}]"),
            ("3", "\"d\""),
        ]);
        assert_eq!(pairs(text, TextForm::JsonLines), expected);
        assert_eq!(
            pairs("[\"a\", \"b\"]", TextForm::Json),
            own(&[("0", "\"a\""), ("1", "\"b\"")])
        );
    }

    #[test]
    fn prompts_with_responses() {
        let text = "{\"prompt\": \"a\", \"response\": \"\"}\n{\"prompt\": \"b\", \"completions\": [\"x\", \"y\"], \"id\": \"q\"}";
        let rows: Vec<_> = scoring(text).map(Result::unwrap).collect();
        assert_eq!(
            (rows[0].id.as_str(), rows[0].responses.as_slice()),
            ("0", &[String::new()][..])
        );
        assert_eq!(
            (rows[1].id.as_str(), rows[1].responses.join("|").as_str()),
            ("q", "x|y")
        );
    }

    #[test]
    fn hostile_prompts() {
        let lines = |text| refused(prompts(text, TextForm::JsonLines));
        for (text, says) in [
            ("", "p holds no prompts; give at least one"),
            (
                "{\"prompt\": \"\"}",
                "p, line 1: `prompt` is empty; give a text, or drop the row",
            ),
            (
                "\"\"",
                "p, line 1: `prompt` is empty; give a text, or drop the row",
            ),
            (
                "{\"prompt\": []}",
                "p, line 1: `prompt` is empty; give a text, or drop the row",
            ),
            (
                "{\"text\": \"a\"}",
                "p, line 1: a row with the columns `text`; expected {\"prompt\"} with an optional id",
            ),
            (
                "{\"prompt\": {}}",
                "p, line 1, column `prompt`: found an object, expected a text or a list of messages",
            ),
            (
                "{\"prompt\": \"a\", \"id\": 0.5}",
                "p, line 1, column `id`: found the number 0.5, expected a text or an integer",
            ),
            (
                "{\"prompt\": \"a\", \"id\": \"\"}",
                "p, line 1: `id` is empty; give a text, or drop the row",
            ),
            (
                "\"a\"\n\"b\"\n{\"prompt\": \"c\", \"id\": \"1\"}",
                "p, line 3: prompt `1` was already given in p, line 2; merge the two lists, or give each row its own `prompt_id`",
            ),
        ] {
            assert_eq!(lines(text), says);
        }
        assert_eq!(
            refused(prompts(" \n", TextForm::Plain)),
            "p holds no prompts; give at least one"
        );
    }

    #[test]
    fn rows_as_sampling_writes_them() {
        let text = "{\"prompt_id\": \"a\", \"index\": 0, \"prompt\": \"p\", \"text\": \"x\", \"tokens\": [3, 4]}\n\
                    {\"prompt_id\": \"a\", \"index\": 1, \"prompt\": \"p\", \"text\": \"y\"}\n";
        let rows: Vec<ScoringRow> = scoring(text).map(Result::unwrap).collect();
        assert_eq!(rows[0].tokens.as_deref(), Some(&[3, 4][..]));
        assert_eq!(
            (rows[1].id.as_str(), rows[1].index, rows[1].tokens.as_ref()),
            ("a", 1, None)
        );
        let twice = text.replace("\"index\": 1", "\"index\": 0");
        assert!(matches!(
            scoring(&twice).last(),
            Some(Err(Error::DuplicatePrompt { .. }))
        ));
        for (row, says) in [
            (
                "\"text\": \"x\", \"tokens\": [-1]",
                "column `tokens[0]`: found the number -1, expected a token id",
            ),
            (
                "\"text\": \"x\", \"tokens\": 5",
                "column `tokens`: found the number 5",
            ),
            (
                "\"text\": \"x\", \"index\": \"b\"",
                "column `index`: found the text \"b\"",
            ),
            (
                "\"responses\": [\"x\", \"y\"], \"tokens\": [1]",
                "give one response a row",
            ),
        ] {
            let error = scoring(&format!("{{\"prompt\": \"p\", {row}}}"))
                .next()
                .unwrap()
                .unwrap_err();
            assert!(error.to_string().contains(says), "{error}");
        }
    }

    #[test]
    fn hostile_responses() {
        for (text, says) in [
            ("", "holds no responses"),
            (
                "\"a\"",
                "found the text \"a\", expected {\"prompt\", \"response\"}",
            ),
            (
                "{\"prompt\": \"a\"}",
                "a row with the columns `prompt`; expected",
            ),
            (
                "{\"prompt\": \"a\", \"response\": \"b\", \"responses\": [\"c\"]}",
                "a row with the columns",
            ),
            (
                "{\"prompt\": \"a\", \"responses\": []}",
                "`responses` is empty",
            ),
            (
                "{\"prompt\": \"a\", \"responses\": \"b\"}",
                "column `responses`: found the text \"b\", expected a list of texts",
            ),
            (
                "{\"prompt\": \"a\", \"response\": [\"b\"]}",
                "column `response`: found a list, expected a text",
            ),
            (
                "{\"prompt\": \"a\", \"responses\": [\"b\", null]}",
                "column `responses[1]`: found null",
            ),
        ] {
            let error = refused(scoring(text));
            assert!(error.contains(says), "{text}: {error}");
        }
    }
}
