//! Rewards of many prompts as they stream by, in flat batches: a file of any length in the memory of one batch.
//!
//! | file | how it streams |
//! |---|---|
//! | Parquet, one row per prompt | page by page; plain pages of floats are taken as they lie |
//! | `.npy`, `[prompts, K]` of `<f4` or `<f8` | 2¹⁸ rewards at a time; prompts are numbered |
//! | everything else that [`read_table`] reads | read whole, as rows of a prompt may stand anywhere |

mod npy;
mod sink;

use std::{io::Read, path::Path};

pub use sink::{CalibrationOf, CalibrationSink, write_calibration_stream};

use crate::{
    ReadOptions,
    error::{Error, Place, Result, Spot},
    read::{self, read_table, source},
    table::Texts,
};

/// Rewards to a batch, about.
pub(crate) const BATCH: usize = 1 << 18;

/// Some prompts with their rewards, in the order of the file.
///
/// # Shapes
/// `rewards(p)` has `K_p` ≥ 1 finite values; the batch owns Σ `K_p` of them, end to end.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RewardBatch {
    ids: Texts,
    values: Vec<f32>,
    ends: Vec<usize>,
}

impl RewardBatch {
    /// Number of prompts.
    #[must_use]
    pub const fn prompts(&self) -> usize {
        self.ends.len()
    }

    /// Number of rewards of all prompts.
    #[must_use]
    pub const fn responses(&self) -> usize {
        self.values.len()
    }

    /// The id of a prompt.
    ///
    /// # Panics
    /// Like indexing, as [`RewardBatch::rewards`] does.
    #[must_use]
    pub fn id(&self, prompt: usize) -> &str {
        self.ids.get(prompt)
    }

    /// The rewards of a prompt.
    #[must_use]
    pub fn rewards(&self, prompt: usize) -> &[f32] {
        &self.values[self.start(prompt)..self.ends[prompt]]
    }

    /// Forgets everything, and keeps the memory.
    pub fn clear(&mut self) {
        self.ids.clear();
        self.values.clear();
        self.ends.clear();
    }

    /// Adds a prompt.
    pub fn push(&mut self, id: &str, rewards: &[f32]) {
        self.ids.push(id);
        self.values.extend_from_slice(rewards);
        self.ends.push(self.values.len());
    }

    /// Runs of prompts with equally many rewards: K, and their rewards end to end.
    pub fn runs_mut(&mut self) -> impl Iterator<Item = (usize, &mut [f32])> {
        let mut lengths: Vec<(usize, usize)> = Vec::new(); // (K, prompts)
        let mut start = 0;
        for &end in &self.ends {
            match lengths.last_mut() {
                Some((k, prompts)) if *k == end - start => *prompts += 1,
                _ => lengths.push((end - start, 1)),
            }
            start = end;
        }
        let mut rest = self.values.as_mut_slice();
        lengths.into_iter().map(move |(k, prompts)| {
            let (run, after) = std::mem::take(&mut rest).split_at_mut(k * prompts);
            rest = after;
            (k, run)
        })
    }

    /// Moves the last `count` rewards of every prompt to `held`, end to end.
    ///
    /// # Errors
    /// The first prompt that would keep none; batch and `held` are then as they were.
    pub fn hold_out(&mut self, count: usize, held: &mut Vec<f32>) -> Result<(), usize> {
        let short = |&p: &usize| self.ends[p] - self.start(p) <= count;
        if let Some(prompt) = (0..self.prompts()).find(short) {
            return Err(prompt);
        }
        if count == 0 {
            return Ok(());
        }
        let (mut from, mut to) = (0, 0);
        for end in &mut self.ends {
            let keep = from..*end - count;
            held.extend_from_slice(&self.values[keep.end..*end]);
            from = *end;
            let kept = keep.len();
            self.values.copy_within(keep, to);
            to += kept;
            *end = to;
        }
        self.values.truncate(to);
        Ok(())
    }

    fn start(&self, prompt: usize) -> usize {
        prompt.checked_sub(1).map_or(0, |before| self.ends[before])
    }

    /// The flat arrays, for readers that fill them: rewards and the ends of rows. Ids follow by [`RewardBatch::name`].
    pub(crate) const fn rows(&mut self) -> (&mut Vec<f32>, &mut Vec<usize>) {
        (&mut self.values, &mut self.ends)
    }

    /// Adds the id of the next row.
    pub(crate) fn name(&mut self, id: &str) {
        self.ids.push(id);
    }
}

/// Reads the rewards of a file batch by batch: the training reward's column alone. Prompts without an id are numbered from `first`.
///
/// That an id comes once is not checked here, as it takes memory that grows with the file; [`read_table`] does.
///
/// # Errors
/// As [`read_table`], but for repeated ids; and whatever `each` returns.
pub fn stream_rewards<E: From<Error>>(
    path: impl AsRef<Path>,
    options: &ReadOptions,
    first: u64,
    mut each: impl FnMut(&mut RewardBatch) -> Result<(), E>,
) -> Result<(), E> {
    let path = path.as_ref();
    if is_npy(path)? {
        return npy::stream(path, first, &mut each);
    }
    let name = path.display().to_string();
    let source = source::open(path)?;
    if let source::Source::Parquet(file) = source
        && read::stream_parquet(file, &name, options, first, &mut each)?
    {
        return Ok(());
    }
    let table = read_table(path, options)?;
    let mut batch = RewardBatch::default();
    for prompt in 0..table.prompts() {
        batch.push(table.id(prompt), table.rewards(0, prompt));
        if batch.responses() >= BATCH || prompt + 1 == table.prompts() {
            each(&mut batch)?;
            batch.clear();
        }
    }
    Ok(())
}

fn is_npy(path: &Path) -> Result<bool> {
    let mut head = [0; npy::MAGIC.len()];
    let mut file = std::fs::File::open(path).map_err(|e| Error::read(path, e))?;
    match file.read_exact(&mut head) {
        Ok(()) => Ok(&head == npy::MAGIC),
        Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => Ok(false),
        Err(e) => Err(Error::read(path, e)),
    }
}

/// The error of the first value that is not finite; `first` is the place of the batch's first row.
pub(crate) fn all_finite(
    values: &[f32],
    ends: &[usize],
    column: &str,
    first: &Place,
) -> Result<()> {
    // The exponent alone tells; without a branch it is done many at a time.
    let bad = |x: &f32| x.to_bits() & 0x7f80_0000 == 0x7f80_0000;
    if !values.iter().fold(false, |any, x| any | bad(x)) {
        return Ok(());
    }
    let at = values.iter().position(bad).unwrap_or_default();
    let row = ends.partition_point(|&end| end <= at);
    let start = row.checked_sub(1).map_or(0, |before| ends[before]);
    let (Spot::Row(number) | Spot::Line(number)) = first.spot;
    let place = Place {
        file: first.file.clone(),
        spot: Spot::Row(number + row as u64),
    };
    crate::table::finite(f64::from(values[at]), &place, column, Some(at - start)).map(|_| ())
}

#[cfg(test)]
mod tests;
