//! Rows for fine-tuning: what is given and what is learned, tokenised part by part.
//!
//! ```text
//! tokens  = [BOS] segment₁ segment₂ … [EOS]      every segment tokenised on its own
//! learned = tokens of learned segments, and EOS
//! ```
//!
//! Each segment is tokenised on its own, so that the prompt has the tokens that it has when the
//! model is deployed, and no token straddles prompt and completion.
//!
//! A row of L tokens takes L − 1 places of the context T, so L ≤ T + 1. Longer rows:
//!
//! | `truncate` | outcome |
//! |---|---|
//! | `error` | an error that names the row |
//! | `left` | the first tokens after BOS are cut: the end of the prompt and the completion stay |
//! | `right` | the last tokens are cut, EOS among them |
//! | `drop` | the row is left out and counted |
//!
//! A row in which nothing learned is left is left out and counted, too.

use serde::{Deserialize, Serialize};

use super::{
    Batch, Tokenize,
    cache::{check, encode},
};
use crate::error::{Error, Result};

/// A part of an example.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Its text, after the chat template where there is one.
    pub text: String,
    /// Whether the model learns to say it.
    pub learn: bool,
}

impl Segment {
    /// A part that is given.
    pub fn given(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            learn: false,
        }
    }

    /// A part that is learned.
    pub fn learned(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            learn: true,
        }
    }
}

/// What becomes of a row that is too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Truncate {
    /// An error.
    #[default]
    Error,
    /// Its first tokens are cut.
    Left,
    /// Its last tokens are cut.
    Right,
    /// It is left out.
    Drop,
}

/// How examples become rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SftOptions {
    /// The context's length T.
    pub context: usize,
    /// Begin with BOS, where the tokenizer has one (not where a chat template writes it).
    pub add_bos: bool,
    /// End with EOS, learned (not where a chat template ends the turn).
    pub add_eos: bool,
    /// What becomes of rows that are too long.
    pub truncate: Truncate,
}

impl Default for SftOptions {
    fn default() -> Self {
        Self {
            context: 1024,
            add_bos: true,
            add_eos: true,
            truncate: Truncate::Error,
        }
    }
}

/// Rows of tokens with what is learned of them.
///
/// Memory: 5 bytes a token, 8 a row.
#[derive(Debug, Clone, Default)]
pub struct SftRows {
    tokens: Vec<u32>,
    learned: Vec<bool>,
    ends: Vec<usize>,
    examples: u64,
    cut: u64,
    dropped: u64,
}

impl SftRows {
    /// Without rows.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an example; `place` stands in errors.
    ///
    /// # Errors
    /// [`Error::TooLong`], [`Error::Tokenize`], [`Error::TokenId`], [`Error::NoToken`]; the rows are
    /// then as before.
    pub fn insert(
        &mut self,
        segments: &[Segment],
        tokenizer: &impl Tokenize,
        options: &SftOptions,
        place: &impl ToString,
    ) -> Result<()> {
        let bos = tokenizer.bos().filter(|_| options.add_bos);
        let mut tokens: Vec<u32> = bos.into_iter().collect();
        let mut learned = vec![false; tokens.len()];
        for segment in segments {
            tokens.extend(encode(tokenizer, &segment.text, place)?);
            learned.resize(tokens.len(), segment.learn);
        }
        if options.add_eos {
            tokens.push(tokenizer.eos().ok_or(Error::NoToken {
                token: "EOS",
                remedy: "the model could not learn to end: name one in tokenizer_config.json",
            })?);
            learned.push(true);
        }
        check(&tokens, tokenizer.vocabulary(), place)?;
        let allowed = options.context.saturating_add(1);
        let excess = tokens.len().saturating_sub(allowed);
        let mut keep = true;
        if excess > 0 {
            match options.truncate {
                Truncate::Error => {
                    return Err(Error::TooLong {
                        place: place.to_string(),
                        tokens: tokens.len(),
                        allowed,
                    });
                }
                Truncate::Left => {
                    let first = usize::from(bos.is_some() && allowed > 1);
                    tokens.drain(first..first + excess);
                    learned.drain(first..first + excess);
                }
                Truncate::Right => {
                    tokens.truncate(allowed);
                    learned.truncate(allowed);
                }
                Truncate::Drop => keep = false,
            }
        }
        self.examples += 1;
        // The first token is never a target: nothing stands before it.
        if !keep || !learned.iter().skip(1).any(|&l| l) {
            self.dropped += 1;
            return Ok(());
        }
        self.cut += u64::from(excess > 0);
        self.tokens.extend(tokens);
        self.learned.extend(learned);
        self.ends.push(self.tokens.len());
        Ok(())
    }

    /// Number of rows.
    #[must_use]
    pub const fn rows(&self) -> usize {
        self.ends.len()
    }

    /// Number of rows that were cut.
    #[must_use]
    pub const fn cut(&self) -> u64 {
        self.cut
    }

    /// Number of examples that were left out.
    #[must_use]
    pub const fn dropped(&self) -> u64 {
        self.dropped
    }

    /// The rows, of which there must be one.
    ///
    /// # Errors
    /// [`Error::NothingLeft`] without a row.
    pub fn finish(self) -> Result<Self> {
        if self.rows() > 0 {
            return Ok(self);
        }
        Err(Error::NothingLeft {
            examples: self.examples,
            remedy: "give more, shorter prompts, or a longer context",
        })
    }

    /// Places that a row takes in the context: its tokens less one.
    ///
    /// # Panics
    /// Like indexing, for a row that is not below [`SftRows::rows`]; so do the batches.
    #[must_use]
    pub fn length(&self, row: usize) -> usize {
        let (start, end) = self.range(row);
        end - start - 1
    }

    fn range(&self, row: usize) -> (usize, usize) {
        let start = if row == 0 { 0 } else { self.ends[row - 1] };
        (start, self.ends[row])
    }

    /// A batch of rows.
    ///
    /// # Shapes
    /// `rows.len()` sequences of the rows' own lengths.
    #[must_use]
    pub fn batch(&self, rows: &[u32]) -> Batch {
        let mut batch = Batch::default();
        for &row in rows {
            let (start, end) = self.range(row as usize);
            batch.push(&self.tokens[start..end], |t| self.learned[start + t]);
        }
        batch
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::{
        super::{
            IGNORED,
            letters::{BOS, EOS, Letters},
        },
        *,
    };

    fn options(context: usize, truncate: Truncate) -> SftOptions {
        SftOptions {
            context,
            truncate,
            ..Default::default()
        }
    }

    fn rows(given: &str, learned: &str, options: SftOptions) -> Result<SftRows> {
        let mut rows = SftRows::new();
        let segments = [Segment::given(given), Segment::learned(learned)];
        rows.insert(&segments, &Letters::default(), &options, &"s.jsonl, line 3")?;
        Ok(rows)
    }

    fn inputs(given: &str, learned: &str, options: SftOptions) -> (Vec<u32>, Vec<i32>) {
        let batch = rows(given, learned, options).unwrap().batch(&[0]);
        (batch.inputs, batch.targets)
    }

    const A: u32 = 97;

    #[test]
    fn the_completion_and_its_end_are_learned() {
        let (inputs, targets) = inputs("ab", "cd", options(9, Truncate::Error));
        assert_eq!(inputs, [BOS, A, A + 1, A + 2, A + 3]);
        assert_eq!(targets, [IGNORED, IGNORED, 99, 100, EOS as i32]);
    }

    #[test]
    fn templates_bring_their_own_ends_and_several_learned_turns() {
        let mut rows = SftRows::new();
        let bare = SftOptions {
            add_bos: false,
            add_eos: false,
            ..Default::default()
        };
        let segments = [
            Segment::learned("a"), // the very first token has nothing before it
            Segment::given("b"),
            Segment::learned("c"),
            Segment::given("d"),
        ];
        rows.insert(&segments, &Letters::default(), &bare, &"")
            .unwrap();
        assert_eq!(rows.batch(&[0]).targets, [IGNORED, 99, IGNORED]);
    }

    #[test]
    fn rows_that_are_too_long() {
        // BOS a b c d EOS: six tokens, five places.
        let fits = options(5, Truncate::Error);
        assert_eq!(rows("ab", "cd", fits).unwrap().length(0), 5);
        let error = rows("ab", "cd", options(4, Truncate::Error)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "s.jsonl, line 3: the example has 6 tokens, the context takes 5; set --truncate left, right or drop, or a longer context"
        );
        let (left, targets) = inputs("ab", "cd", options(4, Truncate::Left));
        assert_eq!(left, [BOS, A + 1, A + 2, A + 3]);
        assert_eq!(targets, [IGNORED, 99, 100, EOS as i32]);
        let (right, targets) = inputs("ab", "cd", options(4, Truncate::Right));
        assert_eq!(right, [BOS, A, A + 1, A + 2]);
        assert_eq!(targets, [IGNORED, IGNORED, 99, 100]);
        let dropped = rows("ab", "cd", options(4, Truncate::Drop)).unwrap();
        assert_eq!(
            (dropped.rows(), dropped.dropped(), dropped.cut()),
            (0, 1, 0)
        );
        assert!(matches!(
            dropped.finish(),
            Err(Error::NothingLeft { examples: 1, .. })
        ));
        // Only the prompt is left.
        let nothing = rows("ab", "cd", options(2, Truncate::Right)).unwrap();
        assert_eq!((nothing.rows(), nothing.dropped()), (0, 1));
    }

    #[test]
    fn tokens_that_do_not_fit_the_model() {
        let place = "s.jsonl, line 3";
        let mut rows = SftRows::new();
        let small = Letters { vocabulary: 100 };
        let insert = |rows: &mut SftRows, text: &str, tokenizer: &Letters| {
            let segments = [Segment::learned(text)];
            rows.insert(&segments, tokenizer, &SftOptions::default(), &place)
        };
        let error = insert(&mut rows, "xx", &small).unwrap_err();
        assert!(
            matches!(
                error,
                Error::TokenId {
                    id: 120,
                    vocabulary: 100,
                    ..
                }
            ),
            "{error}"
        );
        let error = insert(&mut rows, "\u{fffd}", &Letters::default()).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("s.jsonl, line 3: cannot tokenise"),
            "{error}"
        );
        let without_eos = Letters { vocabulary: 256 };
        let error = insert(&mut rows, "a", &without_eos).unwrap_err();
        assert!(
            matches!(error, Error::NoToken { token: "EOS", .. }),
            "{error}"
        );
        assert_eq!(rows.rows(), 0);
    }
}
