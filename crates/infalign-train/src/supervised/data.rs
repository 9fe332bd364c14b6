//! The rows of a run, and a walk through them that can be taken up anywhere.

use infalign_lm::Spec;

use crate::{
    Batch, Cursor, IGNORED, Order, PackedRows, SftBatches, SftRows,
    error::{Error, Result},
};

/// Rows of one kind.
#[derive(Debug)]
pub enum Rows {
    /// Pieces of a corpus; everything is learned.
    Packed(PackedRows),
    /// Prompts with completions; the completions are learned.
    Sft(SftRows),
}

/// What a run learns from, and what it is judged by.
#[derive(Debug)]
pub struct Data {
    /// The rows to learn from.
    pub training: Rows,
    /// Those held out.
    pub validation: Option<Rows>,
}

impl Rows {
    /// How many.
    #[must_use]
    pub fn count(&self) -> u64 {
        match self {
            Self::Packed(rows) => rows.rows(),
            Self::Sft(rows) => rows.rows() as u64,
        }
    }

    /// Steps in which every row is seen once: as a whole number of batches, the last one perhaps begun with rows of the next epoch.
    ///
    /// # Errors
    /// No rows, or a batch of none.
    pub fn steps_of_an_epoch(&self, batch_size: usize) -> Result<u64> {
        match self {
            Self::Packed(rows) => Ok(rows.rows().div_ceil(batch_size.max(1) as u64)),
            Self::Sft(_) => match self.walk(batch_size, 0, Cursor::default())? {
                Walk::Sft(batches) => Ok(batches.in_epoch() as u64),
                Walk::Packed(_) => Err(Error::Bug {
                    what: "completions were walked through as packed rows".to_owned(),
                }),
            },
        }
    }

    pub(super) fn batch(&self, rows: &[u32]) -> Result<Batch> {
        match self {
            Self::Packed(packed) => packed.batch(rows),
            Self::Sft(sft) => Ok(sft.batch(rows)),
        }
    }

    /// A walk in the order of `seed`, from `cursor` on.
    pub(super) fn walk(&self, batch_size: usize, seed: u64, cursor: Cursor) -> Result<Walk> {
        match self {
            Self::Packed(rows) => Ok(Walk::Packed(Order::new(rows.rows(), seed, cursor)?)),
            // Sequences are not padded, so a batch is bounded by its rows alone.
            Self::Sft(rows) => Ok(Walk::Sft(SftBatches::new(
                rows,
                batch_size,
                usize::MAX,
                seed,
                cursor,
            )?)),
        }
    }
}

/// A walk through rows, batch by batch.
#[derive(Debug)]
pub(super) enum Walk {
    Packed(Order),
    Sft(SftBatches),
}

impl Walk {
    pub(super) fn cursor(&self) -> Cursor {
        match self {
            Self::Packed(order) => order.cursor(),
            Self::Sft(batches) => batches.cursor(),
        }
    }

    /// The next rows, `batch_size` of them, or fewer where examples of like length run out.
    pub(super) fn next_batch(&mut self, batch_size: usize) -> Vec<u32> {
        match self {
            Self::Packed(order) => order.next_batch(batch_size),
            Self::Sft(batches) => batches.next_batch(),
        }
    }
}

/// A batch as the model takes it, with the target of every row.
pub(super) fn for_model(
    batch: &Batch,
    spec: &Spec,
) -> Result<(infalign_lm::Batch, Vec<Option<u32>>)> {
    let mut rest = batch.inputs.as_slice();
    let sequences: Vec<&[u32]> = batch
        .lengths
        .iter()
        .map(|&length| {
            let (sequence, other) = rest.split_at(length);
            rest = other;
            sequence
        })
        .collect();
    let target = |&t: &i32| (t != IGNORED).then_some(t as u32);
    let targets = batch.targets.iter().map(target).collect();
    Ok((infalign_lm::Batch::new(&sequences, spec)?, targets))
}
