//! Documents to learn a language from: plain text, or a text column of JSON rows.
//!
//! | input | outcome |
//! |---|---|
//! | plain text | one document; lines that are exactly the separator end one and begin the next |
//! | the last line break of a document | belongs to the separator or the end of the file: left out |
//! | a document longer than 1 MiB | several pieces, cut at line breaks where there are any |
//! | JSON: a string | a document |
//! | JSON: an object | the text column, `text` by habit |
//! | an empty document | skipped |

use std::{io::Read, path::Path, sync::Arc};

use serde_json::Value;

use super::{
    Opened, TextForm,
    message::wrong_type,
    plain::Lines,
    rows::{Fault, Row, Rows},
};
use crate::{
    error::{Error, Place, Result, Role},
    read::columns::missing,
};

/// The line that separates documents of a plain text by habit.
pub const DOCUMENT_SEPARATOR: &str = "<|endoftext|>";

const TEXT_COLUMN: &str = "text";
const PIECE: usize = 1 << 20; // bytes of text; a tokenizer may need a hundred times that
const LINE_PART: usize = 1 << 18;

/// How a file is taken apart into documents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentOptions {
    /// The column of JSON rows that holds the text; else `text`.
    pub text_column: Option<String>,
    /// The line that separates documents of a plain text; empty: blank lines do.
    pub separator: String,
}

impl Default for DocumentOptions {
    fn default() -> Self {
        Self {
            text_column: None,
            separator: DOCUMENT_SEPARATOR.to_owned(),
        }
    }
}

/// A document, or a piece of a long one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Where the piece begins.
    pub place: Place,
    /// 0-based number of the document in its file.
    pub number: u64,
    /// Its text; empty only in the last of several pieces.
    pub text: String,
    /// Whether the document ends with this piece. Pieces of one document follow each other.
    pub ends: bool,
}

/// Opens the documents of a file (`.jsonl`, `.ndjson`, `.json`, anything else is plain text; also
/// `.gz` and `.zst`).
///
/// # Errors
/// When the file cannot be opened or is a table (CSV, Parquet).
pub fn read_documents(path: impl AsRef<Path>, options: &DocumentOptions) -> Result<Documents> {
    Opened::path(path.as_ref()).map(|opened| Documents::new(opened, options))
}

/// The documents of a stream; `name` stands in errors.
///
/// # Errors
/// When the stream's first bytes cannot be read.
pub fn read_documents_from(
    input: impl Read + 'static,
    name: &str,
    form: TextForm,
    options: &DocumentOptions,
) -> Result<Documents> {
    Opened::stream(input, name, form).map(|opened| Documents::new(opened, options))
}

/// The documents of a file, one after the other; ends after the first error.
///
/// # Errors
/// Items: [`Error::InvalidByte`], [`Error::Malformed`], [`Error::NoSuchColumn`] (first row),
/// [`Error::MissingField`], [`Error::WrongType`], [`Error::Damaged`], [`Error::Read`], and
/// [`Error::NoTexts`] for a file without documents.
pub struct Documents {
    source: Source,
    file: Arc<str>,
    number: u64,
    done: bool,
}

enum Source {
    Plain(Plain),
    Rows { rows: Rows, column: Column },
}

impl Documents {
    fn new(opened: Opened, options: &DocumentOptions) -> Self {
        let file = Arc::clone(&opened.file);
        let source = match opened.form {
            TextForm::Plain => Source::Plain(Plain {
                lines: Lines::new(opened.input, opened.file, LINE_PART),
                separator: options.separator.clone(),
                piece: PIECE,
                line_break: "",
                begun: false,
                ended: false,
            }),
            form => Source::Rows {
                rows: Rows::new(opened.input, opened.file, form),
                column: Column {
                    asked: options.text_column.clone(),
                    found: false,
                },
            },
        };
        Self {
            source,
            file,
            number: 0,
            done: false,
        }
    }

    fn find(&mut self) -> Result<Option<Document>> {
        let found = match &mut self.source {
            Source::Plain(plain) => plain.piece()?,
            Source::Rows { rows, column } => loop {
                let Some(row) = rows.advance() else {
                    break None;
                };
                let Row { place, value } = row.map_err(Fault::into_error)?;
                let text = column.text(value, &place)?;
                if !text.is_empty() {
                    break Some((place, text, true));
                }
            },
        };
        let number = self.number;
        match found {
            Some((place, text, ends)) => {
                self.number += u64::from(ends);
                Ok(Some(Document {
                    place,
                    number,
                    text,
                    ends,
                }))
            }
            None if number == 0 => Err(Error::NoTexts {
                file: self.file.to_string(),
                what: "documents",
            }),
            None => Ok(None),
        }
    }
}

impl Iterator for Documents {
    type Item = Result<Document>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let found = self.find();
        self.done = !matches!(found, Ok(Some(_)));
        found.transpose()
    }
}

/// Plain text, cut at separators.
struct Plain {
    lines: Lines,
    separator: String,
    piece: usize,
    line_break: &'static str, // of the line before, if it is not the document's last
    begun: bool,              // a piece of this document has been given
    ended: bool,
}

impl Plain {
    fn piece(&mut self) -> Result<Option<(Place, String, bool)>> {
        let mut text = String::new();
        let mut place = None;
        while !self.ended {
            let part = self.lines.advance()?;
            let separates = part
                .is_none_or(|part| part.first && part.last && self.lines.text() == self.separator);
            self.ended = part.is_none();
            if separates {
                self.line_break = "";
                let begun = std::mem::replace(&mut self.begun, false);
                if begun || !text.is_empty() {
                    let place = place.unwrap_or_else(|| self.lines.place());
                    return Ok(Some((place, text, true)));
                }
                place = None;
                continue;
            }
            text.push_str(self.line_break);
            text.push_str(self.lines.text());
            self.line_break = part.map_or("", |part| part.line_break);
            let place = place.get_or_insert_with(|| self.lines.place());
            if text.len() >= self.piece {
                self.begun = true;
                return Ok(Some((place.clone(), text, false)));
            }
        }
        Ok(None)
    }
}

/// The text column of JSON rows.
struct Column {
    asked: Option<String>,
    found: bool, // in an earlier row
}

impl Column {
    fn text(&mut self, value: Value, place: &Place) -> Result<String> {
        let name = self.asked.as_deref().unwrap_or(TEXT_COLUMN);
        let mut fields = match value {
            Value::String(text) => return Ok(text),
            Value::Object(fields) => fields,
            other => {
                let expected = "a text, or an object with one";
                return Err(wrong_type(&other, place, name, expected));
            }
        };
        match fields.get_mut(name).map(Value::take) {
            Some(Value::String(text)) => {
                self.found = true;
                Ok(text)
            }
            None if !self.found => {
                let found: Vec<String> = fields.keys().cloned().collect();
                Err(missing(
                    &place.file,
                    Role::Text,
                    vec![name.to_owned()],
                    &found,
                ))
            }
            None | Some(Value::Null) => Err(Error::MissingField {
                place: place.clone(),
                column: name.to_owned(),
            }),
            Some(other) => Err(wrong_type(&other, place, name, "a text")),
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;
    use crate::error::{Kind, Spot};

    fn open(text: &str, form: TextForm, options: &DocumentOptions) -> Documents {
        let input = std::io::Cursor::new(text.as_bytes().to_vec());
        read_documents_from(input, "d", form, options).unwrap()
    }

    fn texts(text: &str, form: TextForm) -> Vec<String> {
        open(text, form, &DocumentOptions::default())
            .map(|d| d.unwrap().text)
            .collect()
    }

    fn refused(text: &str, form: TextForm) -> String {
        let mut documents = open(text, form, &DocumentOptions::default());
        let error = documents.by_ref().find_map(Result::err).unwrap();
        assert_eq!(error.kind(), Kind::User);
        assert!(documents.next().is_none(), "an error is the end");
        error.to_string()
    }

    #[test]
    fn plain_text_is_one_document_or_several() {
        assert_eq!(texts("a\n\nb\n", TextForm::Plain), ["a\n\nb"]);
        let text = "<|endoftext|>\na\r\nb\n<|endoftext|>\n<|endoftext|>\r\nc <|endoftext|>\n";
        assert_eq!(texts(text, TextForm::Plain), ["a\r\nb", "c <|endoftext|>"]);
        let blank = DocumentOptions {
            separator: String::new(),
            ..Default::default()
        };
        let found: Vec<_> = open("a\nb\n\nc", TextForm::Plain, &blank)
            .map(Result::unwrap)
            .collect();
        assert_eq!(
            (found[0].text.as_str(), found[1].text.as_str()),
            ("a\nb", "c")
        );
        assert_eq!((found[1].number, found[1].place.spot), (1, Spot::Line(4)));
    }

    #[test]
    fn pieces_of_a_long_document_join_to_it() {
        let text = "one\ntwo\n\nthree\nfour\n<|endoftext|>\nfive\n";
        for piece in 1..30 {
            let mut documents = open(text, TextForm::Plain, &DocumentOptions::default());
            if let Source::Plain(plain) = &mut documents.source {
                plain.piece = piece;
            }
            let mut joined = vec![String::new()];
            for document in documents {
                let document = document.unwrap();
                assert_eq!(document.number as usize, joined.len() - 1);
                joined.last_mut().unwrap().push_str(&document.text);
                if document.ends {
                    joined.push(String::new());
                }
            }
            assert_eq!(joined, ["one\ntwo\n\nthree\nfour", "five", ""], "{piece}");
        }
    }

    #[test]
    fn json_rows_and_strings() {
        let rows = "{\"text\": \"a\", \"n\": 1}\n{\"text\": \"\"}\n\"b\"\n";
        assert_eq!(texts(rows, TextForm::JsonLines), ["a", "b"]);
        assert_eq!(
            texts("[\n \"a\",\n \"b\\n\"\n]", TextForm::Json),
            ["a", "b\n"]
        );
        let options = DocumentOptions {
            text_column: Some("story".to_owned()),
            ..Default::default()
        };
        let found: Vec<_> = open("{\"story\": \"x\"}", TextForm::Json, &options)
            .map(Result::unwrap)
            .collect();
        assert_eq!(found[0].text, "x");
    }

    #[test]
    fn hostile_rows() {
        let lines = |text| refused(text, TextForm::JsonLines);
        assert_eq!(
            lines("{\"texts\": \"a\"}"),
            "d: no text column `text` (did you mean `texts`?); columns found: `texts`; name it with --text-column"
        );
        assert_eq!(
            lines("{\"text\": \"a\"}\n{\"txt\": 1}"),
            "d, line 2: no value for `text`; give one, or drop the row"
        );
        assert_eq!(
            lines("{\"text\": [1]}"),
            "d, line 1, column `text`: found a list, expected a text"
        );
        assert_eq!(
            lines("7"),
            "d, line 1, column `text`: found the number 7, expected a text, or an object with one"
        );
        assert!(lines("{\"text\": \"a\"}\n{\"text\":").contains("line 2: malformed JSON"));
        for (empty, form) in [
            ("", TextForm::Plain),
            ("\n\n", TextForm::JsonLines),
            ("[]", TextForm::Json),
        ] {
            assert_eq!(
                refused(empty, form),
                "d holds no documents; give at least one"
            );
        }
    }

    #[test]
    fn files_by_name() {
        let directory = tempfile::tempdir().unwrap();
        let file = |name: &str, bytes: &[u8]| {
            let path = directory.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            read_documents(path, &DocumentOptions::default())
        };
        let only = |documents: Result<Documents>| documents.unwrap().next().unwrap().unwrap().text;
        assert_eq!(only(file("a.txt", b"[\"x\"]")), "[\"x\"]");
        assert_eq!(only(file("README", b"x")), "x");
        assert_eq!(only(file("a.json", b"[\"x\"]")), "x");
        let packed = zstd::encode_all(&b"\"x\""[..], 0).unwrap();
        assert_eq!(only(file("a.jsonl.zst", &packed)), "x");
        for name in ["a.csv", "a.parquet"] {
            assert!(matches!(file(name, b"x"), Err(Error::NotText { .. })));
        }
        // Cut short within the compressed data.
        let cut = file("b.jsonl.zst", &packed[..packed.len() - 2]).unwrap();
        let error = cut.map(|d| d.map(|_| ())).find_map(Result::err).unwrap();
        assert!(matches!(error, Error::Damaged { .. }), "{error}");
    }
}
