//! A panel: axes, lines, marks and notes, said once and drawn by every backend.

use crate::{
    axis::Axis,
    tone::{Shape, Tone},
};

/// Width and height of a panel in units of the drawing (CSS pixels at scale 1).
pub(crate) const SIZE: (f64, f64) = (470.0, 384.0);
/// The same of one panel among many, which are read by comparing them.
pub(crate) const SMALL: (f64, f64) = (350.0, 250.0);

/// One coordinate system with what is drawn in it.
#[derive(Debug, Clone)]
pub(crate) struct Panel {
    /// Width and height: [`SIZE`] or [`SMALL`].
    pub(crate) size: (f64, f64),
    /// What the panel shows.
    pub(crate) title: String,
    /// Horizontal axis.
    pub(crate) x: Axis,
    /// Vertical axis; its name stands above it.
    pub(crate) y: Axis,
    /// Vertical rules with a label, for example the requested KL.
    pub(crate) rules: Vec<(f64, String)>,
    /// A horizontal level with a label, for example chance.
    pub(crate) level: Option<(f64, String)>,
    /// Bars and bands, drawn below the curves.
    pub(crate) bars: Vec<Bar>,
    /// Curves, drawn in order.
    pub(crate) lines: Vec<Line>,
    /// Whether the names of the curves are left to a legend and the pointer.
    pub(crate) unnamed: bool,
    /// Single points, drawn above the curves.
    pub(crate) marks: Vec<Mark>,
    /// A short remark in the lower right corner.
    pub(crate) note: Option<String>,
    /// What a reader who cannot see the picture is told.
    pub(crate) alt: String,
}

impl Panel {
    /// A panel in which nothing is drawn yet.
    pub(crate) fn new(size: (f64, f64), title: String, (x, y): (Axis, Axis), alt: String) -> Self {
        Self {
            size,
            title,
            x,
            y,
            rules: Vec::new(),
            level: None,
            bars: Vec::new(),
            lines: Vec::new(),
            unnamed: false,
            marks: Vec::new(),
            note: None,
            alt,
        }
    }
}

/// A bar of a histogram, or a piece of a band around a curve.
#[derive(Debug, Clone)]
pub(crate) struct Bar {
    /// Its colour.
    pub(crate) tone: Tone,
    /// Left and right end.
    pub(crate) x: (f64, f64),
    /// Lower and upper end.
    pub(crate) y: (f64, f64),
    /// What the pointer reads at the middle of its upper end; empty for nothing.
    pub(crate) text: String,
}

/// A curve.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    /// Its name, written at its right end.
    pub(crate) name: String,
    /// Its colour.
    pub(crate) tone: Tone,
    /// Its weight.
    pub(crate) weight: Weight,
    /// Whether it is dashed.
    pub(crate) dashed: bool,
    /// Its points from left to right.
    pub(crate) points: Vec<Sample>,
}

/// How much a line stands out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weight {
    /// A backdrop.
    Faint,
    /// One of many.
    Plain,
    /// The one to look at.
    Bold,
}

/// A point of a curve, with what the pointer reads there.
#[derive(Debug, Clone)]
pub(crate) struct Sample {
    /// Position on the horizontal axis.
    pub(crate) x: f64,
    /// Position on the vertical axis.
    pub(crate) y: f64,
    /// Lines of text for the pointer.
    pub(crate) text: String,
}

/// A single point.
#[derive(Debug, Clone)]
pub(crate) struct Mark {
    /// Its name.
    pub(crate) name: String,
    /// Its colour.
    pub(crate) tone: Tone,
    /// Its shape.
    pub(crate) shape: Shape,
    /// Where it is and what the pointer reads there.
    pub(crate) at: Sample,
    /// Shift to the right in units of the drawing, which keeps neighbours apart.
    pub(crate) shift: f64,
    /// Whether it is one of those that another mark sums up: small and pale.
    pub(crate) minor: bool,
    /// The interval, where one is known.
    pub(crate) whisker: Option<(f64, f64)>,
    /// The interval along the horizontal axis, where one is known.
    pub(crate) across: Option<(f64, f64)>,
    /// The value that an arrow comes from: the same policy by another judge.
    pub(crate) from: Option<f64>,
    /// A label beside it.
    pub(crate) label: Option<String>,
}
