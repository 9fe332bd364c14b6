//! From a path to its bytes: compression and Parquet by the first bytes, text formats by the name.

use std::{
    fmt,
    fs::File,
    io::{self, BufRead, BufReader, Read, Seek},
    path::Path,
};

use crate::error::{Error, Result};

const GZIP: &[u8] = &[0x1f, 0x8b]; // RFC 1952 §2.3.1
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd]; // RFC 8878 §3.1.1
const PARQUET: &[u8] = b"PAR1"; // parquet-format, "File format"

/// A text format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// One JSON value per line.
    JsonLines,
    /// JSON values laid out freely.
    Json,
    Csv,
    Tsv,
}

/// What a path holds.
pub(crate) enum Source {
    Parquet(File),
    Text(Format, Box<dyn BufRead>),
}

pub(crate) fn open(path: &Path) -> Result<Source> {
    let name = path.display().to_string();
    let file = File::open(path).map_err(|e| Error::read(path, e))?;
    let mut buffered = BufReader::new(file);
    let head = buffered.fill_buf().map_err(|e| Error::read(path, e))?;
    if head.is_empty() {
        return Err(Error::Empty { file: name });
    }
    let format = by_name(path);
    if head.starts_with(PARQUET) || format == Some(Named::Parquet) {
        let mut file = buffered.into_inner();
        file.rewind().map_err(|e| Error::read(path, e))?;
        return Ok(Source::Parquet(file));
    }
    let mut text = decompress_buffered(buffered, &name)?;
    let format = match format {
        Some(Named::Text(format)) => format,
        _ => {
            let head = text.fill_buf().map_err(|e| stream_error(&name, e))?;
            match head.iter().find(|byte| !byte.is_ascii_whitespace()) {
                Some(b'{' | b'[') => Format::Json,
                _ => return Err(Error::UnknownFormat { file: name }),
            }
        }
    };
    Ok(Source::Text(format, text))
}

/// Opens a file for its texts; the format is `None` where the name tells none that we know: plain
/// text then, whatever stands in it. The stream of an empty file is empty.
pub(crate) fn open_text(path: &Path) -> Result<(Option<Format>, Box<dyn BufRead>)> {
    let name = path.display().to_string();
    let file = File::open(path).map_err(|e| Error::read(path, e))?;
    let mut buffered = BufReader::with_capacity(1 << 16, file);
    let head = buffered.fill_buf().map_err(|e| Error::read(path, e))?;
    let format = match by_name(path) {
        Some(Named::Parquet) => return Err(Error::NotText { file: name }),
        _ if head.starts_with(PARQUET) => return Err(Error::NotText { file: name }),
        Some(Named::Text(Format::Csv | Format::Tsv)) => return Err(Error::NotText { file: name }),
        Some(Named::Text(format)) => Some(format),
        None => None,
    };
    Ok((format, decompress_buffered(buffered, &name)?))
}

#[derive(PartialEq)]
enum Named {
    Parquet,
    Text(Format),
}

fn by_name(path: &Path) -> Option<Named> {
    let name = path.file_name()?.to_str()?.to_ascii_lowercase();
    let name = name
        .strip_suffix(".gz")
        .or_else(|| name.strip_suffix(".zst"))
        .unwrap_or(&name);
    match name.rsplit_once('.')?.1 {
        "parquet" | "pq" => Some(Named::Parquet),
        "jsonl" | "ndjson" => Some(Named::Text(Format::JsonLines)),
        "json" => Some(Named::Text(Format::Json)),
        "csv" => Some(Named::Text(Format::Csv)),
        "tsv" => Some(Named::Text(Format::Tsv)),
        _ => None,
    }
}

/// The text behind a stream that may be compressed.
pub(crate) fn decompress<'a>(input: impl Read + 'a, name: &str) -> Result<Box<dyn BufRead + 'a>> {
    decompress_buffered(BufReader::new(input), name)
}

fn decompress_buffered<'a>(
    mut input: BufReader<impl Read + 'a>,
    name: &str,
) -> Result<Box<dyn BufRead + 'a>> {
    let head = input.fill_buf().map_err(|e| Error::read(name, e))?;
    if head.starts_with(GZIP) {
        let decoder = flate2::bufread::MultiGzDecoder::new(input);
        return Ok(Box::new(BufReader::new(Decoding(decoder))));
    }
    if head.starts_with(ZSTD) {
        let decoder = zstd::Decoder::with_buffer(input).map_err(|e| Error::read(name, e))?;
        return Ok(Box::new(BufReader::new(Decoding(decoder))));
    }
    Ok(Box::new(input))
}

/// Marks what a decoder complains of, so that it is not taken for the disk's fault.
struct Decoding<R>(R);

impl<R: Read> Read for Decoding<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer).map_err(|e| match e.raw_os_error() {
            Some(_) => e,
            None if e.kind() == io::ErrorKind::Interrupted => e,
            None => io::Error::other(Damage(e.to_string())),
        })
    }
}

#[derive(Debug)]
struct Damage(String);

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Damage {}

/// A complaint about what a stream holds, not about the disk.
pub(crate) fn damage(what: &str) -> io::Error {
    io::Error::other(Damage(what.to_owned()))
}

/// The error behind a failed read of the stream that [`decompress`] gave.
pub(crate) fn stream_error(name: &str, error: io::Error) -> Error {
    match error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<Damage>())
    {
        Some(damage) => Error::Damaged {
            file: name.to_owned(),
            what: damage.to_string(),
        },
        None => Error::read(name, error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_formats() {
        let text = |name: &str| match by_name(Path::new(name)) {
            Some(Named::Text(format)) => Some(format),
            _ => None,
        };
        assert_eq!(text("a/b.jsonl"), Some(Format::JsonLines));
        assert_eq!(text("b.x.CSV.GZ"), Some(Format::Csv));
        assert_eq!(text("b.json.zst"), Some(Format::Json));
        assert_eq!(text("b.tsv"), Some(Format::Tsv));
        assert_eq!(text("b.txt"), None);
        assert_eq!(text("csv"), None);
        assert!(by_name(Path::new("t.parquet")) == Some(Named::Parquet));
    }
}
