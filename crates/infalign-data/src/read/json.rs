//! Rewards from JSON: lines, or a document laid out freely; rows, arrays of rows, or RLHFlow's
//! `{"instances": [rows]}`.
//!
//! | input | outcome |
//! |---|---|
//! | blank line, byte-order mark at the start | skipped |
//! | first line that breaks off within a value | the file is read as a document |
//! | `NaN`, `Infinity` as Python writes them | an error that names the reward (lines) or JSON (document) |
//! | the reward is a list in the first row | one row per prompt; else one row per response |
//! | a prompt that is a list of messages | its compact JSON is the text |

mod value;

use std::{
    borrow::Cow,
    cell::Cell,
    fmt,
    io::{self, BufRead, Read},
    rc::Rc,
    sync::Arc,
};

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::{ReadOptions, columns::Columns, source::stream_error};
use crate::{
    RewardTable,
    error::{Error, Place, Result, Spot},
    table::Cells,
};
use value::{number, text};
pub(super) use value::{numbers, text_list};

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// One JSON value per line.
pub(super) fn read_lines(
    mut input: Box<dyn BufRead + '_>,
    file: &str,
    options: &ReadOptions,
) -> Result<RewardTable> {
    let mut rows = Rows::new(file, options);
    let mut line = Vec::new();
    let mut first = true;
    for number in 1.. {
        line.clear();
        if input
            .read_until(b'\n', &mut line)
            .map_err(|e| stream_error(file, e))?
            == 0
        {
            break;
        }
        rows.line.set(number);
        let text = line
            .strip_prefix(BYTE_ORDER_MARK)
            .filter(|_| number == 1)
            .unwrap_or(&line);
        if text.trim_ascii().is_empty() {
            continue;
        }
        if std::str::from_utf8(text).is_err() {
            return Err(Error::NotUtf8 {
                place: rows.place(),
            });
        }
        let mut parser = serde_json::Deserializer::from_slice(text.trim_ascii_end());
        let parsed = Document { rows: &mut rows }.deserialize(&mut parser);
        match parsed.and_then(|()| parser.end()) {
            Ok(()) => first = false,
            Err(e) if e.is_eof() && first => {
                // Start again, as a document; blank lines before are gone: count on from them.
                rows = Rows::new(file, options);
                let document = io::Cursor::new(text.to_vec()).chain(input);
                return read_from(Box::new(document), number, rows);
            }
            Err(e) => return Err(rows.explain(e, Some(text))),
        }
    }
    rows.finish()
}

/// JSON values laid out freely.
pub(super) fn read_document(
    mut input: Box<dyn BufRead + '_>,
    file: &str,
    options: &ReadOptions,
) -> Result<RewardTable> {
    let head = input.fill_buf().map_err(|e| stream_error(file, e))?;
    if head.starts_with(BYTE_ORDER_MARK) {
        input.consume(BYTE_ORDER_MARK.len());
    }
    read_from(input, 1, Rows::new(file, options))
}

fn read_from(
    input: Box<dyn BufRead + '_>,
    first_line: u64,
    mut rows: Rows<'_>,
) -> Result<RewardTable> {
    rows.line.set(first_line);
    let counted = LineCounter {
        input,
        line: Rc::clone(&rows.line),
    };
    let mut parser = serde_json::Deserializer::from_reader(counted);
    loop {
        // `end` tells the end of the input from a further value.
        match parser.end() {
            Ok(()) => return rows.finish(),
            Err(e) if e.is_io() => return Err(rows.explain(e, None)),
            Err(_) => {}
        }
        if let Err(e) = (Document { rows: &mut rows }).deserialize(&mut parser) {
            return Err(rows.explain(e, None));
        }
    }
}

/// Counts the lines that the parser has consumed.
struct LineCounter<'a> {
    input: Box<dyn BufRead + 'a>,
    line: Rc<Cell<u64>>,
}

impl Read for LineCounter<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buffer)?; // the parser asks byte by byte
        let breaks = buffer[..read].iter().filter(|&&byte| byte == b'\n').count();
        self.line.set(self.line.get() + breaks as u64);
        Ok(read)
    }
}

/// The rows of one file as they are parsed.
struct Rows<'a> {
    file: Arc<str>,
    options: &'a ReadOptions,
    line: Rc<Cell<u64>>,
    cells: Option<(Columns, Form, Cells)>, // from the first row on
    count: u64,
    failure: Option<Error>, // what a visitor could only hint at
}

#[derive(Clone, Copy)]
enum Form {
    Wide,
    Long,
}

impl<'a> Rows<'a> {
    fn new(file: &'a str, options: &'a ReadOptions) -> Self {
        Self {
            file: file.into(),
            options,
            line: Rc::default(),
            cells: None,
            count: 0,
            failure: None,
        }
    }

    fn place(&self) -> Place {
        Place {
            file: Arc::clone(&self.file),
            spot: Spot::Line(self.line.get()),
        }
    }

    fn finish(self) -> Result<RewardTable> {
        match self.cells {
            Some((_, _, cells)) => cells.finish(),
            None => Err(Error::Empty {
                file: self.file.to_string(),
            }),
        }
    }

    fn insert(&mut self, line: u64, row: &Map<String, Value>) -> Result<()> {
        let place = Place {
            file: Arc::clone(&self.file),
            spot: Spot::Line(line),
        };
        let (columns, form, cells) = match &mut self.cells {
            Some(open) => open,
            closed => {
                let found: Vec<String> = row.keys().cloned().collect();
                let columns = Columns::choose(&self.file, &found, self.options)?;
                let form = match &row[&columns.rewards[0]] {
                    Value::Array(_) => Form::Wide,
                    _ => Form::Long,
                };
                if matches!(form, Form::Long) {
                    columns.id_of_long(&self.file, &found)?;
                }
                let cells = Cells::new(&self.file, columns.rewards.clone());
                closed.insert((columns, form, cells))
            }
        };
        let field = |column: &str| match row.get(column) {
            None => Err(Error::MissingField {
                place: place.clone(),
                column: column.to_owned(),
            }),
            Some(value) => Ok(value),
        };
        let id = match &columns.id {
            Some(column) => text(field(column)?, &place, column)?,
            None => Cow::Owned(self.count.to_string()),
        };
        let prompt = columns.prompt.as_ref();
        let prompt = prompt
            .map(|column| text(field(column)?, &place, column))
            .transpose()?;
        match form {
            Form::Wide => {
                let rewards = columns.rewards.iter();
                let rewards: Vec<Vec<f32>> = rewards
                    .map(|c| numbers(field(c)?, &place, c))
                    .collect::<Result<_>>()?;
                let responses = columns.responses.as_ref();
                let responses = responses
                    .map(|c| text_list(field(c)?, &place, c))
                    .transpose()?;
                cells.prompt(
                    place.spot,
                    &id,
                    prompt.as_deref(),
                    &rewards,
                    responses.as_deref(),
                )?;
            }
            Form::Long => {
                let rewards = columns.rewards.iter();
                let rewards: Vec<f32> = rewards
                    .map(|c| number(field(c)?, &place, c, None))
                    .collect::<Result<_>>()?;
                let response = columns.responses.as_ref();
                let response = response.map(|c| text(field(c)?, &place, c)).transpose()?;
                cells.response(
                    place.spot,
                    &id,
                    prompt.as_deref(),
                    &rewards,
                    response.as_deref(),
                )?;
            }
        }
        self.count += 1;
        Ok(())
    }

    /// The typed error behind a parser's; `text` is the line, where there is one.
    fn explain(&mut self, error: serde_json::Error, text: Option<&[u8]>) -> Error {
        if let Some(failure) = self.failure.take() {
            return failure;
        }
        if error.is_io() {
            return stream_error(&self.file, io::Error::from(error));
        }
        let place = self.place();
        if let Some(not_finite) = text.and_then(|t| python_number(t, error.column(), &place)) {
            return not_finite;
        }
        let column = error.column();
        let message = error.to_string();
        let message = message.split(" at line ").next().unwrap_or_default();
        let what = format!(
            "{message} at column {column}; each row is one JSON object, without NaN or Infinity"
        );
        Error::Malformed {
            place,
            format: "JSON",
            what,
        }
    }
}

/// Python's `NaN` and `Infinity`, told from other slips at `column` (1-based).
fn python_number(text: &[u8], column: usize, place: &Place) -> Option<Error> {
    let near = column.saturating_sub(3)..=column;
    let (at, value) = near.into_iter().find_map(|at| {
        let rest = text.get(at..)?;
        let value = ["NaN", "Infinity"]
            .into_iter()
            .find(|v| rest.starts_with(v.as_bytes()))?;
        Some((at, value))
    })?;
    let before = std::str::from_utf8(&text[..at]).ok()?;
    let (key, list) = before.rsplit_once("\":")?;
    let column = key.rsplit('"').next()?.to_owned();
    let response = list
        .trim_start()
        .strip_prefix('[')
        .map(|l| l.matches(',').count() + 1);
    Some(Error::NotFinite {
        place: place.clone(),
        column,
        response,
        value: value.to_owned(),
    })
}

/// A value that holds rows: a row itself, an array of them, or an object with `instances`.
struct Document<'r, 'a> {
    rows: &'r mut Rows<'a>,
}

impl<'de> DeserializeSeed<'de> for Document<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, parser: D) -> Result<(), D::Error> {
        parser.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Document<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a row, that is a JSON object")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items
            .next_element_seed(Document {
                rows: &mut *self.rows,
            })?
            .is_some()
        {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        let line = self.rows.line.get();
        let mut row = Map::new();
        let mut holds_rows = false;
        while let Some(key) = fields.next_key::<String>()? {
            if key == "instances" {
                fields.next_value_seed(Document {
                    rows: &mut *self.rows,
                })?;
                holds_rows = true;
            } else {
                row.insert(key, fields.next_value()?);
            }
        }
        if holds_rows {
            return Ok(());
        }
        self.rows.insert(line, &row).map_err(|failure| {
            self.rows.failure = Some(failure);
            A::Error::custom("see the failure kept aside")
        })
    }
}
