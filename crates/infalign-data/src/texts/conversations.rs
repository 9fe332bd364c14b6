//! Examples to fine-tune on: a prompt with its completion, or a conversation.
//!
//! | row | example |
//! |---|---|
//! | `{"prompt", "completion"}`, `{"prompt", "response"}`, texts | [`Example::Completion`] of texts |
//! | the same, one of them or both a list of messages | … of messages; a text becomes a `user` prompt or an `assistant` completion |
//! | `{"messages": [{"role", "content"}, …]}` with an `assistant` turn | [`Example::Chat`] |
//! | an empty prompt, completion or list | a bad row: there is nothing to learn |
//! | a row of several of these forms, or of none | a bad row |

use std::{io::Read, path::Path};

use serde_json::{Map, Value};

use super::{
    Opened, TextForm,
    message::{Message, Turns, messages, wrong_type},
    rows::{Fault, Row, Rows},
};
use crate::error::{Error, Place, Result};

const FORMS: &str =
    "one of {\"prompt\", \"completion\"}, {\"prompt\", \"response\"}, {\"messages\"}";
const ASSISTANT: &str = "assistant";
const LISTED: usize = 1000; // bad rows whose errors are kept; all are counted

/// What a model learns from one row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Example {
    /// A completion of a prompt, both texts or both messages; only the completion is learned.
    Completion {
        /// What is given.
        prompt: Turns,
        /// What is to be said.
        completion: Turns,
    },
    /// A conversation; what the `assistant` says is learned.
    Chat {
        /// Its turns, one of the assistant's among them.
        messages: Vec<Message>,
    },
}

/// What becomes of a row that cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnBadRow {
    /// Its error ends the reading.
    #[default]
    Fail,
    /// It is left out, counted and listed.
    Skip,
}

/// The rows that were left out.
#[derive(Debug, Default)]
pub struct BadRows {
    /// How many.
    pub count: u64,
    /// The errors of the first thousand, in file order.
    pub first: Vec<Error>,
}

/// Opens the examples of a file (`.jsonl`, `.ndjson`, `.json`; also `.gz` and `.zst`).
///
/// # Errors
/// When the file cannot be opened or is not JSON by its name.
pub fn read_examples(path: impl AsRef<Path>, bad: OnBadRow) -> Result<Examples> {
    Examples::new(Opened::path(path.as_ref())?, bad)
}

/// The examples of a stream; `name` stands in errors.
///
/// # Errors
/// When the stream's first bytes cannot be read, or for plain text.
pub fn read_examples_from(
    input: impl Read + 'static,
    name: &str,
    form: TextForm,
    bad: OnBadRow,
) -> Result<Examples> {
    Examples::new(Opened::stream(input, name, form)?, bad)
}

/// The examples of a file, one after the other, with their places; ends after the first error.
///
/// # Errors
/// Items: any error about a row ([`OnBadRow::Fail`]) or about the file, and [`Error::NoTexts`] for a
/// file without a single usable row.
pub struct Examples {
    rows: Rows,
    on_bad: OnBadRow,
    bad: BadRows,
    any: bool,
    done: bool,
}

impl Examples {
    fn new(opened: Opened, on_bad: OnBadRow) -> Result<Self> {
        Ok(Self {
            rows: opened.rows("examples")?,
            on_bad,
            bad: BadRows::default(),
            any: false,
            done: false,
        })
    }

    /// The rows left out so far.
    #[must_use]
    pub const fn bad(&self) -> &BadRows {
        &self.bad
    }

    fn find(&mut self) -> Result<Option<(Place, Example)>> {
        loop {
            let found = match self.rows.advance() {
                None if self.any => return Ok(None),
                None => match self.bad.first.pop() {
                    // Not one row was usable: the first error says most.
                    Some(last) => {
                        return Err(self.bad.first.drain(..).next().unwrap_or(last));
                    }
                    None => {
                        return Err(Error::NoTexts {
                            file: self.rows.file().to_string(),
                            what: "examples",
                        });
                    }
                },
                Some(Err(Fault::File(error))) => return Err(error),
                Some(Err(Fault::Row(error))) => Err(error),
                Some(Ok(Row { place, value })) => {
                    example(&value, &place).map(|example| (place, example))
                }
            };
            match found {
                Ok(found) => {
                    self.any = true;
                    return Ok(Some(found));
                }
                Err(error) if self.on_bad == OnBadRow::Fail => return Err(error),
                Err(error) => {
                    self.bad.count += 1;
                    if self.bad.first.len() < LISTED {
                        self.bad.first.push(error);
                    }
                }
            }
        }
    }
}

impl Iterator for Examples {
    type Item = Result<(Place, Example)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let found = self.find();
        self.done = !matches!(found, Ok(Some(_)));
        found.transpose()
    }
}

fn example(value: &Value, place: &Place) -> Result<Example> {
    let Value::Object(fields) = value else {
        return Err(wrong_type(value, place, "row", FORMS));
    };
    let given = |name: &str| fields.get(name).filter(|value| !value.is_null());
    let answer = ["completion", "response"].map(|name| given(name).map(|value| (name, value)));
    match (given("messages"), given("prompt"), answer) {
        (Some(list), None, [None, None]) => chat(list, place),
        (None, Some(prompt), [Some((name, answer)), None] | [None, Some((name, answer))]) => {
            let prompt = Turns::parse(prompt, place, "prompt")?;
            let completion = Turns::parse(answer, place, name)?;
            Ok(alike(prompt, completion))
        }
        _ => Err(unknown(fields, place)),
    }
}

fn chat(list: &Value, place: &Place) -> Result<Example> {
    let column = "messages";
    let Value::Array(list) = list else {
        return Err(wrong_type(list, place, column, "a list of messages"));
    };
    let messages = messages(list, place, column)?;
    if !messages.iter().any(|message| message.role == ASSISTANT) {
        return Err(Error::UnusableRow {
            place: place.clone(),
            column: column.to_owned(),
            what: "no message of the role `assistant`, so there is nothing to learn; drop the row",
        });
    }
    Ok(Example::Chat { messages })
}

/// Both texts, or both messages.
fn alike(prompt: Turns, completion: Turns) -> Example {
    match (prompt, completion) {
        (prompt @ Turns::Text(_), completion @ Turns::Text(_)) => {
            Example::Completion { prompt, completion }
        }
        (prompt, completion) => Example::Completion {
            prompt: Turns::Messages(prompt.into_messages("user")),
            completion: Turns::Messages(completion.into_messages(ASSISTANT)),
        },
    }
}

fn unknown(fields: &Map<String, Value>, place: &Place) -> Error {
    Error::UnknownRow {
        place: place.clone(),
        found: fields.keys().cloned().collect(),
        expected: FORMS,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;
    use crate::error::{Kind, Spot};

    fn open(text: &str, bad: OnBadRow) -> Examples {
        let input = std::io::Cursor::new(text.as_bytes().to_vec());
        read_examples_from(input, "s.jsonl", TextForm::JsonLines, bad).unwrap()
    }

    fn one(text: &str) -> Example {
        open(text, OnBadRow::Fail).next().unwrap().unwrap().1
    }

    fn refused(text: &str) -> String {
        let error = open(text, OnBadRow::Fail).next().unwrap().unwrap_err();
        assert_eq!(error.kind(), Kind::User);
        error.to_string()
    }

    fn message(role: &str, content: &str) -> Message {
        Message {
            role: role.to_owned(),
            content: content.to_owned(),
        }
    }

    #[test]
    fn forms() {
        let texts = Example::Completion {
            prompt: Turns::Text("a".to_owned()),
            completion: Turns::Text("b".to_owned()),
        };
        assert_eq!(one(r#"{"prompt": "a", "completion": "b", "id": 3}"#), texts);
        assert_eq!(
            one(r#"{"response": "b", "prompt": "a", "messages": null}"#),
            texts
        );
        let turns = Example::Completion {
            prompt: Turns::Messages(vec![message("user", "a")]),
            completion: Turns::Messages(vec![message("assistant", "b")]),
        };
        let said = r#"[{"role": "assistant", "content": "b"}]"#;
        let asked = r#"[{"role": "user", "content": [{"type": "text", "text": "a"}]}]"#;
        assert_eq!(
            one(&format!(r#"{{"prompt": "a", "completion": {said}}}"#)),
            turns
        );
        assert_eq!(
            one(&format!(r#"{{"prompt": {asked}, "completion": "b"}}"#)),
            turns
        );
        assert_eq!(
            one(
                r#"{"messages": [{"role": "user", "content": ""}, {"role": "assistant", "content": "b", "name": "x"}]}"#
            ),
            Example::Chat {
                messages: vec![message("user", ""), message("assistant", "b")]
            }
        );
    }

    #[test]
    fn hostile_rows() {
        for (row, says) in [
            (
                r#"{"prompt": "a"}"#,
                "a row with the columns `prompt`; expected one of {\"prompt\", \"completion\"}",
            ),
            (
                r#"{"prompt": "a", "completion": "b", "response": "c"}"#,
                "a row with the columns",
            ),
            (
                r#"{"prompt": "a", "completion": "b", "messages": []}"#,
                "a row with the columns",
            ),
            ("{}", "a row with the columns none;"),
            ("[1]", "found the number 1"),
            (r#"{"prompt": "", "completion": "b"}"#, "`prompt` is empty"),
            (
                r#"{"prompt": "a", "completion": []}"#,
                "`completion` is empty",
            ),
            (
                r#"{"prompt": 1, "completion": "b"}"#,
                "column `prompt`: found the number 1",
            ),
            (
                r#"{"messages": "a"}"#,
                "column `messages`: found the text \"a\", expected a list of messages",
            ),
            (r#"{"messages": []}"#, "`messages` is empty"),
            (
                r#"{"messages": [{"role": "user", "content": "a"}]}"#,
                "nothing to learn",
            ),
            (
                r#"{"messages": [{"role": "assistant"}]}"#,
                "no value for `messages[0].content`",
            ),
            (
                r#"{"messages": [{"role": "assistant", "content": null}]}"#,
                "no value for `messages[0].content`",
            ),
            (
                r#"{"messages": [{"role": "", "content": "a"}]}"#,
                "`messages[0].role` is empty",
            ),
            (
                r#"{"messages": [{"role": 1, "content": "a"}]}"#,
                "column `messages[0].role`",
            ),
            (
                r#"{"messages": ["a"]}"#,
                "column `messages[0]`: found the text \"a\"",
            ),
            (
                r#"{"messages": [{"role": "user", "content": [{"type": "image"}]}]}"#,
                "only parts of type `text`",
            ),
            (
                r#"{"messages": [{"role": "assistant", "content": "", "tool_calls": [1]}]}"#,
                "tool calls",
            ),
        ] {
            let error = refused(row);
            assert!(error.starts_with("s.jsonl, line 1"), "{error}");
            assert!(error.contains(says), "{row}: {error}");
        }
        assert_eq!(
            refused("\n"),
            "s.jsonl holds no examples; give at least one"
        );
    }

    #[test]
    fn bad_rows_are_skipped_counted_and_listed() {
        let good = r#"{"prompt": "a", "completion": "b"}"#;
        let text = format!("{good}\n{{\"prompt\": \n{good}\n{{}}\n{good}\n");
        let mut examples = open(&text, OnBadRow::Skip);
        let lines: Vec<Spot> = examples.by_ref().map(|e| e.unwrap().0.spot).collect();
        assert_eq!(lines, [Spot::Line(1), Spot::Line(3), Spot::Line(5)]);
        assert_eq!(examples.bad().count, 2);
        let listed: Vec<String> = examples.bad().first.iter().map(Error::to_string).collect();
        assert!(
            listed[0].starts_with("s.jsonl, line 2: malformed JSON"),
            "{}",
            listed[0]
        );
        assert!(
            listed[1].starts_with("s.jsonl, line 4: a row with the columns"),
            "{}",
            listed[1]
        );
    }

    #[test]
    fn a_file_of_bad_rows_alone_is_an_error() {
        let mut examples = open("{}\n{}\n", OnBadRow::Skip);
        let error = examples.next().unwrap().unwrap_err().to_string();
        assert!(error.starts_with("s.jsonl, line 1: a row"), "{error}");
        assert!(examples.next().is_none());
    }

    #[test]
    fn plain_text_holds_no_rows() {
        let input = std::io::Cursor::new(b"hello".to_vec());
        let refused = read_examples_from(input, "s.txt", TextForm::Plain, OnBadRow::Skip);
        assert_eq!(
            refused.err().unwrap().to_string(),
            "s.txt: examples are read from JSON rows; name the file .jsonl or .json"
        );
    }
}
