//! The records of a file: which format it is, and its rows one after the other.

use std::{collections::VecDeque, path::Path, sync::Arc};

use serde_json::Value;

use super::{FORMATS, Format, Raw, Record, format_named, source::Source};
use crate::{
    error::{Error, Result, Role},
    read::columns::missing,
    texts::{BadRows, OnBadRow, rows::Fault},
};

const HEAD: usize = 16; // rows that are looked at
const LISTED: usize = 1000; // bad rows whose errors are kept; all are counted

/// How a data file is read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecordOptions {
    /// The name of the format; else it is recognised.
    pub format: Option<String>,
    /// What becomes of a row that cannot be used.
    pub on_bad: OnBadRow,
    /// Columns that are to be taken for fields of a format: (column, field). Done before the format
    /// is recognised; a field that was there under its own name is lost.
    pub rename: Vec<(String, String)>,
}

/// Opens a data file of any known format.
///
/// # Errors
/// When the file cannot be opened, holds no rows, or is of no known format.
pub fn read_records(path: impl AsRef<Path>, options: &RecordOptions) -> Result<Records> {
    Records::open(path.as_ref(), options)
}

/// The records of a file, in its order; ends after the first error. Memory is that of some rows.
///
/// # Errors
/// Items: any error about a row ([`OnBadRow::Fail`]) or about the file; the first bad row's for a
/// file without a single usable row.
pub struct Records {
    source: Source,
    head: VecDeque<Result<Raw, Fault>>,
    rename: Vec<(String, String)>,
    file: Arc<str>,
    format: &'static Format,
    why: String,
    on_bad: OnBadRow,
    bad: BadRows,
    any: bool,
    done: bool,
}

/// A row and what became of it.
pub(crate) struct Step {
    /// The row, where it could be parsed.
    pub(crate) raw: Option<Raw>,
    pub(crate) record: Result<Record>,
}

impl Records {
    fn open(path: &Path, options: &RecordOptions) -> Result<Self> {
        let file: Arc<str> = path.display().to_string().into();
        let mut source = Source::open(path)?;
        let mut head = VecDeque::new();
        while head.len() < HEAD {
            match source.advance() {
                None => break,
                Some(Err(Fault::File(error))) => {
                    head.push_back(Err(Fault::File(error)));
                    break;
                }
                Some(row) => head.push_back(row),
            }
        }
        check_columns(&head, &options.rename, &file)?;
        let renamed = |row: Result<Raw, Fault>| row.map(|raw| raw.renamed(&options.rename));
        let mut head: VecDeque<_> = head.into_iter().map(renamed).collect();
        if head.is_empty() {
            return Err(Error::NoTexts {
                file: file.to_string(),
                what: "rows",
            });
        }
        let (format, why) = match &options.format {
            Some(name) => {
                let known =
                    format_named(name).ok_or_else(|| Error::NoSuchFormat { name: name.clone() });
                (known?, "named".to_owned())
            }
            None => recognise(&mut head, &file)?,
        };
        Ok(Self {
            source,
            head,
            rename: options.rename.clone(),
            file,
            format,
            why,
            on_bad: options.on_bad,
            bad: BadRows::default(),
            any: false,
            done: false,
        })
    }

    /// The format.
    #[must_use]
    pub const fn format(&self) -> &'static Format {
        self.format
    }

    /// Why it is that format.
    #[must_use]
    pub fn why(&self) -> &str {
        &self.why
    }

    /// The file, as it was named.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The rows left out so far.
    #[must_use]
    pub const fn bad(&self) -> &BadRows {
        &self.bad
    }

    /// The next row and its record; an error when nothing can follow.
    pub(crate) fn step(&mut self) -> Option<Result<Step>> {
        let row = match self.head.pop_front() {
            Some(row) => row,
            None => self.source.advance()?.map(|raw| raw.renamed(&self.rename)),
        };
        Some(match row {
            Err(Fault::File(error)) => Err(error),
            Err(Fault::Row(error)) => Ok(Step {
                raw: None,
                record: Err(error),
            }),
            Ok(raw) => {
                let record = (self.format.read)(&raw);
                let raw = Some(raw);
                Ok(Step { raw, record })
            }
        })
    }

    /// Counts a bad row, or hands its error on.
    pub(crate) fn reject(&mut self, error: Error) -> Result<()> {
        if self.on_bad == OnBadRow::Fail {
            return Err(error);
        }
        self.bad.count += 1;
        if self.bad.first.len() < LISTED {
            self.bad.first.push(error);
        }
        Ok(())
    }

    /// The error of a file without a usable row.
    pub(crate) fn nothing(&mut self) -> Error {
        if self.bad.first.is_empty() {
            return Error::NoTexts {
                file: self.file.to_string(),
                what: "rows",
            };
        }
        self.bad.first.swap_remove(0)
    }

    /// The next record that `make` can use.
    pub(crate) fn usable<T>(
        &mut self,
        mut make: impl FnMut(Record) -> Result<T>,
    ) -> Option<Result<T>> {
        while !self.done {
            let found = match self.step() {
                None if self.any => Ok(None),
                None => Err(self.nothing()),
                Some(Err(error)) => Err(error),
                Some(Ok(step)) => match step.record.and_then(&mut make) {
                    Ok(made) => Ok(Some(made)),
                    Err(error) => match self.reject(error) {
                        Ok(()) => continue,
                        Err(error) => Err(error),
                    },
                },
            };
            self.any = true;
            self.done = !matches!(found, Ok(Some(_)));
            return found.transpose();
        }
        None
    }
}

impl Iterator for Records {
    type Item = Result<Record>;

    fn next(&mut self) -> Option<Self::Item> {
        self.usable(Ok)
    }
}

/// Every renamed column must be in one of the first rows.
fn check_columns(
    head: &VecDeque<Result<Raw, Fault>>,
    rename: &[(String, String)],
    file: &Arc<str>,
) -> Result<()> {
    let rows = || head.iter().flatten();
    for (column, _) in rename {
        if rows().next().is_some() && !rows().any(|raw| raw.value.get(column).is_some()) {
            let found: Vec<String> = rows()
                .filter_map(|raw| raw.value.as_object())
                .next()
                .map_or_else(Vec::new, |fields| fields.keys().cloned().collect());
            return Err(missing(file, Role::Field, vec![column.clone()], &found));
        }
    }
    Ok(())
}

/// The format that most of the first rows fit.
fn recognise(
    head: &mut VecDeque<Result<Raw, Fault>>,
    file: &Arc<str>,
) -> Result<(&'static Format, String)> {
    let rows: Vec<&Raw> = head.iter().flatten().collect();
    let mut best: Option<(usize, &'static Format, &'static str)> = None;
    for format in FORMATS {
        let mut why = rows.iter().filter_map(|raw| (format.recognise)(raw));
        if let Some(first) = why.next() {
            let fit = 1 + why.count();
            if best.is_none_or(|(most, ..)| fit > most) {
                best = Some((fit, format, first));
            }
        }
    }
    if let Some((fit, format, why)) = best {
        let why = match rows.len() {
            1 => format!("{why} in the one row looked at"),
            all if fit == all => format!("{why} in each of the first {all} rows"),
            all => format!("{why} in {fit} of the first {all} rows"),
        };
        return Ok((format, why));
    }
    let found = rows.first().map(|raw| match &raw.value {
        Value::Object(fields) => fields.keys().cloned().collect(),
        _ => Vec::new(),
    });
    match found {
        Some(found) => Err(Error::UnknownRecords {
            file: file.to_string(),
            found,
        }),
        // Not one row can be parsed: the first error says most.
        None => Err(match head.pop_front() {
            Some(Err(fault)) => fault.into_error(),
            _ => Error::NoTexts {
                file: file.to_string(),
                what: "rows",
            },
        }),
    }
}
