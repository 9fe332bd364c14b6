//! A calibration that is asked by prompt id: from a table in memory, or from a mapped file of any size.
//!
//! Five arrays answer everything; in the file they are tensors of the safetensors format, which many programs read:
//!
//! | tensor | type, shape | holds |
//! |---|---|---|
//! | `slots` | u64, a power of two above 2P | hash table: (upper half of the id's xxHash64) · 2³² + prompt + 1, or 0 |
//! | `ends` | u64, P + 1 | prompt i owns rewards `ends[i]..ends[i + 1]` |
//! | `id_ends` | u64, P + 1 | its id is bytes `id_ends[i]..id_ends[i + 1]` of `ids` |
//! | `rewards` | f32, R | ascending within each prompt |
//! | `ids` | u8 | all ids in UTF-8, end to end |
//!
//! A Parquet file cannot be mapped: its pages are encoded and have to be decoded into memory. This one is opened in the time that
//! it takes to look at the ids; rewards are read by the operating system as prompts are asked for, and several processes on one
//! machine share them. Little-endian machines only.
//!
//! | case | result |
//! |---|---|
//! | an unknown id | `None` |
//! | a file cut short, of other tensors, or with places that do not fit | [`Error::Mapped`] |
//! | rewards of a file that are not ascending | not noticed: nothing is read until it is asked for |
//! | the file is shortened while it is mapped | the operating system ends the process, as with every mapped file; replace files by renaming, as [`Lookup::write`] does |

mod array;
mod file;

use std::path::Path;

use twox_hash::XxHash64;

use self::array::Array;
use crate::{
    Calibration,
    error::{Error, Result},
};

/// Ids that are looked up together: what they touch fits into a core's cache.
const BATCH: usize = 256;
/// Rewards in a line of the cache.
const LINE: usize = 16;

/// A calibration table with an index of its prompts' ids.
#[derive(Debug, Clone)]
pub struct Lookup {
    slots: Array<u64>,
    ends: Array<u64>,
    /// K, where all prompts have the same: then no end has to be looked up.
    k: Option<usize>,
    id_ends: Array<u64>,
    rewards: Array<f32>,
    ids: Array<u8>,
    /// The base policy, as the user named it.
    pub base_policy: String,
    /// The reward model or column.
    pub reward: String,
    /// How the responses were sampled.
    pub sampling: String,
}

impl Lookup {
    /// From a calibration in memory.
    ///
    /// # Errors
    /// [`Error::Table`] for more than 2³² − 2 prompts.
    pub fn new(calibration: Calibration) -> Result<Self> {
        let prompts = calibration.table.prompts();
        let slots = index(prompts, |prompt| calibration.table.id(prompt))?;
        let (ids, ends, mut columns) = calibration.table.into_parts();
        let (text, id_ends) = ids.into_parts();
        let wide = |places: &[usize]| places.iter().map(|&place| place as u64).collect::<Vec<_>>();
        let ends = wide(&ends);
        Ok(Self {
            slots: slots.into(),
            k: common(&ends),
            ends: ends.into(),
            id_ends: [vec![0], wide(&id_ends)].concat().into(),
            rewards: columns.swap_remove(0).into(),
            ids: text.into_bytes().into(),
            base_policy: calibration.base_policy,
            reward: calibration.reward,
            sampling: calibration.sampling,
        })
    }

    /// Maps a file that [`Lookup::write`] made.
    ///
    /// # Errors
    /// [`Error::Read`]; [`Error::Mapped`] for a file that is none of these.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        file::open(path.as_ref())
    }

    /// Writes the file, whole or not at all.
    ///
    /// # Errors
    /// The disk's refusal; an earlier file of that name then stands as it was.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<()> {
        file::write(path.as_ref(), self)
    }

    /// Number of prompts.
    #[must_use]
    pub fn prompts(&self) -> usize {
        self.ends.len() - 1
    }

    /// Number of rewards over all prompts.
    #[must_use]
    pub fn responses(&self) -> usize {
        self.rewards.len()
    }

    /// The prompt of this id.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<usize> {
        let slots: &[u64] = &self.slots;
        let (mut at, tag) = place(id, slots.len());
        loop {
            let slot = slots[at];
            let prompt = (slot as u32).checked_sub(1)? as usize;
            if slot >> 32 == tag && self.id_bytes(prompt) == Some(id.as_bytes()) {
                return Some(prompt);
            }
            at = (at + 1) & (slots.len() - 1);
        }
    }

    /// The prompts of many ids, each as [`Lookup::find`] finds it.
    ///
    /// In a large table everything that a search reads is in no cache. So all ids of a batch take the first step, then all the second,
    /// and so on: their waits overlap, and the search itself then finds everything near.
    pub fn find_all(&self, ids: &[&str]) -> Vec<Option<usize>> {
        let slots: &[u64] = &self.slots;
        let mut found = Vec::with_capacity(ids.len());
        for batch in ids.chunks(BATCH) {
            let slot = |id: &&str| slots[place(id, slots.len()).0] as u32;
            let near: Vec<u32> = batch.iter().map(slot).collect();
            let prompts = || {
                near.iter()
                    .filter_map(|slot| Some(slot.checked_sub(1)? as usize))
            };
            let starts: Vec<Option<&u64>> = prompts().map(|p| self.id_ends.get(p)).collect();
            let letters = starts
                .iter()
                .flatten()
                .filter_map(|&&at| self.ids.get(at as usize));
            let rows: Vec<Option<&[f32]>> = prompts().map(|p| self.row(p)).collect();
            let lines = rows
                .iter()
                .flatten()
                .flat_map(|row| row.iter().step_by(LINE));
            let touched = letters.fold(0, |sum, &letter| sum ^ u32::from(letter));
            std::hint::black_box(lines.fold(touched, |sum, reward| sum ^ reward.to_bits()));
            found.extend(batch.iter().map(|id| self.find(id)));
        }
        found
    }

    /// The id of a prompt; `None` past the last.
    #[must_use]
    pub fn id(&self, prompt: usize) -> Option<&str> {
        std::str::from_utf8(self.id_bytes(prompt)?).ok()
    }

    /// The K rewards of a prompt, ascending; `None` past the last.
    #[must_use]
    pub fn row(&self, prompt: usize) -> Option<&[f32]> {
        self.rewards.get(match self.k {
            Some(k) if prompt < self.prompts() => prompt * k..(prompt + 1) * k,
            _ => between(&self.ends, prompt)?,
        })
    }

    /// The rewards of all prompts, ascending: what an unknown prompt may be compared with. From more than a million rewards, those
    /// of prompts at equal distances.
    #[must_use]
    pub fn pooled(&self) -> Vec<f32> {
        let step = self.responses().div_ceil(1 << 20).max(1);
        let rows = (0..self.prompts()).step_by(step);
        let mut all: Vec<f32> = rows
            .filter_map(|p| self.row(p))
            .flatten()
            .copied()
            .collect();
        all.sort_unstable_by(f32::total_cmp);
        all
    }

    fn id_bytes(&self, prompt: usize) -> Option<&[u8]> {
        self.ids.get(between(&self.id_ends, prompt)?)
    }
}

/// Where part i of an array with these ends lies.
fn between(ends: &[u64], i: usize) -> Option<std::ops::Range<usize>> {
    Some(*ends.get(i)? as usize..*ends.get(i + 1)? as usize)
}

/// The length that all parts of an array with these ends have, if they have one.
fn common(ends: &[u64]) -> Option<usize> {
    let k = *ends.get(1)?;
    let all = ends.iter().zip(0u64..).all(|(&end, i)| end == i * k);
    all.then_some(k as usize)
}

/// The first slot of an id, and its tag.
fn place(id: &str, slots: usize) -> (usize, u64) {
    let hash = XxHash64::oneshot(0, id.as_bytes());
    (hash as usize & (slots - 1), hash >> 32)
}

/// The hash table: open addressing, at most half full, so that a search ends.
fn index<'a>(prompts: usize, id: impl Fn(usize) -> &'a str) -> Result<Vec<u64>> {
    let many = || Error::Table {
        what: format!("{prompts} prompts are more than one calibration holds; split it"),
    };
    u32::try_from(prompts + 1).map_err(|_| many())?;
    let mut slots = vec![0u64; (2 * prompts + 1).next_power_of_two()];
    for prompt in 0..prompts {
        let (mut at, tag) = place(id(prompt), slots.len());
        while slots[at] != 0 {
            at = (at + 1) & (slots.len() - 1);
        }
        slots[at] = tag << 32 | (prompt as u64 + 1);
    }
    Ok(slots)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;
    use crate::TableBuilder;

    fn example() -> Lookup {
        let mut builder = TableBuilder::new(["proxy"]).unwrap();
        for i in 0..1000u16 {
            let rewards: Vec<f32> = (0..=i % 7).map(|j| f32::from((i + 3 * j) % 11)).collect();
            builder
                .insert(&format!("prompt {i} ü"), None, &[&rewards], &[])
                .unwrap();
        }
        let table = builder.finish().unwrap();
        Lookup::new(Calibration::new(&table, 0, "base", "temperature 1").unwrap()).unwrap()
    }

    #[test]
    fn a_mapped_file_answers_like_the_table() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("calibration.safetensors");
        let lookup = example();
        lookup.write(&path).unwrap();
        let mapped = Lookup::open(&path).unwrap();
        for lookup in [&lookup, &mapped] {
            assert_eq!(lookup.prompts(), 1000);
            for i in 0..1000 {
                let id = format!("prompt {i} ü");
                assert_eq!(lookup.find(&id), Some(i));
                assert_eq!(lookup.id(i), Some(id.as_str()));
                let row = lookup.row(i).unwrap();
                assert!(row.is_sorted() && row.len() == i % 7 + 1);
            }
            assert_eq!(lookup.find("prompt 1000 ü"), None);
            let ids: Vec<String> = (0..3000)
                .map(|i| format!("prompt {} ü", i % 1100))
                .collect();
            let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
            let one_by_one: Vec<_> = ids.iter().map(|id| lookup.find(id)).collect();
            assert_eq!(lookup.find_all(&ids), one_by_one);
            assert_eq!((lookup.id(1000), lookup.row(1000)), (None, None));
            assert_eq!(lookup.reward, "proxy");
        }
        assert_eq!(mapped.pooled(), lookup.pooled());
        let first = std::fs::read(&path).unwrap();
        mapped.write(&path).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), first);
    }

    #[test]
    fn a_damaged_file_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("calibration.safetensors");
        example().write(&path).unwrap();
        let whole = std::fs::read(&path).unwrap();
        let header = u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize;
        let with = |at: usize, byte: u8| {
            let mut bytes = whole.clone();
            bytes[at] = byte;
            bytes
        };
        for (bytes, what) in [
            (whole[..6].to_vec(), "shorter than its header"),
            (with(6, 9), "header"),
            (whole[..whole.len() - 1].to_vec(), "ends early"),
            (with(8, b'!'), "header"),
            (with(8 + header + 8 * 2048, 1), "`ends`"), // the first end is 0
            (with(whole.len() - 1, 0xc3), "UTF-8"),
        ] {
            std::fs::write(&path, bytes).unwrap();
            let error = Lookup::open(&path).unwrap_err().to_string();
            assert!(error.contains(what), "{what}: {error}");
        }
        std::fs::remove_file(&path).unwrap();
        assert!(matches!(Lookup::open(&path), Err(Error::Read { .. })));
    }
}
