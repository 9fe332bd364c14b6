//! Which rows make a batch: rows of like length from a shuffled window, so that little is padded.
//!
//! ```text
//! epoch e   : the permutation π_e of all rows, cut into windows of W = 64 · B rows
//! window    : sorted by length (ties as π_e has them), cut greedily into batches with
//!             count ≤ B  and  count · longest ≤ batch_tokens
//! order     : the batches of a window are shuffled by a stream of (seed, e, window)
//! ```
//!
//! Every row stands in exactly one batch of every epoch. An epoch's plan is a pure function of
//! (lengths, seed, epoch), so that (epoch, batches taken) is all that a resumed run needs.
//!
//! | input | outcome |
//! |---|---|
//! | no rows, B = 0 | an error |
//! | a row longer than `batch_tokens` | an error: it fits into no batch |
//! | more batches taken than the epoch has | an error: the data have changed |

use super::SftRows;
use crate::{
    Cursor,
    error::{Error, Result},
    order::{generator, permutation, shuffle},
};

const WINDOW: usize = 64; // batches' worth of rows: enough of each length, and still a shuffle

/// Walks through batches, epoch after epoch.
#[derive(Debug, Clone)]
pub struct SftBatches {
    lengths: Vec<usize>,
    most: usize,
    batch_tokens: usize,
    seed: u64,
    cursor: Cursor, // position counts batches
    plan: Vec<Vec<u32>>,
}

impl SftBatches {
    /// Batches of at most `most` rows and `batch_tokens` places, padding counted, from `cursor` on,
    /// whose position counts batches.
    ///
    /// # Errors
    /// [`Error::OrderItems`], [`Error::Setting`], [`Error::OrderCursor`].
    pub fn new(
        rows: &SftRows,
        most: usize,
        batch_tokens: usize,
        seed: u64,
        cursor: Cursor,
    ) -> Result<Self> {
        let lengths: Vec<usize> = (0..rows.rows()).map(|row| rows.length(row)).collect();
        if lengths.is_empty() || u32::try_from(lengths.len()).is_err() {
            return Err(Error::OrderItems {
                items: lengths.len() as u64,
            });
        }
        if most == 0 {
            return Err(Error::Setting {
                field: "batch",
                value: "0".to_owned(),
                allowed: "at least one sequence",
            });
        }
        if lengths.iter().any(|&length| length > batch_tokens) {
            return Err(Error::Setting {
                field: "batch_tokens",
                value: batch_tokens.to_string(),
                allowed: "at least the tokens of the longest row",
            });
        }
        let mut batches = Self {
            lengths,
            most,
            batch_tokens,
            seed,
            cursor,
            plan: Vec::new(),
        };
        batches.plan = batches.plan(cursor.epoch);
        if cursor.position > batches.plan.len() as u64 {
            return Err(Error::OrderCursor {
                position: cursor.position,
                items: batches.plan.len() as u64,
            });
        }
        Ok(batches)
    }

    /// Where the batches stand.
    #[must_use]
    pub const fn cursor(&self) -> Cursor {
        self.cursor
    }

    /// Batches in the current epoch; other epochs may have a few more or fewer.
    #[must_use]
    pub const fn in_epoch(&self) -> usize {
        self.plan.len()
    }

    /// The rows of the next batch, at least one.
    pub fn next_batch(&mut self) -> Vec<u32> {
        if self.cursor.position >= self.plan.len() as u64 {
            self.cursor = Cursor {
                epoch: self.cursor.epoch.wrapping_add(1),
                position: 0,
            };
            self.plan = self.plan(self.cursor.epoch);
        }
        let batch = self.plan[self.cursor.position as usize].clone();
        self.cursor.position += 1;
        batch
    }

    fn plan(&self, epoch: u64) -> Vec<Vec<u32>> {
        let mut rows = permutation(self.lengths.len() as u32, self.seed, epoch);
        let mut plan = Vec::new();
        let window = self.most.saturating_mul(WINDOW);
        for (number, window) in (1..).zip(rows.chunks_mut(window)) {
            window.sort_by_key(|&row| self.lengths[row as usize]); // stable
            let first = plan.len();
            let mut batch: Vec<u32> = Vec::new();
            for &row in &*window {
                // Sorted, so this row would be the batch's longest.
                let places = (batch.len() + 1).saturating_mul(self.lengths[row as usize]);
                if batch.len() == self.most || places > self.batch_tokens {
                    plan.push(std::mem::take(&mut batch));
                }
                batch.push(row);
            }
            plan.push(batch);
            shuffle(&mut plan[first..], &mut generator(self.seed, epoch, number));
        }
        plan
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use proptest::prelude::*;

    use super::{
        super::{Segment, SftOptions, letters::Letters},
        *,
    };

    /// Rows that take so many places.
    fn rows(lengths: &[usize]) -> SftRows {
        let mut rows = SftRows::new();
        for &length in lengths {
            let segments = [Segment::learned("x".repeat(length - 1))];
            rows.insert(&segments, &Letters::default(), &SftOptions::default(), &"")
                .unwrap();
        }
        rows
    }

    #[test]
    fn impossible_batches() {
        let some = rows(&[3, 7]);
        let new = |rows: &SftRows, most, tokens, position| {
            SftBatches::new(rows, most, tokens, 0, Cursor { epoch: 0, position }).map(|_| ())
        };
        assert!(matches!(
            new(&SftRows::new(), 1, 9, 0),
            Err(Error::OrderItems { .. })
        ));
        assert!(matches!(
            new(&some, 0, 9, 0),
            Err(Error::Setting { field: "batch", .. })
        ));
        assert!(matches!(
            new(&some, 1, 6, 0),
            Err(Error::Setting {
                field: "batch_tokens",
                ..
            })
        ));
        assert!(matches!(
            new(&some, 1, 7, 3),
            Err(Error::OrderCursor { .. })
        ));
        new(&some, 1, 7, 2).unwrap();
    }

    #[test]
    fn little_is_padded() {
        let lengths: Vec<usize> = (0..2000).map(|i| 2 + (i * 7919) % 97).collect();
        let some = rows(&lengths);
        let mut batches = SftBatches::new(&some, 8, 4096, 3, Cursor::default()).unwrap();
        let (mut padded, mut used) = (0, 0);
        for _ in 0..batches.in_epoch() {
            let batch = some.batch(&batches.next_batch());
            used += batch.inputs.len();
            padded += batch.padded(0).inputs.len();
        }
        assert_eq!(used, lengths.iter().sum::<usize>());
        // 512 rows over 97 lengths sort into batches of 8 that span two or three lengths of 50.
        assert!((padded as f64) < 1.05 * used as f64, "{padded} for {used}");
    }

    proptest! {
        #[test]
        fn every_row_once_an_epoch_within_the_limits_and_resumable(
            lengths in prop::collection::vec(1_usize..30, 1..300),
            most in 1_usize..5, tokens in 30_usize..80, seed: u64, before in 0_usize..40,
        ) {
            let some = rows(&lengths);
            let new = |cursor| SftBatches::new(&some, most, tokens, seed, cursor).unwrap();
            let mut batches = new(Cursor::default());
            let mut seen = Vec::new();
            for _ in 0..batches.in_epoch() {
                let batch = batches.next_batch();
                prop_assert!(!batch.is_empty() && batch.len() <= most);
                let longest = batch.iter().map(|&r| lengths[r as usize]).max().unwrap_or(0);
                prop_assert!(batch.len() * longest <= tokens);
                seen.extend(batch);
            }
            seen.sort_unstable();
            prop_assert!(seen.into_iter().eq(0..lengths.len() as u32));
            let mut whole = new(Cursor::default());
            for _ in 0..before {
                whole.next_batch();
            }
            let mut again = new(whole.cursor());
            for _ in 0..5 {
                prop_assert_eq!(whole.next_batch(), again.next_batch());
            }
        }
    }
}
