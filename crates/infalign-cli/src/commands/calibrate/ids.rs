//! That every prompt comes once, at eight bytes a prompt: hashes as rows go by, and the rows again only where two hashes are equal.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use infalign_data::{Place, ReadOptions, RewardBatch, Spot, stream_rewards};
use twox_hash::XxHash64;

use crate::error::{Error, Result};

/// The hashes of all ids so far.
#[derive(Debug, Default)]
pub(super) struct Ids(Vec<u64>);

impl Ids {
    /// Adds an id; its hash.
    pub(super) fn insert(&mut self, id: &str) -> u64 {
        let hash = hash(id);
        self.0.push(hash);
        hash
    }

    /// Every id once, or the first that comes again, with both places.
    pub(super) fn finish(&mut self, files: &[PathBuf], options: &ReadOptions) -> Result<()> {
        self.0.sort_unstable();
        let mut twice: Vec<u64> = self
            .0
            .windows(2)
            .filter(|pair| pair[0] == pair[1])
            .map(|pair| pair[0])
            .collect();
        twice.dedup();
        if twice.is_empty() {
            return Ok(());
        }
        let mut seen: BTreeMap<String, Place> = BTreeMap::new();
        let mut before = 0;
        for file in files {
            let mut row = 0;
            stream_rewards(file, options, before, |batch: &mut RewardBatch| {
                before += batch.prompts() as u64;
                for id in (0..batch.prompts()).map(|p| batch.id(p)) {
                    row += 1;
                    if twice.binary_search(&hash(id)).is_ok() {
                        once(&mut seen, id, file, row)?;
                    }
                }
                Ok::<_, Error>(())
            })?;
        }
        Ok(())
    }
}

fn once(seen: &mut BTreeMap<String, Place>, id: &str, file: &Path, row: u64) -> Result<()> {
    let place = Place {
        file: file.display().to_string().into(),
        spot: Spot::Row(row),
    };
    match seen.get(id) {
        None => {
            seen.insert(id.to_owned(), place);
            Ok(())
        }
        Some(first) => Err(infalign_data::Error::DuplicatePrompt {
            id: id.to_owned(),
            first: first.clone(),
            place,
        }
        .into()),
    }
}

fn hash(id: &str) -> u64 {
    XxHash64::oneshot(0, id.as_bytes())
}
