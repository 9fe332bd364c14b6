//! Rows of any file as JSON values: JSON itself, CSV, Parquet, a text's lines.
//!
//! | input | a row |
//! |---|---|
//! | JSON | a value; elements of a top-level array and of RLHFlow's `instances` one by one |
//! | CSV, TSV | an object of texts by the header; a cell that is a JSON list or object is one |
//! | Parquet | an object |
//! | `.txt` | a text |
//! | blank line | skipped |

use std::{
    io::{self, BufRead, Read},
    path::Path,
    sync::Arc,
};

use serde_json::{Map, Value};

use super::parquet::ParquetRows;
use crate::{
    error::{Error, Place, Result, Spot},
    read::{
        csv::explain,
        source::{self, Format, stream_error},
    },
    texts::{
        TextForm,
        message::wrong_type,
        plain::Lines,
        rows::{Fault, Row, Rows},
    },
};

const LONGEST_LINE: usize = 1 << 26; // bytes of a plain prompt
const HEAD: usize = 4096; // bytes within which RLHFlow's `instances` begin
const TAIL: u64 = 1 << 16; // bytes that may follow the last instance

/// A row as it stands.
#[derive(Debug, Clone)]
pub(crate) struct Raw {
    pub(crate) place: Place,
    pub(crate) value: Value,
    /// The row was one of `instances`.
    pub(crate) instance: bool,
}

impl Raw {
    /// A row of no file.
    pub(super) fn detached(value: Value) -> Self {
        let (file, spot) = ("row".into(), Spot::Row(1));
        Self {
            place: Place { file, spot },
            value,
            instance: false,
        }
    }

    /// A field that is there and not null.
    pub(super) fn given(&self, name: &str) -> Option<&Value> {
        self.value.get(name).filter(|value| !value.is_null())
    }

    pub(super) fn has(&self, names: &[&str]) -> bool {
        names.iter().all(|name| self.given(name).is_some())
    }

    pub(super) fn is_list(&self, name: &str) -> bool {
        self.given(name).is_some_and(Value::is_array)
    }

    /// The row with columns under other names.
    pub(super) fn renamed(mut self, rename: &[(String, String)]) -> Self {
        if let Value::Object(fields) = &mut self.value {
            for (column, field) in rename {
                if let Some(value) = fields.shift_remove(column) {
                    fields.insert(field.clone(), value);
                }
            }
        }
        self
    }

    /// The row as an object.
    pub(super) fn object(&self, expected: &'static str) -> Result<&Map<String, Value>> {
        match &self.value {
            Value::Object(fields) => Ok(fields),
            other => Err(wrong_type(other, &self.place, "row", expected)),
        }
    }
}

/// The rows of a file.
pub(super) enum Source {
    Json { rows: Rows, instances: bool },
    Lines(Lines),
    Csv(Box<Csv>),
    Parquet(Box<ParquetRows>),
}

impl Source {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let name: Arc<str> = path.display().to_string().into();
        match source::open(path) {
            Ok(source::Source::Parquet(file)) => {
                Ok(Self::Parquet(Box::new(ParquetRows::open(file, name)?)))
            }
            Ok(source::Source::Text(format, input)) => match format {
                Format::JsonLines => Self::json(input, name, TextForm::JsonLines),
                Format::Json => Self::json(input, name, TextForm::Json),
                Format::Csv => Csv::open(input, name, b','),
                Format::Tsv => Csv::open(input, name, b'\t'),
            },
            Err(Error::UnknownFormat { .. }) if is_text(path) => {
                let (_, input) = source::open_text(path)?;
                Ok(Self::Lines(Lines::new(input, name, LONGEST_LINE)))
            }
            Err(Error::Empty { file }) => Err(Error::NoTexts { file, what: "rows" }),
            Err(error) => Err(error),
        }
    }

    fn json(mut input: Box<dyn BufRead>, file: Arc<str>, form: TextForm) -> Result<Self> {
        let head = head(&mut *input).map_err(|e| stream_error(&file, e))?;
        let (instances, rest) = match instances(&head) {
            None => (false, head),
            // What stands before the list is blanked, so that lines and offsets stay true.
            Some(start) => {
                let mut head = head;
                for byte in &mut head[..start] {
                    if *byte != b'\n' {
                        *byte = b' ';
                    }
                }
                (true, head)
            }
        };
        let form = if instances { TextForm::Json } else { form };
        let input: Box<dyn BufRead> = Box::new(io::Cursor::new(rest).chain(input));
        let input = match instances {
            true => Box::new(io::BufReader::new(OneList::new(input))),
            false => input,
        };
        let rows = Rows::new(input, file, form);
        Ok(Self::Json { rows, instances })
    }

    /// The next row; `None` at the end.
    pub(super) fn advance(&mut self) -> Option<Result<Raw, Fault>> {
        let raw = |(place, value), instance| Raw {
            place,
            value,
            instance,
        };
        match self {
            Self::Json { rows, instances } => {
                let row = rows.advance()?;
                Some(row.map(|Row { place, value }| raw((place, value), *instances)))
            }
            Self::Lines(lines) => loop {
                match lines.advance() {
                    Err(error) => return Some(Err(Fault::File(error))),
                    Ok(None) => return None,
                    Ok(Some(part)) if !part.last => {
                        return Some(Err(Fault::File(Error::UnusableRow {
                            place: lines.place(),
                            column: "prompt".to_owned(),
                            what: "the line is longer than 64 MiB; give one prompt a line",
                        })));
                    }
                    Ok(Some(_)) if lines.text().trim().is_empty() => {}
                    Ok(Some(_)) => {
                        let value = Value::String(lines.text().to_owned());
                        return Some(Ok(raw((lines.place(), value), false)));
                    }
                }
            },
            Self::Csv(csv) => Some(csv.advance()?.map(|row| raw(row, false))),
            Self::Parquet(rows) => Some(match rows.advance()? {
                Ok(row) => Ok(raw(row, false)),
                Err(error) => Err(Fault::File(error)),
            }),
        }
    }
}

fn is_text(path: &Path) -> bool {
    let name = path.to_string_lossy().to_ascii_lowercase();
    let name = name.strip_suffix(".gz").or(name.strip_suffix(".zst"));
    let name = name.map_or_else(
        || path.to_string_lossy().to_ascii_lowercase(),
        str::to_owned,
    );
    name.ends_with(".txt")
}

/// The first bytes of a stream.
fn head(input: &mut dyn BufRead) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    input.take(HEAD as u64).read_to_end(&mut head)?;
    Ok(head)
}

/// Where the list of `{…, "instances": [` begins, when only plain texts stand before it.
fn instances(head: &[u8]) -> Option<usize> {
    let text = match std::str::from_utf8(head) {
        Ok(text) => text,
        Err(e) => std::str::from_utf8(&head[..e.valid_up_to()]).ok()?,
    };
    let trimmed = text.trim_start_matches('\u{feff}').trim_start();
    let mut rest = trimmed.strip_prefix('{')?.trim_start();
    loop {
        let (key, after) = quoted(rest)?;
        let value = after.trim_start().strip_prefix(':')?.trim_start();
        if key == "instances" {
            let list = value.starts_with('[');
            return list.then(|| text.len() - value.len());
        }
        let (_, after) = quoted(value)?;
        rest = after.trim_start().strip_prefix(',')?.trim_start();
    }
}

/// A text in quotes without escapes, and what follows it.
fn quoted(text: &str) -> Option<(&str, &str)> {
    let (inside, after) = text.strip_prefix('"')?.split_once('"')?;
    (!inside.contains('\\')).then_some((inside, after))
}

/// Passes on one bracketed list, and hides what closes the object around it.
struct OneList<R> {
    input: R,
    depth: u64,
    quoted: bool,
    escaped: bool,
    ended: bool,
}

impl<R: BufRead> OneList<R> {
    const fn new(input: R) -> Self {
        Self {
            input,
            depth: 0,
            quoted: false,
            escaped: false,
            ended: false,
        }
    }

    /// How many bytes belong to the list.
    fn follow(&mut self, bytes: &[u8]) -> usize {
        for (i, &byte) in bytes.iter().enumerate() {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' if self.quoted => self.escaped = true,
                b'"' => self.quoted = !self.quoted,
                _ if self.quoted => {}
                b'[' | b'{' => self.depth += 1,
                b']' | b'}' => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.depth == 0 {
                        self.ended = true;
                        return i + 1;
                    }
                }
                _ => {}
            }
        }
        bytes.len()
    }

    /// After the list: the end of the object, with plain fields or none.
    fn close(&mut self) -> io::Result<()> {
        let mut tail = b"{\"instances\":[]".to_vec();
        self.input.by_ref().take(TAIL).read_to_end(&mut tail)?;
        match serde_json::from_slice::<Map<String, Value>>(&tail) {
            Ok(_) => Ok(()),
            Err(_) => Err(source::damage(
                "after the list of instances the object does not end as it should",
            )),
        }
    }
}

impl<R: BufRead> Read for OneList<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.ended || buffer.is_empty() {
            return Ok(0);
        }
        let read = self.input.read(buffer)?;
        let kept = self.follow(&buffer[..read]);
        if self.ended {
            // Bytes beyond the list were drawn already: give them back to the check.
            let beyond = io::Cursor::new(buffer[kept..read].to_vec());
            let mut rest = Vec::new();
            beyond
                .chain(self.input.by_ref())
                .take(TAIL)
                .read_to_end(&mut rest)?;
            let mut after = OneList::new(io::Cursor::new(rest));
            after.close()?;
        }
        Ok(kept)
    }
}

/// Delimited text with a header.
pub(super) struct Csv {
    reader: csv::Reader<Box<dyn BufRead>>,
    header: Vec<String>,
    record: csv::StringRecord,
    file: Arc<str>,
}

impl Csv {
    fn open(input: Box<dyn BufRead>, file: Arc<str>, delimiter: u8) -> Result<Source> {
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(delimiter)
            .from_reader(input);
        let header = reader.headers().map_err(|e| explain(&file, e))?;
        let header: Vec<String> = header.iter().map(|name| name.trim().to_owned()).collect();
        for (i, name) in header.iter().enumerate() {
            if header[..i].contains(name) {
                return Err(Error::RepeatedColumn {
                    file: file.to_string(),
                    column: name.clone(),
                });
            }
        }
        Ok(Source::Csv(Box::new(Self {
            reader,
            header,
            record: csv::StringRecord::new(),
            file,
        })))
    }

    fn advance(&mut self) -> Option<Result<(Place, Value), Fault>> {
        match self.reader.read_record(&mut self.record) {
            Ok(false) => None,
            Ok(true) => {
                let cells = self.header.iter().zip(&self.record);
                let cells = cells.map(|(name, cell)| (name.clone(), cell_value(cell)));
                let line = self.record.position().map_or(0, csv::Position::line);
                let place = Place {
                    file: Arc::clone(&self.file),
                    spot: Spot::Line(line),
                };
                Some(Ok((place, Value::Object(cells.collect()))))
            }
            Err(error) => {
                let row = matches!(
                    error.kind(),
                    csv::ErrorKind::UnequalLengths { .. } | csv::ErrorKind::Utf8 { .. }
                );
                let error = explain(&self.file, error);
                Some(Err(if row {
                    Fault::Row(error)
                } else {
                    Fault::File(error)
                }))
            }
        }
    }
}

fn cell_value(cell: &str) -> Value {
    match cell.trim_start().as_bytes().first() {
        None => Value::Null,
        Some(b'[' | b'{') => {
            serde_json::from_str(cell).unwrap_or_else(|_| Value::String(cell.to_owned()))
        }
        Some(_) => Value::String(cell.to_owned()),
    }
}
