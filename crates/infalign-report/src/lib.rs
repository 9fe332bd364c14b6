//! Plots and the self-contained HTML report of infalign.
//!
//! One description of a picture ([`panel`](crate)) is drawn through plotters onto SVG and PNG.
//! plotters is the drawing library because it writes both from one code path, in Rust, without
//! a browser or a system library; what it lacks (smooth curves in SVG, dark colours, values under
//! the pointer) stands in `pen`, `tone` and `assets/hover.js`.
#![forbid(unsafe_code)]

mod answer;
mod axis;
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
mod recorded_report;
mod spread;
mod svg;
mod tone;

pub use design_plot::{Format, design_plot};
pub use error::{Error, Result};
pub use recorded_report::{Meta, recorded_report};
