//! Training and prompting texts as streams: documents, conversations, prompts, answers to score.
//!
//! Every reader is an iterator that holds one row or one piece of text in memory, whatever the
//! length of the file; it gives what the file holds or an error that names file and line.

mod conversations;
mod documents;
pub(crate) mod message;
pub(crate) mod plain;
pub(crate) mod prompts;
pub(crate) mod rows;

use std::{
    io::{BufRead, Read},
    path::Path,
    sync::Arc,
};

use crate::{
    error::{Error, Result},
    read::source::{self, Format},
};
pub use conversations::{BadRows, Example, Examples, OnBadRow, read_examples, read_examples_from};
pub use documents::{
    DOCUMENT_SEPARATOR, Document, DocumentOptions, Documents, read_documents, read_documents_from,
};
pub use message::{Message, Turns, transcript};
pub use prompts::{
    PromptRow, Prompts, Scoring, ScoringRow, read_prompts, read_prompts_from, read_scoring,
    read_scoring_from,
};

/// The form of a file of texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TextForm {
    /// Plain text.
    Plain,
    /// One JSON value a line.
    JsonLines,
    /// JSON values laid out freely; those of a top-level array are taken one by one.
    Json,
}

/// A stream with its form and the name that stands in errors.
struct Opened {
    file: Arc<str>,
    form: TextForm,
    input: Box<dyn BufRead>,
}

impl Opened {
    /// A file, plain or compressed; its name tells the form, and what is not JSON is plain text.
    fn path(path: &Path) -> Result<Self> {
        let (format, input) = source::open_text(path)?;
        let form = match format {
            Some(Format::JsonLines) => TextForm::JsonLines,
            Some(Format::Json) => TextForm::Json,
            _ => TextForm::Plain,
        };
        Ok(Self {
            file: path.display().to_string().into(),
            form,
            input,
        })
    }

    /// A stream, plain or compressed.
    fn stream(input: impl Read + 'static, name: &str, form: TextForm) -> Result<Self> {
        Ok(Self {
            file: name.into(),
            form,
            input: source::decompress(input, name)?,
        })
    }

    /// The rows of a stream that must be JSON.
    fn rows(self, what: &'static str) -> Result<rows::Rows> {
        match self.form {
            TextForm::Plain => Err(Error::NotRows {
                file: self.file.to_string(),
                what,
            }),
            form => Ok(rows::Rows::new(self.input, self.file, form)),
        }
    }
}
