//! Strokes, shapes and text on any backend of plotters, in units of the drawing.
//!
//! plotters places everything at whole backend pixels; drawing at a multiple of the final size
//! (`scale`) and letting the SVG's view box or the PNG's averaging bring it back keeps curves
//! smooth.

use std::sync::OnceLock;

use plotters::{
    coord::Shift,
    prelude::{Circle, DrawingArea, DrawingBackend, PathElement, Polygon, Text},
    style::{
        Color, FontDesc, FontFamily, FontStyle, RGBAColor, RGBColor, ShapeStyle, TextStyle,
        register_font,
        text_anchor::{HPos, Pos, VPos},
    },
};

use crate::{
    error::{Error, Result},
    tone::{Rgb, Shape, Tone},
};

/// The font, under the very list of families that an SVG names: a browser takes its own sans
/// serif, a PNG (and the measuring of labels) Noto Sans, embedded (SIL Open Font License 1.1,
/// which allows bundling with any software; 400 KB for two weights).
const FAMILY: &str = "system-ui, Segoe UI, Noto Sans, Helvetica, Arial, sans-serif";

/// Line height of Noto Sans over its em (ascent 1.069 + descent 0.293): plotters sizes embedded
/// fonts by line height.
const NOTO_LINE: f64 = 1.362;

/// plotters' SVG backend divides a font's size by this to get the em.
const SVG_LINE: f64 = 1.24;

/// The SVG backend sets the baseline half an x-height (0.27 em) below the middle, the pixel
/// backend 0.13 em; half a digit's height is 0.34 em.
const SVG_LIFT: f64 = 0.07;
const NOTO_LIFT: f64 = 0.21;

/// Where text stands relative to its place.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Align {
    /// Its left end there.
    Left,
    /// Its middle there.
    Middle,
    /// Its right end there.
    Right,
}

/// A pen over a drawing area.
pub(crate) struct Pen<'a, B: DrawingBackend> {
    area: &'a DrawingArea<B, Shift>,
    scale: f64,
    line_height: f64,
    /// How far, in em, the backend sets text above the middle of its capitals.
    lift: f64,
    origin: (f64, f64),
}

impl<'a, B: DrawingBackend> Pen<'a, B> {
    /// A pen for a vector backend.
    pub(crate) fn vector(area: &'a DrawingArea<B, Shift>, scale: f64) -> Self {
        Self {
            area,
            scale,
            line_height: SVG_LINE,
            lift: SVG_LIFT,
            origin: (0.0, 0.0),
        }
    }

    /// A pen for a pixel backend.
    pub(crate) fn pixel(area: &'a DrawingArea<B, Shift>, scale: f64) -> Self {
        Self {
            area,
            scale,
            line_height: NOTO_LINE,
            lift: NOTO_LIFT,
            origin: (0.0, 0.0),
        }
    }

    /// The same pen with its origin moved.
    pub(crate) const fn at(&self, x: f64, y: f64) -> Self {
        Self {
            origin: (x, y),
            ..*self
        }
    }

    /// Everything in one tone.
    pub(crate) fn fill(&self, tone: Tone) -> Result<()> {
        self.area.fill(&colour(tone.light(), 1.0)).map_err(drawing)
    }

    /// A stroke along a path.
    pub(crate) fn stroke(
        &self,
        path: &[(f64, f64)],
        tone: Tone,
        width: f64,
        alpha: f64,
    ) -> Result<()> {
        let path: Vec<(i32, i32)> = path.iter().map(|place| self.pixel_of(*place)).collect();
        if path.len() < 2 {
            return Ok(());
        }
        let style = colour(tone.light(), alpha).stroke_width(self.length(width));
        self.area
            .draw(&PathElement::new(path, style))
            .map_err(drawing)
    }

    /// A dashed stroke along a path: `on` units drawn, `off` left out.
    pub(crate) fn dashes(
        &self,
        path: &[(f64, f64)],
        tone: Tone,
        width: f64,
        alpha: f64,
        (on, off): (f64, f64),
    ) -> Result<()> {
        let (mut dash, mut left, mut drawing_on) = (Vec::new(), on, true);
        for pair in path.windows(2) {
            let (mut from, to) = (pair[0], pair[1]);
            loop {
                let length = (to.0 - from.0).hypot(to.1 - from.1);
                if drawing_on && dash.is_empty() {
                    dash.push(from);
                }
                if length <= left {
                    left -= length;
                    if drawing_on {
                        dash.push(to);
                    }
                    break;
                }
                let share = left / length;
                from = (
                    from.0 + share * (to.0 - from.0),
                    from.1 + share * (to.1 - from.1),
                );
                if drawing_on {
                    dash.push(from);
                    self.stroke(&dash, tone, width, alpha)?;
                    dash.clear();
                }
                drawing_on = !drawing_on;
                left = if drawing_on { on } else { off };
            }
        }
        self.stroke(&dash, tone, width, alpha)
    }

    /// A mark of `radius` units: filled, or the paper's colour inside when `hollow`.
    pub(crate) fn mark(
        &self,
        place: (f64, f64),
        shape: Shape,
        tone: Tone,
        radius: f64,
        hollow: bool,
    ) -> Result<()> {
        let corners: &[(f64, f64)] = match shape {
            Shape::Circle => &[],
            Shape::Diamond => &[(0.0, -1.3), (1.3, 0.0), (0.0, 1.3), (-1.3, 0.0)],
            Shape::Square => &[(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)],
            Shape::Triangle => &[(0.0, -1.25), (1.15, 0.75), (-1.15, 0.75)],
            Shape::Wedge => &[(0.0, 1.25), (1.15, -0.75), (-1.15, -0.75)],
        };
        let inside = if hollow { Tone::Paper } else { tone };
        if corners.is_empty() {
            let (centre, fill) = (self.pixel_of(place), colour(inside.light(), 1.0).filled());
            let size = self.length(radius);
            self.area
                .draw(&Circle::new(centre, size, fill))
                .map_err(drawing)?;
            let edge: Vec<(f64, f64)> = (0..=24)
                .map(|i| f64::from(i) * core::f64::consts::TAU / 24.0)
                .map(|angle| {
                    (
                        place.0 + radius * angle.cos(),
                        place.1 + radius * angle.sin(),
                    )
                })
                .collect();
            return if hollow {
                self.stroke(&edge, tone, 1.4, 1.0)
            } else {
                Ok(())
            };
        }
        let mut edge: Vec<(f64, f64)> = corners
            .iter()
            .map(|(x, y)| (place.0 + radius * x, place.1 + radius * y))
            .collect();
        self.polygon(&edge, inside)?;
        edge.push(edge[0]);
        if hollow {
            self.stroke(&edge, tone, 1.4, 1.0)
        } else {
            Ok(())
        }
    }

    /// A filled polygon.
    pub(crate) fn polygon(&self, corners: &[(f64, f64)], tone: Tone) -> Result<()> {
        self.veil(corners, tone, 1.0)
    }

    /// A polygon through which the ground shows: `alpha` of it is covered.
    pub(crate) fn veil(&self, corners: &[(f64, f64)], tone: Tone, alpha: f64) -> Result<()> {
        let corners: Vec<(i32, i32)> = corners.iter().map(|place| self.pixel_of(*place)).collect();
        let style: ShapeStyle = colour(tone.light(), alpha).filled();
        self.area
            .draw(&Polygon::new(corners, style))
            .map_err(drawing)
    }

    /// Text of `size` units, centred in height on its place.
    pub(crate) fn text(
        &self,
        text: &str,
        place: (f64, f64),
        (size, bold): (f64, bool),
        align: Align,
        tone: Tone,
    ) -> Result<()> {
        let h_pos = match align {
            Align::Left => HPos::Left,
            Align::Middle => HPos::Center,
            Align::Right => HPos::Right,
        };
        let ink = colour(tone.light(), 1.0);
        let style = TextStyle::from(font(size * self.line_height * self.scale, bold))
            .color(&ink)
            .pos(Pos::new(h_pos, VPos::Center));
        // XML allows no control characters.
        let text: String = text
            .chars()
            .map(|c| if c.is_control() { '\u{fffd}' } else { c })
            .collect();
        let place = (place.0, place.1 + self.lift * size);
        self.area
            .draw(&Text::new(text, self.pixel_of(place), style))
            .map_err(drawing)
    }

    fn pixel_of(&self, (x, y): (f64, f64)) -> (i32, i32) {
        // Places are within a drawing of a few thousand pixels: far inside i32.
        let pixel = |v: f64| (v * self.scale).round() as i32;
        (pixel(self.origin.0 + x), pixel(self.origin.1 + y))
    }

    fn length(&self, units: f64) -> u32 {
        (units * self.scale).round().max(1.0) as u32
    }
}

/// The width of `text` at `size` units, by Noto Sans.
pub(crate) fn width(text: &str, size: f64, bold: bool) -> Result<f64> {
    // Measured large, because plotters rounds widths to whole pixels.
    let (width, _) = font(100.0 * NOTO_LINE, bold)
        .box_size(text)
        .map_err(|error| Error::Drawing(error.to_string()))?;
    Ok(f64::from(width) * size / 100.0)
}

/// The font at a size in plotters' measure.
fn font(size: f64, bold: bool) -> FontDesc<'static> {
    static REGISTERED: OnceLock<()> = OnceLock::new();
    REGISTERED.get_or_init(|| {
        // Fails only on bytes that are no font; drawing then says so.
        let _ = register_font(FAMILY, FontStyle::Normal, notosans::REGULAR_TTF);
        let _ = register_font(FAMILY, FontStyle::Bold, notosans::BOLD_TTF);
    });
    let style = if bold {
        FontStyle::Bold
    } else {
        FontStyle::Normal
    };
    FontDesc::new(FontFamily::Name(FAMILY), size, style)
}

fn colour(rgb: Rgb, alpha: f64) -> RGBAColor {
    let channel = |shift: u32| ((rgb >> shift) & 0xff) as u8;
    RGBColor(channel(16), channel(8), channel(0)).mix(alpha)
}

fn drawing(error: impl core::fmt::Display) -> Error {
    Error::Drawing(error.to_string())
}
