//! What a calibration table as a whole says: how many rewards, how often they tie, where nothing can be learnt.
//!
//! ```text
//! tie share = Σ n(n−1) / Σ K(K−1)          over groups of n equal rewards of a prompt, and over prompts
//! ```
//!
//! | case | result |
//! |---|---|
//! | no prompts | zeros |
//! | K = 1 | flat: nothing to tie with, nothing to learn |
//! | rows that are not sorted | equal rewards that do not stand together count as different |

use serde::{Deserialize, Serialize};

/// Counts over prompts whose sorted rewards stream by.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TableTotals {
    prompts: usize,
    rewards: usize,
    fewest: usize,
    most: usize,
    flat: usize,
    tied: u128,
    pairs: u128,
}

/// What [`TableTotals`] come to.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TableSummary {
    /// Prompts.
    pub prompts: usize,
    /// Rewards of all prompts.
    pub rewards: usize,
    /// The fewest rewards of a prompt.
    pub fewest: usize,
    /// The most rewards of a prompt.
    pub most: usize,
    /// Prompts whose rewards are all equal.
    pub flat_prompts: usize,
    /// Share of pairs of rewards of one prompt that are equal, in \[0,1\].
    pub tie_share: f64,
}

impl TableTotals {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds prompts of K ≥ 1 sorted rewards each, end to end; an incomplete last row is left out.
    pub fn insert(&mut self, rows: &[f32], k: usize) {
        if k == 0 {
            return;
        }
        for row in rows.chunks_exact(k) {
            self.prompts += 1;
            self.rewards += k;
            self.fewest = if self.prompts == 1 {
                k
            } else {
                self.fewest.min(k)
            };
            self.most = self.most.max(k);
            self.pairs += (k * (k - 1)) as u128;
            self.flat += usize::from(row[0] == row[k - 1]);
            // Few rows tie at all, and that is found many pairs at a time.
            let neighbours = row.iter().zip(&row[1..]);
            if neighbours.fold(false, |any, (a, b)| any | (a == b)) {
                let groups = row.chunk_by(|a, b| a == b).map(<[f32]>::len);
                self.tied += groups.map(|n| (n * (n - 1)) as u128).sum::<u128>();
            }
        }
    }

    /// Adds what another has seen.
    pub fn merge(&mut self, other: &Self) {
        self.fewest = match (self.prompts, other.prompts) {
            (_, 0) => self.fewest,
            (0, _) => other.fewest,
            _ => self.fewest.min(other.fewest),
        };
        self.prompts += other.prompts;
        self.rewards += other.rewards;
        self.most = self.most.max(other.most);
        self.flat += other.flat;
        self.tied += other.tied;
        self.pairs += other.pairs;
    }

    /// The figures.
    #[must_use]
    pub fn finish(&self) -> TableSummary {
        let tie_share = match self.pairs {
            0 => 0.0,
            pairs => self.tied as f64 / pairs as f64,
        };
        TableSummary {
            prompts: self.prompts,
            rewards: self.rewards,
            fewest: self.fewest,
            most: self.most,
            flat_prompts: self.flat,
            tie_share,
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed construction is a failed test")]
    use super::*;
    use crate::raw::RawRewards;
    use proptest::prelude::*;

    #[test]
    fn by_hand() {
        let mut totals = TableTotals::new();
        assert_eq!(totals.finish().prompts, 0);
        totals.insert(&[1.0, 1.0, 2.0, 3.0, 3.0, 3.0], 3);
        totals.insert(&[5.0], 1);
        let got = totals.finish();
        // Ties: 2 of 6 ordered pairs, then 6 of 6.
        assert_eq!(
            (got.prompts, got.rewards, got.fewest, got.most),
            (3, 7, 1, 3)
        );
        assert_eq!((got.flat_prompts, got.tie_share), (2, 8.0 / 12.0));
    }

    proptest! {
        #[test]
        fn parts_merge_to_the_whole_and_ties_are_those_of_the_raw_rewards(
            rows in prop::collection::vec(prop::collection::vec((0_i8..5).prop_map(f32::from), 1..9), 1..20),
            cut in 0_usize..20,
        ) {
            let mut rows = rows;
            rows.iter_mut().for_each(|row| row.sort_by(f32::total_cmp));
            let of = |rows: &[Vec<f32>]| {
                let mut totals = TableTotals::new();
                rows.iter().for_each(|row| totals.insert(row, row.len()));
                totals
            };
            let (left, right) = rows.split_at(cut.min(rows.len()));
            let mut merged = of(left);
            merged.merge(&of(right));
            prop_assert_eq!(&merged, &of(&rows));
            let raw = RawRewards::new(rows.iter().map(Vec::as_slice)).unwrap();
            prop_assert!((merged.finish().tie_share - raw.tie_share()).abs() < 1e-12);
        }
    }
}
