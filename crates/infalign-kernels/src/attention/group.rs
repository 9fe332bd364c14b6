//! Which rows of a batch see each other: sequences, alone or with a beginning that they share.

use super::TILE;

/// Sequences that begin alike: the rows of their beginning, then those of what follows it in each, sequence after sequence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Rows of the beginning, a multiple of [`TILE`]; 0 where nothing is shared.
    pub shared: usize,
    /// Rows of each sequence after it.
    pub own: Vec<usize>,
}

impl Group {
    /// One sequence by itself.
    #[must_use]
    pub fn alone(rows: usize) -> Self {
        Self {
            shared: 0,
            own: vec![rows],
        }
    }

    /// A group for each sequence of `offsets`: where sequences begin, and the end.
    #[must_use]
    pub fn each(offsets: &[usize]) -> Vec<Self> {
        (offsets.windows(2))
            .map(|ends| Self::alone(ends[1].saturating_sub(ends[0])))
            .collect()
    }

    /// Rows of the whole group.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.shared + self.own.iter().sum::<usize>()
    }

    /// Tokens of the longest sequence.
    #[must_use]
    pub fn longest(&self) -> usize {
        self.shared + self.own.iter().max().copied().unwrap_or(0)
    }

    /// The beginning, then what follows it in each sequence.
    pub(super) fn segments(&self) -> impl Iterator<Item = Segment> {
        let beginning = Segment {
            first_row: 0,
            position: 0,
            rows: self.shared,
        };
        let own = self.own.iter().scan(self.shared, |row, &rows| {
            let first_row = *row;
            *row += rows;
            Some(Segment {
                first_row,
                position: self.shared,
                rows,
            })
        });
        core::iter::once(beginning).chain(own)
    }

    /// Positions of keys and values that are held at a time: the beginning and one sequence's own, in whole tiles.
    pub(super) fn held(&self) -> usize {
        self.longest().next_multiple_of(TILE)
    }
}

/// Rows that follow each other in a sequence.
#[derive(Clone, Copy)]
pub(super) struct Segment {
    /// Among the group's rows.
    pub(super) first_row: usize,
    /// Of the first row, in its sequence.
    pub(super) position: usize,
    pub(super) rows: usize,
}

impl Segment {
    /// Its positions.
    pub(super) fn positions(&self) -> core::ops::Range<usize> {
        self.position..self.position + self.rows
    }

    /// Positions that its keys and values take, in whole tiles.
    pub(super) fn held(&self) -> core::ops::Range<usize> {
        self.position..self.position + self.rows.next_multiple_of(TILE)
    }

    /// The row of a position, among the group's.
    #[inline(always)]
    pub(super) fn row(&self, position: usize) -> usize {
        self.first_row + (position - self.position)
    }
}
