//! Plots and the self-contained HTML report of infalign.
//!
//! A picture is described once, without a backend (`panel`), and drawn once (`draw`) through
//! plotters, onto SVG (`svg`) and PNG (`png`). plotters is the drawing library because it writes
//! both from one code path, in Rust, without a browser or a system library; what it lacks stands
//! here: sub-pixel curves (`pen`), light and dark (`tone`), labels and marks that keep apart
//! (`place`, `spread`), values under the pointer (`assets/hover.js`).
//!
//! - [`design_plot`]: a design as HTML, SVG or PNG.
//! - [`recorded_report`]: the page of a run on recorded rollouts; [`recorded_plot`]: its first picture alone.
//! - [`calibration_plots`], [`calibration_words`]: the diagnostics of a calibration alone.
//! - [`run_report`]: the page of a run that trained; [`compare_report`]: several runs beside one another.
//!
//! Everything is a pure function of its input: the same input gives the same bytes.
#![forbid(unsafe_code)]

mod answer;
mod axis;
mod calibration_plots;
mod design_panels;
mod design_plot;
mod draw;
mod error;
mod figures;
mod frame;
mod html;
mod legend;
mod page;
mod panel;
mod pen;
mod place;
mod png;
mod recorded_panels;
mod recorded_plot;
mod recorded_report;
mod run_report;
mod spread;
mod svg;
mod tone;

pub use calibration_plots::{CalibrationWords, NeededWords, calibration_plots, calibration_words};
pub use design_plot::{Format, design_plot};
pub use error::{Error, Result};
pub use recorded_plot::recorded_plot;
pub use recorded_report::{Meta, recorded_report};
pub use run_report::{RunReport, SampleSet, SampleText, TrainingCurve, compare_report, run_report};
