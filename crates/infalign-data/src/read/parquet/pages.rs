//! A list of floats taken page by page as it lies: plain values, nothing absent. Whatever else is left to the decoder of every column.

use parquet::{
    basic::Encoding,
    column::page::{Page, PageReader},
    errors::Result as DecodeResult,
};

use super::runs::decode;

/// The pages of one column of one row group.
pub(super) struct Pages {
    reader: Box<dyn PageReader>,
    max_definition: i16,
    /// The values of a row that may go on in the next page.
    open: Vec<f32>,
}

/// What came of a page.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Rows were added (none, where a page holds but a part of one).
    Rows,
    /// The row group is at its end.
    End,
    /// A page that is not of the simple kind; the rows so far are whole.
    Other,
}

/// The parts of a page: repetition levels, definition levels, values.
type Parts<'p> = (&'p [u8], &'p [u8], &'p [u8]);

impl Pages {
    pub(super) const fn new(reader: Box<dyn PageReader>, max_definition: i16) -> Self {
        Self {
            reader,
            max_definition,
            open: Vec::new(),
        }
    }

    /// Adds the rows of the next page: their values, and where each ends.
    pub(super) fn read(
        &mut self,
        values: &mut Vec<f32>,
        ends: &mut Vec<usize>,
    ) -> DecodeResult<Found> {
        let Some(page) = self.reader.get_next_page()? else {
            if self.open.is_empty() {
                return Ok(Found::End);
            }
            values.append(&mut self.open);
            ends.push(values.len());
            return Ok(Found::Rows);
        };
        let count = page.num_values() as usize;
        let Some(parts) = self.parts(&page) else {
            return Ok(Found::Other);
        };
        let begun = !self.open.is_empty();
        let (from, rows) = (values.len(), ends.len());
        values.extend_from_slice(&self.open);
        if self.append(parts, count, begun, values, ends).is_none() {
            values.truncate(from);
            ends.truncate(rows);
            return Ok(Found::Other);
        }
        let whole = ends.last().map_or(from, |&end| end.max(from));
        self.open.clear();
        self.open.extend_from_slice(&values[whole..]);
        values.truncate(whole);
        Ok(Found::Rows)
    }

    fn append(
        &self,
        (repetitions, definitions, plain): Parts<'_>,
        count: usize,
        mut begun: bool,
        values: &mut Vec<f32>,
        ends: &mut Vec<usize>,
    ) -> Option<()> {
        if plain.len() != 4 * count {
            return None;
        }
        if self.max_definition > 0 {
            let bits = 16 - self.max_definition.leading_zeros();
            let mut all = true;
            decode(definitions, bits, count, |level, _| {
                all &= i16::from(level) == self.max_definition;
            })?;
            if !all {
                return None;
            }
        }
        let (mut at, mut sound) = (values.len(), true);
        decode(repetitions, 1, count, |level, n| {
            if level == 0 {
                for _ in 0..n {
                    if begun {
                        ends.push(at);
                    }
                    begun = true;
                    at += 1;
                }
            } else {
                sound &= begun;
                at += n;
            }
        })?;
        values.extend(plain.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)));
        sound.then_some(())
    }

    /// The parts of a simple page; `None` for any other, and for one that its lengths do not fit.
    fn parts<'p>(&self, page: &'p Page) -> Option<Parts<'p>> {
        let prefixed = |bytes: &'p [u8]| {
            let (length, rest) = bytes.split_first_chunk::<4>()?;
            rest.split_at_checked(u32::from_le_bytes(*length) as usize)
        };
        match page {
            Page::DataPage {
                buf,
                encoding: Encoding::PLAIN,
                def_level_encoding: Encoding::RLE,
                rep_level_encoding: Encoding::RLE,
                ..
            } => {
                let (repetitions, rest) = prefixed(buf)?;
                let (definitions, values) = if self.max_definition > 0 {
                    prefixed(rest)?
                } else {
                    (&rest[..0], rest)
                };
                Some((repetitions, definitions, values))
            }
            Page::DataPageV2 {
                buf,
                encoding: Encoding::PLAIN,
                def_levels_byte_len,
                rep_levels_byte_len,
                ..
            } => {
                let (repetitions, rest) = buf.split_at_checked(*rep_levels_byte_len as usize)?;
                let (definitions, values) = rest.split_at_checked(*def_levels_byte_len as usize)?;
                Some((repetitions, definitions, values))
            }
            _ => None,
        }
    }
}
