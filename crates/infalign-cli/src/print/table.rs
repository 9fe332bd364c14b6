//! Columns that line up: names to the left, numbers to the right, no frames.

use std::fmt;

use comfy_table::{CellAlignment, ContentArrangement, Table as Inner, presets::NOTHING};

/// A table without frames.
pub(crate) struct Table {
    inner: Inner,
}

impl Table {
    /// With these column heads; empty heads are left out when all are empty.
    pub(crate) fn new(heads: &[&str]) -> Self {
        let mut inner = Inner::new();
        inner
            .load_style(NOTHING)
            .set_content_arrangement(ContentArrangement::Disabled);
        inner.set_header(heads.iter().map(|h| (*h).to_owned()));
        Self { inner }
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.inner.add_row(cells);
    }

    /// Aligns all columns but the first to the right.
    pub(crate) fn numbers(mut self) -> Self {
        for column in self.inner.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        self
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in self.inner.to_string().lines() {
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}
