//! Keeps marks from hiding one another: each goes aside by no more than it must.

use crate::{draw::frame, error::Result, panel::Panel};

/// Least distance between marks whose whiskers or arrows overlap in height.
const STEP: f64 = 6.0;
/// Half the height of a mark.
const HALF: f64 = 6.0;
/// Steps aside that are tried, nearest first; the last is taken when none is free.
const STEPS: [f64; 11] = [0.0, 1.0, -1.0, 2.0, -2.0, 3.0, -3.0, 4.0, -4.0, 5.0, -5.0];

/// Sets every mark's `shift`, in the order of the marks: the first stay where they belong.
pub(crate) fn spread(panel: &mut Panel) -> Result<()> {
    let frame = frame(panel)?;
    // (x, top, bottom) of the marks placed so far.
    let mut taken: Vec<(f64, f64, f64)> = Vec::new();
    for i in 0..panel.marks.len() {
        let mark = &panel.marks[i];
        if mark.minor {
            continue;
        }
        let (x, y) = frame.place(panel, mark.at.x, mark.at.y);
        let (mut top, mut bottom) = (y - HALF, y + HALF);
        let ends = mark.whisker.map(|(low, high)| [low, high]);
        for end in ends.into_iter().flatten().chain(mark.from) {
            let (_, y) = frame.place(panel, mark.at.x, end);
            (top, bottom) = (top.min(y), bottom.max(y));
        }
        let free = |x: f64| {
            taken.iter().all(|(other, high, low)| {
                (x - other).abs() >= STEP - 0.01 || top > *low || bottom < *high
            })
        };
        let shifts = STEPS.map(|steps| steps * STEP);
        let shift = shifts
            .into_iter()
            .find(|shift| free(x + shift))
            .unwrap_or(shifts[10]);
        taken.push((x + shift, top, bottom));
        panel.marks[i].shift = shift;
    }
    // What a mark sums up goes aside with it.
    let shifts: Vec<(String, f64)> = panel
        .marks
        .iter()
        .filter(|mark| !mark.minor)
        .map(|mark| (mark.name.clone(), mark.shift))
        .collect();
    for mark in panel.marks.iter_mut().filter(|mark| mark.minor) {
        let sum = shifts.iter().find(|(name, _)| *name == mark.name);
        mark.shift = sum.map_or(0.0, |(_, shift)| *shift);
    }
    Ok(())
}
