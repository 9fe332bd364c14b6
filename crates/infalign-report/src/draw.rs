//! Draws a panel: axes, curves with their names at the right end, marks with whiskers.

use plotters::prelude::DrawingBackend;

use crate::{
    error::Result,
    frame::Frame,
    panel::{Bar, Line, Mark, Panel, SIZE, Weight},
    pen::{Align, Pen, width},
    place::apart,
    tone::Tone,
};

const TITLE: (f64, bool) = (15.0, true);
const BODY: (f64, bool) = (12.5, false);
const STRONG: (f64, bool) = (12.5, true);
/// Height of a line of labels.
const LABEL_GAP: f64 = 16.0;
/// Longest name at the end of a curve, and longest line of text across a panel, in characters;
/// the whole name is in the table and under the pointer.
const LABEL_CHARS: usize = 18;
const LINE_CHARS: usize = 48;
/// Widest sans serif that a browser is likely to have (Verdana), against Noto's.
const WIDEST_FONT: f64 = 1.12;

/// The frame that a panel gets, with room for the names of its lines.
pub(crate) fn frame(panel: &Panel) -> Result<Frame> {
    let mut widest = 0.0_f64;
    for line in named(panel) {
        widest = widest.max(width(
            &short(&line.name, LABEL_CHARS),
            BODY.0,
            line.weight == Weight::Bold,
        )?);
    }
    let labels = if widest > 0.0 {
        widest * WIDEST_FONT + 16.0
    } else {
        6.0
    };
    let mut ticks = 0.0_f64;
    for (_, label) in panel.y.ticks(5) {
        ticks = ticks.max(width(&label, BODY.0, BODY.1)?);
    }
    Ok(Frame::new(panel.size, (ticks * WIDEST_FONT + 9.0, labels)))
}

/// The lines whose names are written at their ends.
fn named(panel: &Panel) -> impl Iterator<Item = &Line> {
    let lines = panel.lines.iter();
    lines.filter(|line| !panel.unnamed && !line.name.is_empty())
}

/// Draws `panel` at the pen's origin.
pub(crate) fn panel<B: DrawingBackend>(pen: &Pen<'_, B>, panel: &Panel) -> Result<()> {
    let frame = frame(panel)?;
    axes(pen, panel, &frame)?;
    for each in &panel.bars {
        bar(pen, panel, &frame, each)?;
    }
    for line in &panel.lines {
        curve(pen, panel, &frame, line)?;
    }
    names(pen, panel, &frame)?;
    for mark in &panel.marks {
        arrow(pen, panel, &frame, mark)?;
    }
    for mark in &panel.marks {
        point(pen, panel, &frame, mark)?;
    }
    if let Some(note) = &panel.note {
        let note = &short(note, LINE_CHARS);
        let place = (frame.right - 4.0, frame.bottom - 14.0);
        let (left, right) = (place.0 - width(note, BODY.0, BODY.1)? - 4.0, frame.right);
        let (top, bottom) = (place.1 - 9.0, place.1 + 9.0);
        let ground = [(left, top), (right, top), (right, bottom), (left, bottom)];
        pen.polygon(&ground, Tone::Paper)?;
        pen.text(note, place, BODY, Align::Right, Tone::Muted)?;
    }
    Ok(())
}

fn axes<B: DrawingBackend>(pen: &Pen<'_, B>, panel: &Panel, frame: &Frame) -> Result<()> {
    let chars = |most: usize| (most as f64 * panel.size.0 / SIZE.0) as usize;
    pen.text(
        &short(&panel.title, chars(LINE_CHARS)),
        (4.0, 14.0),
        TITLE,
        Align::Left,
        Tone::Ink,
    )?;
    pen.text(
        &short(&panel.y.name, chars(LINE_CHARS + 10)),
        (4.0, 35.0),
        BODY,
        Align::Left,
        Tone::Muted,
    )?;
    let middle = f64::midpoint(frame.left, frame.right);
    pen.text(
        &panel.x.name,
        (middle, panel.size.1 - 9.0),
        BODY,
        Align::Middle,
        Tone::Muted,
    )?;
    for (value, label) in panel.y.ticks(5) {
        let (_, y) = frame.place(panel, panel.x.low, value);
        pen.stroke(&[(frame.left, y), (frame.right, y)], Tone::Grid, 1.0, 1.0)?;
        pen.text(
            &label,
            (frame.left - 7.0, y),
            BODY,
            Align::Right,
            Tone::Muted,
        )?;
    }
    for (value, label) in panel.x.ticks(5) {
        let (x, _) = frame.place(panel, value, panel.y.low);
        pen.stroke(
            &[(x, frame.bottom), (x, frame.bottom + 5.0)],
            Tone::Muted,
            1.0,
            1.0,
        )?;
        pen.text(
            &label,
            (x, frame.bottom + 16.0),
            BODY,
            Align::Middle,
            Tone::Muted,
        )?;
    }
    let floor = [(frame.left, frame.bottom), (frame.right, frame.bottom)];
    pen.stroke(&floor, Tone::Muted, 1.0, 1.0)?;
    if let Some((value, label)) = &panel.level {
        let (_, y) = frame.place(panel, panel.x.low, *value);
        if frame.holds((frame.left, y)) {
            let path = [(frame.left, y), (frame.right, y)];
            pen.dashes(&path, Tone::Muted, 1.0, 1.0, (2.0, 3.0))?;
            let place = (frame.right - 4.0, y - 9.0);
            pen.text(label, place, BODY, Align::Right, Tone::Muted)?;
        }
    }
    for (value, label) in &panel.rules {
        let (x, _) = frame.place(panel, *value, panel.y.low);
        pen.dashes(
            &[(x, frame.top), (x, frame.bottom)],
            Tone::Muted,
            1.2,
            1.0,
            (5.0, 4.0),
        )?;
        let half = width(label, BODY.0, BODY.1)? / 2.0;
        let centre = x.clamp(
            frame.left + half,
            (panel.size.0 - half).max(frame.left + half),
        );
        pen.text(
            label,
            (centre, frame.top - 10.0),
            BODY,
            Align::Middle,
            Tone::Muted,
        )?;
    }
    Ok(())
}

/// A filled rectangle, cut at the frame, pale enough for curves to stand out from it.
fn bar<B: DrawingBackend>(pen: &Pen<'_, B>, panel: &Panel, frame: &Frame, bar: &Bar) -> Result<()> {
    let (left, bottom) = frame.place(panel, bar.x.0, bar.y.0);
    let (right, top) = frame.place(panel, bar.x.1, bar.y.1);
    let across = |x: f64| x.clamp(frame.left, frame.right);
    let up = |y: f64| y.clamp(frame.top, frame.bottom);
    let (left, right, top, bottom) = (across(left), across(right), up(top), up(bottom));
    // Half a unit of paper between neighbours.
    let right = (right - 0.5).max(left);
    let corners = [(left, top), (right, top), (right, bottom), (left, bottom)];
    pen.veil(&corners, bar.tone, 0.3)
}

fn curve<B: DrawingBackend>(
    pen: &Pen<'_, B>,
    panel: &Panel,
    frame: &Frame,
    line: &Line,
) -> Result<()> {
    let path: Vec<(f64, f64)> = line
        .points
        .iter()
        .map(|sample| frame.place(panel, sample.x, sample.y))
        .collect();
    let (stroke, alpha) = match line.weight {
        Weight::Faint => (1.4, 0.75),
        Weight::Plain => (1.8, 1.0),
        Weight::Bold => (3.0, 1.0),
    };
    // A curve of one point is a dot.
    if let [only] = path[..]
        && frame.holds(only)
    {
        pen.mark(only, crate::tone::Shape::Circle, line.tone, 2.5, false)?;
    }
    for piece in frame.clip(&path) {
        if line.dashed {
            pen.dashes(&piece, line.tone, stroke, alpha, (6.0, 4.0))?;
        } else {
            pen.stroke(&piece, line.tone, stroke, alpha)?;
        }
    }
    Ok(())
}

/// The names at the right, each joined to the end of its curve.
fn names<B: DrawingBackend>(pen: &Pen<'_, B>, panel: &Panel, frame: &Frame) -> Result<()> {
    let ends: Vec<(&Line, (f64, f64))> = named(panel)
        .filter_map(|line| {
            let path: Vec<(f64, f64)> = line
                .points
                .iter()
                .map(|s| frame.place(panel, s.x, s.y))
                .collect();
            let end = match path[..] {
                [only] => frame.holds(only).then_some(only),
                _ => frame
                    .clip(&path)
                    .last()
                    .and_then(|piece| piece.last().copied()),
            };
            end.map(|end| (line, end))
        })
        .collect();
    let wanted: Vec<f64> = ends.iter().map(|(_, (_, y))| *y).collect();
    let placed = apart(&wanted, LABEL_GAP, frame.top - 4.0, frame.bottom - 2.0);
    for ((line, end), y) in ends.into_iter().zip(placed) {
        let leader = [(end.0 + 1.0, end.1), (frame.right + 11.0, y)];
        // A curve that ends early is joined by dots, so that no one takes the leader for it.
        if end.0 < frame.right - 12.0 {
            pen.dashes(&leader, line.tone, 1.0, 0.6, (1.0, 4.0))?;
        } else {
            pen.stroke(&leader, line.tone, 1.0, 0.7)?;
        }
        let style = if line.weight == Weight::Bold {
            STRONG
        } else {
            BODY
        };
        pen.text(
            &short(&line.name, LABEL_CHARS),
            (frame.right + 15.0, y),
            style,
            Align::Left,
            Tone::Ink,
        )?;
    }
    Ok(())
}

/// From what one judge says to what another says of the same policy.
fn arrow<B: DrawingBackend>(
    pen: &Pen<'_, B>,
    panel: &Panel,
    frame: &Frame,
    mark: &Mark,
) -> Result<()> {
    let Some(from) = mark.from else { return Ok(()) };
    let (x, start) = frame.place(panel, mark.at.x, from);
    let (_, end) = frame.place(panel, mark.at.x, mark.at.y);
    let x = x + mark.shift;
    if (start - end).abs() > 8.0 {
        pen.stroke(&[(x, start), (x, end)], mark.tone, 1.2, 0.5)?;
    }
    pen.mark((x, start), mark.shape, mark.tone, 3.6, true)
}

fn point<B: DrawingBackend>(
    pen: &Pen<'_, B>,
    panel: &Panel,
    frame: &Frame,
    mark: &Mark,
) -> Result<()> {
    let (x, y) = frame.place(panel, mark.at.x, mark.at.y);
    let x = x + mark.shift;
    if mark.minor {
        return pen.mark((x, y), mark.shape, mark.tone, 2.2, true);
    }
    if let Some((low, high)) = mark.across {
        let (left, _) = frame.place(panel, low, mark.at.y);
        let (right, _) = frame.place(panel, high, mark.at.y);
        let inside = |x: f64| x.clamp(frame.left, frame.right);
        let ends = [
            (inside(left + mark.shift), y),
            (inside(right + mark.shift), y),
        ];
        pen.stroke(&ends, mark.tone, 2.2, 1.0)?;
        for (end, _) in ends {
            pen.stroke(&[(end, y - 3.0), (end, y + 3.0)], mark.tone, 1.6, 1.0)?;
        }
    }
    if let Some((low, high)) = mark.whisker {
        let (_, bottom) = frame.place(panel, mark.at.x, low);
        let (_, top) = frame.place(panel, mark.at.x, high);
        // Few prompts give intervals beyond 0 and 1: such an end has no cap.
        let inside = |y: f64| y.clamp(frame.top, frame.bottom);
        pen.stroke(
            &[(x, inside(bottom)), (x, inside(top))],
            mark.tone,
            2.2,
            1.0,
        )?;
        for end in [bottom, top].into_iter().filter(|end| inside(*end) == *end) {
            pen.stroke(&[(x - 3.0, end), (x + 3.0, end)], mark.tone, 1.6, 1.0)?;
        }
    }
    pen.mark((x, y), mark.shape, mark.tone, 4.4, false)?;
    if let Some(label) = &mark.label {
        let label = &short(label, LINE_CHARS);
        let length = width(label, BODY.0, BODY.1)?;
        // Below and to the right, unless that is outside.
        let y = if y + 20.0 < frame.bottom {
            y + 11.0
        } else {
            y - 12.0
        };
        let left = if x + 9.0 + length <= frame.right {
            x + 9.0
        } else {
            x - 9.0 - length
        };
        let place = (left.max(frame.left + 4.0), y);
        pen.text(label, place, BODY, Align::Left, Tone::Ink)?;
    }
    Ok(())
}

/// At most so many characters of a name.
fn short(name: &str, chars: usize) -> String {
    if name.chars().count() <= chars {
        return name.to_owned();
    }
    let kept: String = name.chars().take(chars - 1).collect();
    format!("{kept}…")
}
