//! Rows that cannot be used: what becomes of them, and how it is told.

use infalign_data::{BadRows, OnBadRow, RecordOptions};

use crate::print;

/// What `--skip-bad-rows` says.
pub(super) fn on_bad(skip: bool) -> OnBadRow {
    if skip { OnBadRow::Skip } else { OnBadRow::Fail }
}

/// How records are read under `--skip-bad-rows`.
pub(super) fn reading(skip: bool) -> RecordOptions {
    RecordOptions {
        on_bad: on_bad(skip),
        ..RecordOptions::default()
    }
}

/// What was left out is told.
pub(super) fn tell(bad: &BadRows) {
    if let Some(first) = bad.first.first() {
        print::caveat(format!(
            "{} rows cannot be used and are left out; the first: {first}",
            bad.count
        ));
    }
}
