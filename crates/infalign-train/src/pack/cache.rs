//! `tokens.bin`: the tokens of a corpus, made once and read in pieces, so that it need not fit into
//! memory.
//!
//! ```text
//! header   "infalign tokens\n" (16 bytes) ‖ version u32 ‖ bytes per token u32 (2 or 4)
//!          ‖ vocabulary u32 ‖ part u32 (0 training, 1 validation) ‖ SHA-256 of the inputs in hexadecimal (64)
//! tokens   u16 or u32 each; documents one after the other, each [BOS] tokens EOS
//! footer   documents u64 ‖ tokens u64 ‖ "infalign\n\n\n\n\n\n\n\n" (16)
//! ```
//!
//! All little-endian. The footer is at the end because the counts are known only there. Files are
//! written atomically; `validation.bin` is renamed first, so that a whole `tokens.bin` of the same
//! inputs means that both are there. They are used again when inputs, tokenizer and options agree.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use infalign_data::{Document, Fingerprint, write_atomic};
use serde::{Deserialize, Serialize};

use super::{Tokenize, split::Split};
use crate::error::{Error, Result};

const MAGIC: &[u8; 16] = b"infalign tokens\n";
const END: &[u8; 16] = b"infalign\n\n\n\n\n\n\n\n";
const VERSION: u32 = 1;
const HEADER: u64 = 96;
const FOOTER: u64 = 32;
const AGAIN: &str = "remove it: it is made again";

/// How a corpus becomes tokens.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PackOptions {
    /// Begin every document with BOS, where the tokenizer has one.
    pub add_bos: bool,
    /// The fraction of documents held out, in 0..1; above 0 at least one is.
    pub validation: f64,
    /// Decides which.
    pub split_seed: u64,
}

impl Default for PackOptions {
    fn default() -> Self {
        Self {
            add_bos: true,
            validation: 0.01,
            split_seed: 0,
        }
    }
}

/// A file of tokens.
#[derive(Debug)]
pub struct TokenCache {
    path: PathBuf,
    file: File,
    width: u64,
    vocabulary: u32,
    documents: u64,
    tokens: u64,
}

/// Makes, or finds, `tokens.bin` and (with a validation fraction above 0) `validation.bin` in
/// `directory`. `documents` opens the corpus; it is read twice: counted, then tokenised. `inputs`
/// must change with whatever changes the texts or the tokenizer.
///
/// # Errors
/// Any error about the texts; [`Error::Tokenize`], [`Error::TokenId`], [`Error::NoToken`];
/// [`Error::OneDocument`]; [`Error::Setting`]; the disk's refusal.
pub fn build_caches<D>(
    directory: &Path,
    inputs: Fingerprint,
    documents: impl Fn() -> Result<D>,
    tokenizer: &impl Tokenize,
    options: &PackOptions,
) -> Result<(TokenCache, Option<TokenCache>)>
where
    D: Iterator<Item = infalign_data::Result<Document>>,
{
    let inputs = inputs
        .value("options", options)?
        .value(
            "special",
            &(tokenizer.bos(), tokenizer.eos(), tokenizer.vocabulary()),
        )?
        .hex();
    let training = directory.join("tokens.bin");
    let validation = directory.join("validation.bin");
    let divided = options.validation > 0.0;
    let find = || {
        let training = TokenCache::of_inputs(&training, &inputs, 0)?;
        let validation = match divided {
            true => Some(TokenCache::of_inputs(&validation, &inputs, 1)?),
            false => None,
        };
        Some((training, validation))
    };
    if let Some(found) = find() {
        return Ok(found);
    }
    std::fs::create_dir_all(directory).map_err(|e| Error::write(directory, e))?;
    let mut count = 0;
    for document in documents()? {
        count += u64::from(document?.ends);
    }
    let split = Split::new(count, options.validation, options.split_seed)?;
    let making = Making {
        split,
        tokenizer,
        add_bos: options.add_bos,
        inputs: &inputs,
    };
    let mut failure = None; // an error of ours on its way through `io::Result`
    let mut stopped = |result: Result<(), Stop>| {
        result.map_err(|stop| match stop {
            Stop::Disk(error) => error,
            Stop::Ours(error) => {
                failure = Some(error);
                io::Error::other("see the failure kept aside")
            }
        })
    };
    let written = write_atomic(&training, |training| {
        if divided {
            let inner = write_atomic(&validation, |validation| {
                stopped(making.fill(documents, training, Some(validation)))
            });
            // The path of the inner file is lost here, its cause is not.
            inner.map_err(|error| match error {
                infalign_data::Error::Write { source, .. } => source,
                other => io::Error::other(other.to_string()),
            })
        } else {
            stopped(making.fill(documents, training, None))
        }
    });
    if let Some(error) = failure {
        return Err(error);
    }
    written?;
    let training = TokenCache::open(&training)?;
    let validation = match divided {
        true => Some(TokenCache::open(&validation)?),
        false => None,
    };
    Ok((training, validation))
}

/// Why making the files stopped.
enum Stop {
    Disk(io::Error),
    Ours(Error),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Disk(error)
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Ours(error)
    }
}

impl From<infalign_data::Error> for Stop {
    fn from(error: infalign_data::Error) -> Self {
        Self::Ours(error.into())
    }
}

/// What a corpus is tokenised with.
struct Making<'a, T> {
    split: Split,
    tokenizer: &'a T,
    add_bos: bool,
    inputs: &'a str,
}

impl<T: Tokenize> Making<'_, T> {
    fn fill<'w, D>(
        &self,
        documents: impl Fn() -> Result<D>,
        training: &'w mut dyn Write,
        validation: Option<&'w mut dyn Write>,
    ) -> Result<(), Stop>
    where
        D: Iterator<Item = infalign_data::Result<Document>>,
    {
        let vocabulary = self.tokenizer.vocabulary();
        let eos = self.tokenizer.eos().ok_or(Error::NoToken {
            token: "EOS",
            remedy: "documents could not be told apart: name one in tokenizer_config.json",
        })?;
        let bos = self.tokenizer.bos().filter(|_| self.add_bos);
        let mut training = Part::new(training, vocabulary, 0, self.inputs)?;
        let mut validation = match validation {
            Some(writer) => Some(Part::new(writer, vocabulary, 1, self.inputs)?),
            None => None,
        };
        let mut begins = true;
        let mut number = 0; // over all files
        for document in documents()? {
            let document = document?;
            let mut tokens: Vec<u32> = bos.filter(|_| begins).into_iter().collect();
            tokens.extend(encode(self.tokenizer, &document.text, &document.place)?);
            tokens.extend(Some(eos).filter(|_| document.ends));
            check(&tokens, vocabulary, &document.place)?;
            let part = match &mut validation {
                Some(validation) if self.split.holds_out(number) => validation,
                _ => &mut training,
            };
            part.append(&tokens, document.ends)?;
            begins = document.ends;
            number += u64::from(document.ends);
        }
        training.finish()?;
        if let Some(validation) = &mut validation {
            validation.finish()?;
        }
        Ok(())
    }
}

/// The tokens of a text, or the error that names its place.
pub(super) fn encode(
    tokenizer: &impl Tokenize,
    text: &str,
    place: &impl ToString,
) -> Result<Vec<u32>> {
    tokenizer.encode(text).map_err(|what| Error::Tokenize {
        place: place.to_string(),
        what,
    })
}

/// Refuses ids that the model does not have.
pub(super) fn check(tokens: &[u32], vocabulary: u32, place: &impl ToString) -> Result<()> {
    match tokens.iter().find(|&&id| id >= vocabulary) {
        None => Ok(()),
        Some(&id) => Err(Error::TokenId {
            place: place.to_string(),
            id,
            vocabulary,
        }),
    }
}

/// A file in the making.
struct Part<'w> {
    writer: &'w mut dyn Write,
    wide: bool,
    documents: u64,
    tokens: u64,
}

impl<'w> Part<'w> {
    fn new(
        writer: &'w mut dyn Write,
        vocabulary: u32,
        part: u32,
        inputs: &str,
    ) -> io::Result<Self> {
        writer.write_all(&header(vocabulary, part, inputs))?;
        Ok(Self {
            writer,
            wide: width(vocabulary) == 4,
            documents: 0,
            tokens: 0,
        })
    }

    fn append(&mut self, tokens: &[u32], ends: bool) -> io::Result<()> {
        let bytes: Vec<u8> = if self.wide {
            tokens
                .iter()
                .flat_map(|token| token.to_le_bytes())
                .collect()
        } else {
            // Every id is below the vocabulary, which fits here.
            let narrow = tokens.iter().map(|&token| token as u16);
            narrow.flat_map(u16::to_le_bytes).collect()
        };
        self.writer.write_all(&bytes)?;
        self.tokens += tokens.len() as u64;
        self.documents += u64::from(ends);
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        self.writer.write_all(&self.documents.to_le_bytes())?;
        self.writer.write_all(&self.tokens.to_le_bytes())?;
        self.writer.write_all(END)
    }
}

const fn width(vocabulary: u32) -> u32 {
    if vocabulary <= 1 << 16 { 2 } else { 4 }
}

fn header(vocabulary: u32, part: u32, inputs: &str) -> Vec<u8> {
    let mut header = MAGIC.to_vec();
    for number in [VERSION, width(vocabulary), vocabulary, part] {
        header.extend_from_slice(&number.to_le_bytes());
    }
    header.extend_from_slice(inputs.as_bytes());
    header
}

impl TokenCache {
    /// Opens a file of tokens.
    ///
    /// # Errors
    /// [`Error::Damaged`] for a file that is not what was written; the disk's refusal.
    pub fn open(path: &Path) -> Result<Self> {
        Self::read(path).map(|(cache, _)| cache)
    }

    /// The file, where it is whole and of these inputs.
    fn of_inputs(path: &Path, inputs: &str, part: u32) -> Option<Self> {
        let (cache, header) = Self::read(path).ok()?;
        (header == self::header(cache.vocabulary, part, inputs)).then_some(cache)
    }

    fn read(path: &Path) -> Result<(Self, Vec<u8>)> {
        let unreadable = |e| Error::read(path, e);
        let damaged = |what: &str| Error::Damaged {
            path: path.to_owned(),
            what: what.to_owned(),
            remedy: AGAIN,
        };
        let mut file = File::open(path).map_err(unreadable)?;
        let length = file.metadata().map_err(unreadable)?.len();
        if length < HEADER + FOOTER {
            return Err(damaged("it is too short"));
        }
        let mut header = vec![0; HEADER as usize];
        file.read_exact(&mut header).map_err(unreadable)?;
        let mut footer = [0; FOOTER as usize];
        file.seek(SeekFrom::Start(length - FOOTER))
            .and_then(|_| file.read_exact(&mut footer))
            .map_err(unreadable)?;
        if !header.starts_with(MAGIC) {
            return Err(damaged("it does not begin as a file of tokens"));
        }
        let [version, width, vocabulary] = [16, 20, 24].map(|at| u32_at(&header, at));
        if version != VERSION {
            return Err(damaged("it is of another version"));
        }
        if width != self::width(vocabulary) {
            return Err(damaged("its token width and vocabulary disagree"));
        }
        let [documents, tokens] = [0, 8].map(|at| u64_at(&footer, at));
        let expected = tokens
            .checked_mul(u64::from(width))
            .and_then(|bytes| bytes.checked_add(HEADER + FOOTER));
        if &footer[16..] != END || expected != Some(length) {
            return Err(damaged("it is cut short"));
        }
        let cache = Self {
            path: path.to_owned(),
            file,
            width: u64::from(width),
            vocabulary,
            documents,
            tokens,
        };
        Ok((cache, header))
    }

    /// Number of documents.
    #[must_use]
    pub const fn documents(&self) -> u64 {
        self.documents
    }

    /// Number of tokens, those that begin and end documents among them.
    #[must_use]
    pub const fn tokens(&self) -> u64 {
        self.tokens
    }

    /// The `count` tokens from `start` on, appended to `into`.
    ///
    /// # Errors
    /// [`Error::Damaged`] for a token beyond the vocabulary; [`Error::Bug`] for a range beyond the
    /// end; the disk's refusal.
    pub fn read_into(&self, start: u64, count: usize, into: &mut Vec<u32>) -> Result<()> {
        if start
            .checked_add(count as u64)
            .is_none_or(|end| end > self.tokens)
        {
            return Err(Error::Bug {
                what: format!("tokens {start} + {count} of {} were asked for", self.tokens),
            });
        }
        let mut bytes = vec![0; count * self.width as usize];
        read_at(&self.file, &mut bytes, HEADER + start * self.width)
            .map_err(|e| Error::read(&self.path, e))?;
        let before = into.len();
        if self.width == 2 {
            let pairs = bytes.as_chunks::<2>().0;
            into.extend(pairs.iter().map(|&b| u32::from(u16::from_le_bytes(b))));
        } else {
            let quads = bytes.as_chunks::<4>().0;
            into.extend(quads.iter().map(|&b| u32::from_le_bytes(b)));
        }
        if into[before..].iter().any(|&id| id >= self.vocabulary) {
            return Err(Error::Damaged {
                path: self.path.clone(),
                what: "it holds a token beyond the vocabulary".to_owned(),
                remedy: AGAIN,
            });
        }
        Ok(())
    }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes[at..at + 4]
        .iter()
        .rev()
        .fold(0, |n, &b| n << 8 | u32::from(b))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes[at..at + 8]
        .iter()
        .rev()
        .fold(0, |n, &b| n << 8 | u64::from(b))
}

/// Reads at a place without moving anything that threads share.
#[cfg(unix)]
fn read_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, offset)
}

#[cfg(windows)]
fn read_at(file: &File, mut bytes: &mut [u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match std::os::windows::fs::FileExt::seek_read(file, bytes, offset)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            n => {
                bytes = &mut bytes[n..];
                offset += n as u64;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
