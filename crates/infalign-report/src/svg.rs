//! Panels as SVG: alone with its own style sheet, or inside a page with values for the pointer.

use plotters::prelude::{IntoDrawingArea, SVGBackend};

use crate::{
    draw,
    error::{Error, Result},
    html::{escape, json},
    panel::{Panel, SIZE},
    pen::Pen,
    tone::{Tone, dark_rules},
};

/// Backend pixels to a unit: plotters rounds places to whole pixels, so a tenth of a unit is kept.
const SCALE: f64 = 10.0;

/// The style that drawings share: smooth joins; text cannot be caught by the pointer.
pub(crate) const STYLE: &str =
    "polyline{stroke-linejoin:round;stroke-linecap:round}text{pointer-events:none}";

/// The panels side by side as one SVG file.
pub(crate) fn file(panels: &[Panel], alt: &str) -> Result<String> {
    let (size, body) = draw_all(panels)?;
    let style = format!("<style>{STYLE}{}</style>", dark_rules("svg"));
    Ok(format!(
        "{}<title>{}</title>{style}\n{body}",
        opening(size, true),
        escape(alt)
    ))
}

/// One panel inside a page, with the values that the pointer reads as JSON beside it.
pub(crate) fn inline(panel: &Panel) -> Result<String> {
    let (size, body) = draw_all(core::slice::from_ref(panel))?;
    Ok(format!(
        "<div class=\"panel\">{}<title>{}</title>\n{body}</svg><script type=\"application/json\">{}</script></div>",
        opening(size, false),
        escape(&panel.alt),
        values(panel)?,
        body = body.trim_end().trim_end_matches("</svg>"),
    ))
}

/// The size in backend pixels, and what plotters wrote after its opening tag.
fn draw_all(panels: &[Panel]) -> Result<((u32, u32), String)> {
    let size = match panels {
        [only] => pixels(only.size, SCALE),
        _ => size(panels.len(), SCALE),
    };
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        let pen = Pen::vector(&area, SCALE);
        pen.fill(Tone::Paper)?;
        for (i, panel) in panels.iter().enumerate() {
            draw::panel(&pen.at(i as f64 * SIZE.0, 0.0), panel)?;
        }
        area.present()
            .map_err(|error| Error::Drawing(error.to_string()))?;
    }
    let body = svg.split_once(">\n").map(|(_, body)| body.to_owned());
    Ok((
        size,
        body.ok_or_else(|| Error::Drawing("SVG without an opening tag".to_owned()))?,
    ))
}

/// The size of `count` panels side by side in pixels of `scale` to a unit.
pub(crate) fn size(count: usize, scale: f64) -> (u32, u32) {
    pixels((SIZE.0 * count as f64, SIZE.1), scale)
}

fn pixels((width, height): (f64, f64), scale: f64) -> (u32, u32) {
    (
        (width * scale).round() as u32,
        (height * scale).round() as u32,
    )
}

fn opening((width, height): (u32, u32), file: bool) -> String {
    let size = if file {
        let units = |pixels: u32| f64::from(pixels) / SCALE;
        format!(" width=\"{}\" height=\"{}\"", units(width), units(height))
    } else {
        String::new()
    };
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\"{size} viewBox=\"0 0 {width} {height}\">"
    )
}

/// What the pointer reads: per curve or mark its name, colour, and `[x, y, text]` in pixels of
/// the view box.
fn values(panel: &Panel) -> Result<String> {
    let frame = draw::frame(panel)?;
    let pixel = |v: f64| (v * SCALE).round() as i64;
    let lines = panel.lines.iter().map(|line| {
        let samples = line.points.iter().filter_map(|sample| {
            let place = frame.place(panel, sample.x, sample.y);
            frame
                .holds(place)
                .then(|| (pixel(place.0), pixel(place.1), &*sample.text))
        });
        (
            &*line.name,
            line.tone.hex(),
            false,
            samples.collect::<Vec<_>>(),
        )
    });
    let marks = panel.marks.iter().map(|mark| {
        let (x, y) = frame.place(panel, mark.at.x, mark.at.y);
        let sample = (pixel(x + mark.shift), pixel(y), &*mark.at.text);
        (&*mark.name, mark.tone.hex(), true, vec![sample])
    });
    let bars = panel
        .bars
        .iter()
        .filter(|bar| !bar.text.is_empty())
        .map(|bar| {
            let middle = f64::midpoint(bar.x.0, bar.x.1);
            let (x, y) = frame.place(panel, middle, bar.y.1.min(panel.y.high));
            let sample = (pixel(x), pixel(y), &*bar.text);
            ("", bar.tone.hex(), false, vec![sample])
        });
    Ok(json(&lines.chain(bars).chain(marks).collect::<Vec<_>>()))
}
