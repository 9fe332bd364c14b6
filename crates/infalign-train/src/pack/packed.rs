//! Rows for pretraining: the tokens of a corpus cut into pieces of the context's length.
//!
//! ```text
//! row i     = tokens[iT .. iT + T + 1],  i = 0 … R − 1,  R = ⌊(tokens − 1) / T⌋
//! inputs    = the first T of them
//! targets   = the last T
//! ```
//!
//! Neighbouring rows share one token, so that every token but the first is a target once; fewer than
//! T tokens at the very end of the corpus are left out. A row may hold the end of one document and
//! the beginning of the next, with the EOS between them: attention is not cut there.

use super::{Batch, TokenCache};
use crate::error::{Error, Result};

/// Rows of T + 1 tokens.
#[derive(Debug)]
pub struct PackedRows {
    cache: TokenCache,
    context: usize,
    rows: u64,
}

impl PackedRows {
    /// The rows of a file of tokens for a context of T = `context` tokens; `part` ("training",
    /// "validation") stands in errors.
    ///
    /// # Errors
    /// [`Error::Setting`] for T = 0; [`Error::TooShort`] without a whole row.
    pub fn new(cache: TokenCache, context: usize, part: &'static str) -> Result<Self> {
        if context == 0 {
            return Err(Error::Setting {
                field: "context",
                value: "0".to_owned(),
                allowed: "at least one token",
            });
        }
        let rows = cache.tokens().saturating_sub(1) / context as u64;
        if rows == 0 {
            return Err(Error::TooShort {
                part,
                tokens: cache.tokens(),
                context,
            });
        }
        Ok(Self {
            cache,
            context,
            rows,
        })
    }

    /// Number of rows R, at least 1.
    #[must_use]
    pub const fn rows(&self) -> u64 {
        self.rows
    }

    /// The context's length T.
    #[must_use]
    pub const fn context(&self) -> usize {
        self.context
    }

    /// The file behind.
    #[must_use]
    pub const fn cache(&self) -> &TokenCache {
        &self.cache
    }

    /// A batch of rows, each below R.
    ///
    /// # Shapes
    /// (`rows.len()`, T) positions, all learned.
    ///
    /// # Errors
    /// As [`TokenCache::read_into`].
    pub fn batch(&self, rows: &[u32]) -> Result<Batch> {
        let mut batch = Batch::default();
        let mut tokens = Vec::with_capacity(self.context + 1);
        for &row in rows {
            tokens.clear();
            let start = u64::from(row) * self.context as u64;
            self.cache.read_into(start, self.context + 1, &mut tokens)?;
            batch.push(&tokens, |_| true);
        }
        Ok(batch)
    }
}
