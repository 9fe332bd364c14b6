//! The base policy's rewards by prompt id: the table given at the start, those added over HTTP, those of rollouts drawn since.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use infalign_data::Lookup;

use crate::fault::{Fault, Kind};

/// Where the rewards of a prompt are.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Row {
    /// In the table.
    Table(usize),
    /// Added or rolled.
    Own(Arc<[f32]>),
    /// The prompt is unknown, and ranked among all rewards of the table.
    Pooled,
}

#[derive(Debug)]
pub(crate) struct Calibrations {
    table: Option<Lookup>,
    pooled: OnceLock<Vec<f32>>,
    kept: RwLock<Kept>,
    /// Rewards that may be added.
    most_added: usize,
    /// Prompts whose rollouts are kept.
    most_rolled: usize,
}

#[derive(Debug, Default)]
struct Kept {
    added: BTreeMap<Arc<str>, Arc<[f32]>>,
    added_rewards: usize,
    rolled: BTreeMap<Arc<str>, Arc<[f32]>>,
    rolled_rewards: usize,
    /// Rolled prompts, the oldest first.
    order: VecDeque<Arc<str>>,
}

/// Prompts and rewards of one source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) prompts: usize,
    pub(crate) rewards: usize,
}

impl Calibrations {
    pub(crate) fn new(table: Option<Lookup>, most_added: usize, most_rolled: usize) -> Self {
        Self {
            table,
            pooled: OnceLock::new(),
            kept: RwLock::default(),
            most_added,
            most_rolled,
        }
    }

    pub(crate) fn table(&self) -> Option<&Lookup> {
        self.table.as_ref()
    }

    /// Where a prompt's rewards are, if anywhere.
    pub(crate) fn find(&self, id: &str) -> Option<Row> {
        if let Some(prompt) = self.table.as_ref().and_then(|table| table.find(id)) {
            return Some(Row::Table(prompt));
        }
        let kept = self.read();
        let row = kept.added.get(id).or_else(|| kept.rolled.get(id))?;
        Some(Row::Own(Arc::clone(row)))
    }

    /// Rewards of a row, ascending.
    pub(crate) fn rewards<'a>(&'a self, row: &'a Row) -> &'a [f32] {
        let table = self.table.as_ref();
        match row {
            Row::Table(prompt) => table.and_then(|t| t.row(*prompt)).unwrap_or_default(),
            Row::Own(rewards) => rewards,
            Row::Pooled => self.pooled(),
        }
    }

    /// The rewards of the table; sorted when they are first asked for.
    pub(crate) fn pooled(&self) -> &[f32] {
        let all = || self.table.as_ref().map(Lookup::pooled).unwrap_or_default();
        self.pooled.get_or_init(all)
    }

    /// Adds prompts: all, or none.
    pub(crate) fn add(&self, rows: Vec<(Arc<str>, Vec<f32>)>) -> Result<Counts, Fault> {
        let mut kept = self.write();
        let rewards: usize = rows.iter().map(|(_, row)| row.len()).sum();
        let mut ids = std::collections::BTreeSet::new();
        for (place, (id, _)) in rows.iter().enumerate() {
            let known = self
                .table
                .as_ref()
                .is_some_and(|table| table.find(id).is_some());
            if known || kept.added.contains_key(id) || !ids.insert(id) {
                return Err(Fault::new(
                    Kind::AlreadyCalibrated,
                    format!(
                        "prompt {place} of the request is calibrated already, and a calibration does not change while a service runs: leave it out"
                    ),
                ));
            }
        }
        if kept.added_rewards + rewards > self.most_added {
            return Err(Fault::new(
                Kind::Storage,
                format!(
                    "the service keeps at most {} added rewards: start it with a calibration that holds these",
                    self.most_added
                ),
            ));
        }
        let counts = Counts {
            prompts: rows.len(),
            rewards,
        };
        kept.added_rewards += rewards;
        for (id, row) in rows {
            kept.added.insert(id, ascending(row));
        }
        Ok(counts)
    }

    /// Keeps the rewards of a prompt's rollouts; forgets the oldest.
    pub(crate) fn keep_rolled(&self, id: &Arc<str>, row: Vec<f32>) -> Arc<[f32]> {
        let row = ascending(row);
        let mut kept = self.write();
        kept.rolled_rewards += row.len();
        match kept.rolled.insert(Arc::clone(id), Arc::clone(&row)) {
            Some(before) => kept.rolled_rewards -= before.len(),
            None => kept.order.push_back(Arc::clone(id)),
        }
        while kept.order.len() > self.most_rolled {
            let oldest = kept.order.pop_front();
            if let Some(row) = oldest.and_then(|oldest| kept.rolled.remove(&oldest)) {
                kept.rolled_rewards -= row.len();
            }
        }
        row
    }

    /// Prompts and rewards: of the table, added, rolled.
    pub(crate) fn counts(&self) -> [Counts; 3] {
        let table = self.table.as_ref();
        let kept = self.read();
        let [table, added, rolled] = [
            table.map_or((0, 0), |t| (t.prompts(), t.responses())),
            (kept.added.len(), kept.added_rewards),
            (kept.rolled.len(), kept.rolled_rewards),
        ];
        [table, added, rolled].map(|(prompts, rewards)| Counts { prompts, rewards })
    }

    /// Prompts of a range, with K and where they come from: first the table, then what was added, then what was rolled.
    pub(crate) fn list(&self, from: usize, most: usize) -> Vec<(Arc<str>, usize, &'static str)> {
        let of_table = self.table.as_ref().map_or(0, Lookup::prompts);
        let (table, kept) = (self.table.as_ref(), self.read());
        let stored = (from.min(of_table)..of_table).filter_map(|prompt| {
            let table = table?;
            Some((table.id(prompt)?.into(), table.row(prompt)?.len(), "table"))
        });
        let own = |rows: &'static str| {
            move |(id, row): (&Arc<str>, &Arc<[f32]>)| (Arc::clone(id), row.len(), rows)
        };
        let added = kept.added.iter().map(own("added"));
        let rolled = kept.rolled.iter().map(own("rollouts"));
        let later = added.chain(rolled).skip(from.saturating_sub(of_table));
        stored.chain(later).take(most).collect()
    }

    fn read(&self) -> RwLockReadGuard<'_, Kept> {
        self.kept.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Kept> {
        self.kept.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn ascending(mut row: Vec<f32>) -> Arc<[f32]> {
    row.sort_unstable_by(f32::total_cmp);
    row.into()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;
    use crate::known::tests::table;

    fn row(id: &str, rewards: &[f32]) -> (Arc<str>, Vec<f32>) {
        (id.into(), rewards.to_vec())
    }

    #[test]
    fn what_is_added_is_found_sorted_and_never_changed() {
        let all = Calibrations::new(Some(table(&["a", "b"])), 5, 0);
        all.add(vec![row("c", &[2.0, 1.0]), row("d", &[0.0])])
            .unwrap();
        assert_eq!(all.rewards(&all.find("c").unwrap()), [1.0, 2.0]);
        assert_eq!(all.find("b"), Some(Row::Table(1)));
        for (rows, kind) in [
            (
                vec![row("e", &[1.0]), row("a", &[1.0])],
                Kind::AlreadyCalibrated,
            ),
            (vec![row("c", &[1.0])], Kind::AlreadyCalibrated),
            (
                vec![row("e", &[1.0]), row("e", &[1.0])],
                Kind::AlreadyCalibrated,
            ),
            (vec![row("e", &[1.0; 3])], Kind::Storage),
        ] {
            assert_eq!(all.add(rows).unwrap_err().kind, kind);
        }
        assert_eq!(all.find("e"), None);
        let ids = |from, most| -> Vec<String> {
            let listed = all.list(from, most);
            listed
                .iter()
                .map(|(id, k, of)| format!("{id} {k} {of}"))
                .collect()
        };
        assert_eq!(ids(1, 2), ["b 4 table", "c 2 added"]);
        assert_eq!(
            (ids(3, 9), ids(9, 9)),
            (vec!["d 1 added".to_owned()], vec![])
        );
        assert_eq!(all.pooled().len(), 8);
    }

    #[test]
    fn the_oldest_rollouts_are_forgotten() {
        let all = Calibrations::new(None, 0, 2);
        for id in ["a", "b", "b", "c"] {
            all.keep_rolled(&id.into(), vec![1.0, 0.0]);
        }
        assert_eq!(all.find("a"), None);
        assert_eq!(all.rewards(&all.find("c").unwrap()), [0.0, 1.0]);
        assert_eq!(
            all.counts()[2],
            Counts {
                prompts: 2,
                rewards: 4
            }
        );
    }
}
