//! Plain text by lines, checked to be UTF-8, in parts of bounded length.
//!
//! | input | outcome |
//! |---|---|
//! | byte-order mark at the start | skipped |
//! | `\n` or `\r\n` | ends a line; kept apart from the text |
//! | a line longer than the limit | several parts, cut between characters |
//! | a byte that is not UTF-8 | an error with line and offset |

use std::{
    io::{BufRead, Read},
    sync::Arc,
};

use crate::{
    error::{Error, Place, Result, Spot},
    read::source::stream_error,
};

const BYTE_ORDER_MARK: &str = "\u{feff}";

/// A line, or a part of a long one; the text itself is in [`Lines::text`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Part {
    /// The part begins its line.
    pub(crate) first: bool,
    /// The part ends its line.
    pub(crate) last: bool,
    /// `"\n"`, `"\r\n"`, or empty at the end of the file and within a line.
    pub(crate) line_break: &'static str,
}

/// The lines of a stream.
pub(crate) struct Lines {
    input: Box<dyn BufRead>,
    file: Arc<str>,
    limit: usize, // bytes read for one part
    line: u64,    // 1-based, of the part in `text`
    offset: u64,  // of the first byte in `bytes`
    within: bool, // the next part goes on with the same line
    bytes: Vec<u8>,
    text: String,
}

impl Lines {
    /// Parts hold at most `limit` bytes and the rest of a character, and at least one character.
    pub(crate) fn new(input: Box<dyn BufRead>, file: Arc<str>, limit: usize) -> Self {
        Self {
            input,
            file,
            limit: limit.max(4), // the longest character
            line: 0,
            offset: 0,
            within: false,
            bytes: Vec::new(),
            text: String::new(),
        }
    }

    /// The text of the part that [`Lines::advance`] found, without its line break.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Where that part stands.
    pub(crate) fn place(&self) -> Place {
        Place {
            file: Arc::clone(&self.file),
            spot: Spot::Line(self.line),
        }
    }

    /// The next part; `None` at the end.
    pub(crate) fn advance(&mut self) -> Result<Option<Part>> {
        let read = self
            .input
            .by_ref()
            .take(self.limit as u64)
            .read_until(b'\n', &mut self.bytes)
            .map_err(|e| stream_error(&self.file, e))?;
        if self.bytes.is_empty() {
            return Ok(None);
        }
        let first = !self.within;
        if first {
            self.line += 1;
        }
        let complete = self.bytes.last() == Some(&b'\n');
        let last = complete || read < self.limit;
        let valid = match std::str::from_utf8(&self.bytes) {
            Ok(_) => self.bytes.len(),
            // A character that the limit cut in two.
            Err(e) if e.error_len().is_none() && !last => e.valid_up_to(),
            Err(e) => {
                return Err(Error::InvalidByte {
                    place: self.place(),
                    byte: self.bytes[e.valid_up_to()],
                    offset: self.offset + e.valid_up_to() as u64,
                });
            }
        };
        self.text.clear();
        self.text
            .push_str(&String::from_utf8_lossy(&self.bytes[..valid])); // checked: nothing is lost
        self.bytes.drain(..valid);
        self.offset += valid as u64;
        let mut line_break = "";
        if complete {
            self.text.pop();
            line_break = "\n";
            if self.text.ends_with('\r') {
                self.text.pop();
                line_break = "\r\n";
            }
        }
        if first && self.line == 1 && self.text.starts_with(BYTE_ORDER_MARK) {
            self.text.drain(..BYTE_ORDER_MARK.len());
        }
        self.within = !last;
        Ok(Some(Part {
            first,
            last,
            line_break,
        }))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;

    fn lines(bytes: &[u8], limit: usize) -> Lines {
        let input = Box::new(std::io::Cursor::new(bytes.to_vec()));
        Lines::new(input, "a.txt".into(), limit)
    }

    fn all(bytes: &[u8], limit: usize) -> Vec<(u64, String, &'static str)> {
        let mut lines = lines(bytes, limit);
        let mut found = Vec::new();
        while let Some(part) = lines.advance().unwrap() {
            found.push((lines.line, lines.text().to_owned(), part.line_break));
        }
        found
    }

    #[test]
    fn breaks_are_kept_apart() {
        let found = all("\u{feff}a\r\n\nb\rc".as_bytes(), 100);
        let expected = [(1, "a", "\r\n"), (2, "", "\n"), (3, "b\rc", "")];
        assert_eq!(found.len(), 3);
        for (f, e) in found.iter().zip(expected) {
            assert_eq!((f.0, f.1.as_str(), f.2), e);
        }
        assert!(all(b"", 10).is_empty());
    }

    #[test]
    fn long_lines_are_cut_between_characters() {
        let text = "aé€😀é€😀é€😀\nzz";
        for limit in 1..20 {
            let found = all(text.as_bytes(), limit);
            let joined: String = found.iter().flat_map(|f| [f.1.as_str(), f.2]).collect();
            assert_eq!(joined, text, "limit {limit}");
            assert!(found.iter().all(|f| f.1.len() <= limit.max(4) + 3));
            assert_eq!(found.last().unwrap().0, 2);
        }
    }

    #[test]
    fn a_stray_byte_is_named_with_line_and_offset() {
        for limit in [4, 6, 100] {
            let mut lines = lines(b"caf\xc3\xa9 au lait\ncaf\xe9 noir\n", limit);
            let error = loop {
                match lines.advance() {
                    Ok(part) => assert!(part.is_some()),
                    Err(e) => break e,
                }
            };
            assert_eq!(
                error.to_string(),
                "a.txt, line 2: byte 0xe9 at offset 17 of the text is not UTF-8; save the file as UTF-8 (iconv -t UTF-8)",
                "limit {limit}"
            );
        }
        // A character that breaks off at the end of the file.
        let error = lines(b"ab\xe2\x82", 100).advance().unwrap_err();
        assert!(
            matches!(error, Error::InvalidByte { offset: 2, .. }),
            "{error}"
        );
    }
}
