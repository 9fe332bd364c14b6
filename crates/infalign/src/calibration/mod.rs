//! From K raw rewards of the base policy to the calibrated reward of any response.

mod anchors;
mod calibrator;
mod curve;
mod named;
mod piece_shape;
mod rank_rule;
mod row_sort;
mod sorted;
mod tables;
mod totals;

pub use anchors::Anchors;
pub use calibrator::Calibrator;
pub use piece_shape::PieceShape;
pub use rank_rule::RankRule;
pub use row_sort::sort_rows;
pub use sorted::calibrate_sorted;
pub use tables::CalibrationTables;
pub use totals::{TableSummary, TableTotals};
