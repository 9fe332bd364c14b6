//! JSON values one at a time: lines, documents laid out freely, the elements of a top-level array.
//!
//! The end of a value is found by its brackets and quotes alone, so that a malformed row can be
//! told from a malformed file, and skipped.
//!
//! | input | outcome |
//! |---|---|
//! | blank line, byte-order mark at the start | skipped |
//! | lines, and the first opens an array or breaks off within a value | read as a document |
//! | a malformed row | [`Fault::Row`]; the next row can be read |
//! | an array that is never closed, a row beyond 256 MiB, a damaged stream | [`Fault::File`]; the end |

use std::{
    io::{self, BufRead, Read},
    sync::Arc,
};

use serde_json::Value;

use super::TextForm;
use crate::{
    error::{Error, Place, Result, Spot},
    read::source::stream_error,
};

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();
const LONGEST_ROW: usize = 1 << 28; // bytes; a stray quote must not draw a whole corpus into memory

/// A row and where it begins.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) place: Place,
    pub(crate) value: Value,
}

/// What failed: one row, or all that follows.
#[derive(Debug)]
pub(crate) enum Fault {
    Row(Error),
    File(Error),
}

impl Fault {
    pub(crate) fn into_error(self) -> Error {
        match self {
            Self::Row(error) | Self::File(error) => error,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Lines { first: bool },
    Document,
    Array { after_comma: bool },
    Ended,
}

/// The rows of a stream.
pub(crate) struct Rows {
    input: Box<dyn BufRead>,
    file: Arc<str>,
    state: State,
    line: u64,   // 1-based, of the next byte
    offset: u64, // of the next byte
    longest: usize,
    bytes: Vec<u8>, // of one row
}

impl Rows {
    pub(crate) fn new(input: Box<dyn BufRead>, file: Arc<str>, form: TextForm) -> Self {
        Self {
            input,
            file,
            state: match form {
                TextForm::JsonLines => State::Lines { first: true },
                _ => State::Document,
            },
            line: 1,
            offset: 0,
            longest: LONGEST_ROW,
            bytes: Vec::new(),
        }
    }

    pub(crate) fn file(&self) -> &Arc<str> {
        &self.file
    }

    fn place(&self, line: u64) -> Place {
        Place {
            file: Arc::clone(&self.file),
            spot: Spot::Line(line),
        }
    }

    /// The next row; `None` at the end.
    pub(crate) fn advance(&mut self) -> Option<Result<Row, Fault>> {
        let found = self.find();
        if !matches!(found, Ok(Some(_)) | Err(Fault::Row(_))) {
            self.state = State::Ended;
        }
        found.transpose()
    }

    fn find(&mut self) -> Result<Option<Row>, Fault> {
        loop {
            match self.state {
                State::Ended => return Ok(None),
                State::Lines { first } => match self.line(first)? {
                    Found::Row(row) => return Ok(Some(row)),
                    Found::Nothing => return Ok(None),
                    Found::Again => {}
                },
                State::Document => {
                    let head = self.skip_space()?;
                    let (line, offset) = (self.line, self.offset);
                    match head {
                        None => return Ok(None),
                        Some(b'[') => {
                            self.take_while(|_| Step::Last)?;
                            self.state = State::Array { after_comma: false };
                        }
                        Some(_) => {
                            let mut scan = Scan::default();
                            let ended = self.take_while(|byte| scan.alone(byte))?;
                            if !ended && !scan.is_bare() {
                                return Err(Fault::File(self.broken_off(line)));
                            }
                            return self.parse(line, offset).map(Some);
                        }
                    }
                }
                State::Array { after_comma } => {
                    self.skip_space()?;
                    let (line, offset) = (self.line, self.offset);
                    let mut scan = Scan::default();
                    if !self.take_while(|byte| scan.element(byte))? {
                        return Err(Fault::File(self.broken_off(line)));
                    }
                    let closed = self.bytes.pop() == Some(b']');
                    self.state = if closed {
                        State::Document
                    } else {
                        State::Array { after_comma: true }
                    };
                    if closed && !after_comma && self.bytes.trim_ascii().is_empty() {
                        continue; // []
                    }
                    return self.parse(line, offset).map(Some);
                }
            }
        }
    }

    /// One line; the first may turn out to be no line format at all.
    fn line(&mut self, first: bool) -> Result<Found, Fault> {
        let (line, offset) = (self.line, self.offset);
        let ended = self.take_while(|byte| {
            if byte == b'\n' {
                Step::Last
            } else {
                Step::Next
            }
        })?;
        if self.bytes.is_empty() {
            return Ok(if ended { Found::Again } else { Found::Nothing });
        }
        if line == 1 && self.bytes.starts_with(BYTE_ORDER_MARK) {
            self.bytes.drain(..BYTE_ORDER_MARK.len());
        }
        if self.bytes.trim_ascii().is_empty() {
            return Ok(Found::Again);
        }
        if first {
            let opens_array = self.bytes.trim_ascii_start().starts_with(b"[");
            let breaks_off = || {
                serde_json::from_slice::<serde::de::IgnoredAny>(&self.bytes)
                    .is_err_and(|e| e.is_eof())
            };
            if opens_array || breaks_off() {
                // Start again with this line, as a document.
                let head = io::Cursor::new(std::mem::take(&mut self.bytes));
                let rest = std::mem::replace(&mut self.input, Box::new(io::empty()));
                self.input = Box::new(head.chain(rest));
                (self.line, self.offset) = (line, offset);
                self.state = State::Document;
                return Ok(Found::Again);
            }
        }
        self.state = State::Lines { first: false };
        self.parse(line, offset).map(Found::Row)
    }

    /// The row in `bytes`, which began at `line` and `offset`.
    fn parse(&self, line: u64, offset: u64) -> Result<Row, Fault> {
        let place = self.place(line);
        if let Err(e) = std::str::from_utf8(&self.bytes) {
            let before = &self.bytes[..e.valid_up_to()];
            return Err(Fault::Row(Error::InvalidByte {
                place: self.place(line + breaks(before)),
                byte: self.bytes[e.valid_up_to()],
                offset: offset + before.len() as u64,
            }));
        }
        match serde_json::from_slice(self.bytes.trim_ascii_end()) {
            Ok(value) => Ok(Row { place, value }),
            Err(e) => {
                let message = e.to_string();
                let message = message.split(" at line ").next().unwrap_or_default();
                Err(Fault::Row(Error::Malformed {
                    place: self.place(line + (e.line() as u64).saturating_sub(1)),
                    format: "JSON",
                    what: format!("{message} at column {} of the row", e.column()),
                }))
            }
        }
    }

    fn broken_off(&self, line: u64) -> Error {
        Error::Malformed {
            place: self.place(line),
            format: "JSON",
            what: "the file ends within what begins here; is it cut short, or a quote or bracket not closed?".to_owned(),
        }
    }

    /// The first byte that is not white space, left in the stream.
    fn skip_space(&mut self) -> Result<Option<u8>, Fault> {
        loop {
            let buffer = fill(&mut *self.input, &self.file)?;
            if buffer.is_empty() {
                return Ok(None);
            }
            if self.offset == 0 && buffer.starts_with(BYTE_ORDER_MARK) {
                self.input.consume(BYTE_ORDER_MARK.len());
                self.offset += BYTE_ORDER_MARK.len() as u64;
                continue;
            }
            let space = buffer
                .iter()
                .take_while(|b| b.is_ascii_whitespace())
                .count();
            let found = buffer.get(space).copied();
            self.line += breaks(&buffer[..space]);
            self.offset += space as u64;
            self.input.consume(space);
            if found.is_some() {
                return Ok(found);
            }
        }
    }

    /// Moves bytes into `bytes` until `step` says stop; false at the end of the stream.
    fn take_while(&mut self, mut step: impl FnMut(u8) -> Step) -> Result<bool, Fault> {
        self.bytes.clear();
        let start = self.line;
        loop {
            let buffer = fill(&mut *self.input, &self.file)?;
            if buffer.is_empty() {
                return Ok(false);
            }
            let stop = buffer
                .iter()
                .enumerate()
                .find_map(|(i, &byte)| match step(byte) {
                    Step::Next => None,
                    Step::Last => Some(i + 1),
                    Step::Before => Some(i),
                });
            let taken = stop.unwrap_or(buffer.len());
            self.bytes.extend_from_slice(&buffer[..taken]);
            self.line += breaks(&buffer[..taken]);
            self.offset += taken as u64;
            self.input.consume(taken);
            if stop.is_some() {
                return Ok(true);
            }
            if self.bytes.len() > self.longest {
                return Err(Fault::File(Error::Malformed {
                    place: self.place(start),
                    format: "JSON",
                    what: format!(
                        "the row that begins here is longer than {} MiB; is a quote or bracket not closed?",
                        self.longest >> 20
                    ),
                }));
            }
        }
    }
}

enum Found {
    Row(Row),
    Nothing,
    Again,
}

/// What to do with a byte.
#[derive(Clone, Copy)]
enum Step {
    Next,
    Last,
    Before,
}

/// Brackets and quotes of one value.
#[derive(Default)]
struct Scan {
    begun: bool,
    depth: u64,
    quoted: bool,
    escaped: bool,
}

impl Scan {
    /// Follows a byte; whether it stands outside of every bracket and quote.
    fn outside(&mut self, byte: u8) -> bool {
        if self.quoted {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => self.quoted = false,
                _ => {}
            }
            return false;
        }
        match byte {
            b'"' => self.quoted = true,
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' if self.depth > 0 => self.depth -= 1,
            _ => return self.depth == 0,
        }
        false
    }

    /// An element of an array, up to and with its comma or the closing bracket.
    fn element(&mut self, byte: u8) -> Step {
        match self.outside(byte) && matches!(byte, b',' | b']') {
            true => Step::Last,
            false => Step::Next,
        }
    }

    /// A value on its own: a bracketed one ends with its bracket, a text with its quote, others
    /// before white space.
    fn alone(&mut self, byte: u8) -> Step {
        let first = !std::mem::replace(&mut self.begun, true);
        let outside = self.outside(byte);
        if outside && byte.is_ascii_whitespace() {
            return Step::Before;
        }
        let closes = matches!(byte, b'}' | b']' | b'"') && !first;
        if closes && self.depth == 0 && !self.quoted {
            return Step::Last;
        }
        Step::Next
    }

    fn is_bare(&self) -> bool {
        self.depth == 0 && !self.quoted
    }
}

fn breaks(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|&&byte| byte == b'\n').count() as u64
}

fn fill<'i>(input: &'i mut dyn BufRead, file: &str) -> Result<&'i [u8], Fault> {
    // `fill_buf` reports interruptions; asking for its outcome twice lets the borrow end between.
    loop {
        match input.fill_buf() {
            Ok(_) => break,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(Fault::File(stream_error(file, e))),
        }
    }
    input
        .fill_buf()
        .map_err(|e| Fault::File(stream_error(file, e)))
}

#[cfg(test)]
mod tests {
    #![expect(
        clippy::unwrap_used,
        clippy::panic,
        reason = "a test stops at the first surprise"
    )]
    use super::*;

    fn rows(text: impl AsRef<[u8]>, form: TextForm) -> Rows {
        // A small buffer, so that values straddle its ends.
        let input = io::BufReader::with_capacity(3, io::Cursor::new(text.as_ref().to_vec()));
        Rows::new(Box::new(input), "r.json".into(), form)
    }

    /// Values with their lines; faults as their messages.
    fn all(text: &str, form: TextForm) -> Vec<String> {
        let mut rows = rows(text, form);
        std::iter::from_fn(|| rows.advance())
            .map(|found| match found {
                Ok(Row { place, value }) => match place.spot {
                    Spot::Line(line) | Spot::Row(line) => format!("{line}: {value}"),
                },
                Err(Fault::Row(e)) => format!("row {e}"),
                Err(Fault::File(e)) => format!("file {e}"),
            })
            .collect()
    }

    #[test]
    fn lines() {
        let text = "\u{feff}{\"a\":1}\r\n\n \"x\\\"\"\n3";
        let expected = ["1: {\"a\":1}", "3: \"x\\\"\"", "4: 3"];
        assert_eq!(all(text, TextForm::JsonLines), expected);
    }

    #[test]
    fn a_bad_line_is_skipped_over() {
        let found = all("1\n{\"a\": \"b\n2\n", TextForm::JsonLines);
        assert_eq!(found[0], "1: 1");
        assert!(
            found[1].starts_with("row r.json, line 2: malformed JSON"),
            "{}",
            found[1]
        );
        assert_eq!(found[2], "3: 2");
    }

    #[test]
    fn arrays_and_documents() {
        let text = "\n[\n {\"a\": \"],\\\\\"},\n [1,\n 2], \"x\"]\n{\"b\":\n 2}{\"c\":3} 7 ";
        let expected = [
            "3: {\"a\":\"],\\\\\"}",
            "4: [1,2]",
            "5: \"x\"",
            "6: {\"b\":2}",
            "7: {\"c\":3}",
            "7: 7",
        ];
        assert_eq!(all(text, TextForm::Json), expected);
        // The same under a name that promises lines.
        assert_eq!(all(text, TextForm::JsonLines), expected);
        assert_eq!(all("{\"b\":\n 2}\n{\"c\":3}", TextForm::JsonLines).len(), 2);
        assert!(all("[]", TextForm::Json).is_empty());
        assert!(all(" \n", TextForm::Json).is_empty());
        assert!(all("", TextForm::JsonLines).is_empty());
    }

    #[test]
    fn bad_elements_and_bad_files() {
        let found = all("[1, nope, 3,, 4,]", TextForm::Json);
        assert_eq!((found[0].as_str(), found[2].as_str()), ("1: 1", "1: 3"));
        for i in [1, 3, 5] {
            assert!(
                found[i].starts_with("row r.json, line 1: malformed"),
                "{}",
                found[i]
            );
        }
        assert_eq!((found[4].as_str(), found.len()), ("1: 4", 6));
        for text in ["[1,\n{\"a\": \"x", "[1,\n2", "1 [", "1\n{\"a\":[}"] {
            let found = all(text, TextForm::Json);
            assert_eq!(found[0], "1: 1", "{text}");
            assert!(found[1].starts_with("file r.json, line "), "{}", found[1]);
            assert_eq!(found.len(), 2);
        }
        assert!(all("]", TextForm::Json)[0].starts_with("row"));
        let deep = "[".repeat(1000) + &"]".repeat(1000);
        assert!(all(&deep, TextForm::Json)[0].starts_with("row"));
    }

    #[test]
    fn bytes_that_are_not_utf8_are_placed() {
        let mut rows = rows(b"\"a\"\n\"b\xff\"\n\"c\"", TextForm::JsonLines);
        rows.advance().unwrap().unwrap();
        let Err(Fault::Row(error)) = rows.advance().unwrap() else {
            panic!("the row holds a stray byte")
        };
        assert!(
            matches!(&error, Error::InvalidByte { place, byte: 0xff, offset: 6 } if place.spot == Spot::Line(2)),
            "{error}"
        );
        assert_eq!(rows.advance().unwrap().unwrap().value, "c");
        assert!(rows.advance().is_none());
    }

    #[test]
    fn a_row_without_end_is_given_up() {
        let mut rows = rows("[\"".to_owned() + &"x".repeat(5000), TextForm::Json);
        rows.longest = 1000;
        assert!(matches!(rows.advance(), Some(Err(Fault::File(_)))));
        assert!(rows.advance().is_none());
        assert!(rows.bytes.len() < 1100);
    }
}
