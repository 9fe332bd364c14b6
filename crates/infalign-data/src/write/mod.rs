//! Writing a reward table: the same table gives the same bytes, and a file is whole or not there.

pub(crate) mod atomic;
mod csv;
mod json;
pub(crate) mod parquet;

use std::{
    io::{self, Write},
    path::Path,
};

use crate::{
    RewardTable,
    error::{Error, Result},
};
pub use atomic::write_atomic;

/// Where bytes go; the Parquet encoder wants `Send`.
pub(crate) type Output<'a> = &'a mut (dyn Write + Send);

/// A form in which a table is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TableFormat {
    /// One row per prompt with list columns, zstd inside.
    Parquet,
    /// One row per prompt, one JSON object a line.
    Jsonl(Compression),
    /// One row per response.
    Csv(Compression),
}

/// Compression of a text format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Compression {
    /// Plain text.
    None,
    /// gzip, without a time stamp.
    Gzip,
    /// Zstandard.
    Zstd,
}

impl TableFormat {
    /// The format that a file name asks for: `.parquet`, `.jsonl`, `.csv`, the latter two also with
    /// `.gz` or `.zst`.
    #[must_use]
    pub fn of(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?.to_ascii_lowercase();
        let (name, compression) = if let Some(stem) = name.strip_suffix(".gz") {
            (stem, Compression::Gzip)
        } else if let Some(stem) = name.strip_suffix(".zst") {
            (stem, Compression::Zstd)
        } else {
            (name.as_str(), Compression::None)
        };
        match (name.rsplit_once('.')?.1, compression) {
            ("parquet", Compression::None) => Some(Self::Parquet),
            ("jsonl", _) => Some(Self::Jsonl(compression)),
            ("csv", _) => Some(Self::Csv(compression)),
            _ => None,
        }
    }
}

/// Writes a table to a file, in the format that the name asks for; [`crate::read_table`] reads it
/// back when the options name the columns.
///
/// # Errors
/// A name of no known format, a table whose column names collide with `prompt_id`, `prompt`,
/// `response` or `responses`, or the disk's refusal. An earlier file of that name then stands as it
/// was.
pub fn write_table(path: impl AsRef<Path>, table: &RewardTable) -> Result<()> {
    let path = path.as_ref();
    let Some(format) = TableFormat::of(path) else {
        return Err(Error::UnknownFormat {
            file: path.display().to_string(),
        });
    };
    check_names(table)?;
    write_atomic(path, |output| write_as(output, table, format))
}

/// Writes a table to a stream.
///
/// # Errors
/// As [`write_table`]; `name` stands for the path.
pub fn write_table_to(
    mut output: impl Write + Send,
    name: &str,
    table: &RewardTable,
    format: TableFormat,
) -> Result<()> {
    check_names(table)?;
    write_as(&mut output, table, format).map_err(|e| Error::write(name, e))
}

fn write_as(output: Output<'_>, table: &RewardTable, format: TableFormat) -> io::Result<()> {
    let (compression, write): (_, fn(Output<'_>, &RewardTable) -> io::Result<()>) = match format {
        TableFormat::Parquet => return parquet::write(output, table, &[]),
        TableFormat::Jsonl(compression) => (compression, json::write),
        TableFormat::Csv(compression) => (compression, csv::write),
    };
    match compression {
        Compression::None => write(output, table),
        Compression::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(output, flate2::Compression::default());
            write(&mut encoder, table)?;
            encoder.finish().map(|_| ())
        }
        Compression::Zstd => {
            let mut encoder = zstd::Encoder::new(output, 0)?;
            write(&mut encoder, table)?;
            encoder.finish().map(|_| ())
        }
    }
}

fn check_names(table: &RewardTable) -> Result<()> {
    const TAKEN: &[&str] = &["prompt_id", "prompt", "response", "responses", "instances"];
    match table
        .columns()
        .iter()
        .find(|name| TAKEN.contains(&name.as_str()))
    {
        None => Ok(()),
        Some(name) => Err(Error::Table {
            what: format!("a reward column cannot be written under the name `{name}`; rename it"),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_formats() {
        let of = |name: &str| TableFormat::of(Path::new(name));
        assert_eq!(of("a.parquet"), Some(TableFormat::Parquet));
        assert_eq!(
            of("a.b.jsonl.gz"),
            Some(TableFormat::Jsonl(Compression::Gzip))
        );
        assert_eq!(of("A.CSV.ZST"), Some(TableFormat::Csv(Compression::Zstd)));
        assert_eq!(of("a.parquet.gz"), None);
        assert_eq!(of("a.txt"), None);
        assert_eq!(of("csv"), None);
    }
}
