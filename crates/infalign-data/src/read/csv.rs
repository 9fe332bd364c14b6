//! Rewards from delimited text with a header: numbers, one row per response; or lists in JSON's
//! notation (`[1, 2]`), one row per prompt.

use std::io::BufRead;

use csv::{ByteRecord, ErrorKind, ReaderBuilder};
use serde_json::Value;

use super::{ReadOptions, columns::Columns, json, source::stream_error};
use crate::{
    RewardTable,
    error::{Error, Place, Result, Spot},
    table::{Cells, shortened},
};

pub(super) fn read(
    input: Box<dyn BufRead + '_>,
    file: &str,
    delimiter: u8,
    options: &ReadOptions,
) -> Result<RewardTable> {
    let mut reader = ReaderBuilder::new().delimiter(delimiter).from_reader(input);
    let header = reader.headers().map_err(|e| explain(file, e))?.clone();
    if header.iter().all(str::is_empty) {
        return Err(Error::Empty {
            file: file.to_owned(),
        });
    }
    let found: Vec<String> = header.iter().map(|name| name.trim().to_owned()).collect();
    let columns = Columns::choose(file, &found, options)?;
    let position = |name: &String| found.iter().position(|f| f == name);
    let Some(rewards) = columns
        .rewards
        .iter()
        .map(position)
        .collect::<Option<Vec<usize>>>()
    else {
        return Err(Error::Bug {
            what: "a chosen column is not in the header".to_owned(),
        });
    };
    let id = columns.id.as_ref().and_then(position);
    let prompt = columns.prompt.as_ref().and_then(position);
    let responses = columns.responses.as_ref().and_then(position);

    let mut cells = Cells::new(file, columns.rewards.clone());
    let mut record = ByteRecord::new();
    let mut row = vec![0.0; rewards.len()];
    let mut wide = None; // told by the first row
    let mut count: u64 = 0;
    while reader
        .read_byte_record(&mut record)
        .map_err(|e| explain(file, e))?
    {
        let line = record.position().map_or(0, csv::Position::line);
        let record = Record {
            cells: &record,
            place: cells.place(Spot::Line(line)),
        };
        let prompt = prompt.map(|at| record.raw(at)).transpose()?;
        let wide = match wide {
            Some(known) => known,
            None => {
                let first = record
                    .text(rewards[0], &columns.rewards[0])?
                    .starts_with('[');
                if !first {
                    columns.id_of_long(file, &found)?;
                }
                *wide.insert(first)
            }
        };
        let number; // lives as long as the id
        let id = match id {
            Some(at) => record.text(at, &found[at])?,
            None => {
                number = count.to_string();
                &number
            }
        };
        let name = |at: usize| found[at].as_str();
        if wide {
            let lists = rewards.iter();
            let lists: Vec<Vec<f32>> = lists
                .map(|&at| json::numbers(&record.json(at, name(at))?, &record.place, name(at)))
                .collect::<Result<_>>()?;
            let texts = responses
                .map(|at| record.json(at, name(at)).map(|v| (at, v)))
                .transpose()?;
            let texts = texts.as_ref();
            let texts = texts
                .map(|(at, value)| json::text_list(value, &record.place, name(*at)))
                .transpose()?;
            cells.prompt(record.place.spot, id, prompt, &lists, texts.as_deref())?;
        } else {
            for (value, &at) in row.iter_mut().zip(&rewards) {
                *value = record.number(at, name(at))?;
            }
            let response = responses.map(|at| record.raw(at)).transpose()?;
            cells.response(record.place.spot, id, prompt, &row, response)?;
        }
        count += 1;
    }
    cells.finish()
}

/// A row with its place.
struct Record<'r> {
    cells: &'r ByteRecord,
    place: Place,
}

impl<'r> Record<'r> {
    fn raw(&self, at: usize) -> Result<&'r str> {
        // Rows are as long as the header: the reader checks.
        let cell = self.cells.get(at).unwrap_or_default();
        std::str::from_utf8(cell).map_err(|_| Error::NotUtf8 {
            place: self.place.clone(),
        })
    }

    fn text(&self, at: usize, column: &str) -> Result<&'r str> {
        match self.raw(at)? {
            "" => Err(Error::MissingField {
                place: self.place.clone(),
                column: column.to_owned(),
            }),
            text => Ok(text),
        }
    }

    fn number(&self, at: usize, column: &str) -> Result<f32> {
        let text = self.text(at, column)?.trim();
        match text.parse::<f32>() {
            Ok(value) if value.is_finite() => Ok(value),
            Ok(_) => Err(Error::NotFinite {
                place: self.place.clone(),
                column: column.to_owned(),
                response: None,
                value: text.to_owned(),
            }),
            Err(_) => Err(self.wrong_type(text, column, "a number")),
        }
    }

    fn json(&self, at: usize, column: &str) -> Result<Value> {
        let text = self.text(at, column)?;
        serde_json::from_str(text).map_err(|_| {
            self.wrong_type(text, column, "a list in JSON's notation like [0.5, 1.25]")
        })
    }

    fn wrong_type(&self, text: &str, column: &str, expected: &'static str) -> Error {
        let found = format!("the text {:?}", shortened(text));
        Error::WrongType {
            place: self.place.clone(),
            column: column.to_owned(),
            found,
            expected,
        }
    }
}

pub(crate) fn explain(file: &str, error: csv::Error) -> Error {
    let line = error.position().map_or(1, csv::Position::line);
    let place = Place {
        file: file.into(),
        spot: Spot::Line(line),
    };
    match error.into_kind() {
        ErrorKind::Io(source) => stream_error(file, source),
        ErrorKind::Utf8 { .. } => Error::NotUtf8 { place },
        ErrorKind::UnequalLengths {
            expected_len, len, ..
        } => Error::FieldCount {
            place,
            found: len,
            expected: expected_len,
        },
        other => Error::Malformed {
            place,
            format: "CSV",
            what: format!("{other:?}"),
        },
    }
}
