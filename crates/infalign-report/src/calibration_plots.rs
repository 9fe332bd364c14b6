//! The diagnostics of a calibration on their own: words for a terminal, and one SVG file for each picture.

use infalign::evaluation::CalibrationDiagnostics;

pub use crate::run_report::calibration::{CalibrationWords, NeededWords};
use crate::{
    axis::Axis,
    error::Result,
    figures::significant,
    panel::{Line, Panel, SMALL, Sample, Weight},
    run_report::calibration::panels,
    svg,
    tone::Tone,
};

/// The diagnostics in words: what the page of a run says of them.
#[must_use]
pub fn calibration_words(diagnostics: &CalibrationDiagnostics) -> CalibrationWords {
    CalibrationWords::new(diagnostics)
}

/// SVG files by name: `law`, `pit`, `reliability` (with two held-out responses per prompt or more), `spread`, `needed-k` (where designs
/// were asked about). The same input gives the same bytes.
///
/// # Errors
/// [`crate::Error::Drawing`].
pub fn calibration_plots(
    diagnostics: &CalibrationDiagnostics,
) -> Result<Vec<(&'static str, String)>> {
    let mut all = panels(diagnostics);
    all.push(("spread", spread(diagnostics)));
    all.extend(needed(diagnostics).map(|panel| ("needed-k", panel)));
    all.iter()
        .map(|(name, panel)| Ok((*name, svg::file(core::slice::from_ref(panel), &panel.alt)?)))
        .collect()
}

/// The quantiles over prompts of a prompt's standard deviation.
fn spread(diagnostics: &CalibrationDiagnostics) -> Panel {
    let spread = &diagnostics.spread;
    let high = spread.values.iter().copied().fold(0.0, f64::max);
    let middle = spread.values.get(spread.values.len() / 2).copied();
    let mut panel = Panel::new(
        SMALL,
        "How far a prompt's rewards spread".to_owned(),
        (
            Axis::new("share of prompts below", 0.0, 1.0, false),
            Axis::new("standard deviation of rewards", 0.0, 1.1 * high, false),
        ),
        format!(
            "Quantiles over prompts of the standard deviation of a prompt's rewards: half of the prompts are below {}, the widest has {}. Ties: {:.1}% of pairs.",
            significant(middle.unwrap_or(0.0), 3),
            significant(high, 3),
            100.0 * diagnostics.tie_share
        ),
    );
    panel.lines.push(line(
        spread
            .levels
            .iter()
            .copied()
            .zip(spread.values.iter().copied()),
        "below",
    ));
    panel
}

/// What each design's K is beside the table's, on a scale of doublings.
fn needed(diagnostics: &CalibrationDiagnostics) -> Option<Panel> {
    let known: Vec<(usize, f64)> = diagnostics
        .needed_k
        .iter()
        .enumerate()
        .filter_map(|(i, needed)| Some((i, (needed.k? as f64).log2())))
        .collect();
    let here = (diagnostics.k.median as f64).log2();
    let high = known.iter().fold(here, |most, (_, k)| most.max(*k));
    let count = diagnostics.needed_k.len();
    (!known.is_empty()).then(|| {
        let mut x = Axis::new("", 0.0, count as f64, false);
        x.named_ticks = Some(
            diagnostics
                .needed_k
                .iter()
                .enumerate()
                .map(|(i, needed)| (i as f64 + 0.5, format!("{} {}", needed.procedure, needed.transform)))
                .collect(),
        );
        let mut panel = Panel::new(
            SMALL,
            "Rollouts that the designs need".to_owned(),
            (x, Axis::new("K, in doublings (log₂)", 0.0, 1.15 * high, false)),
            format!(
                "The smallest K that costs at most half a point of win rate, for {count} designs, beside the table's K of {}.",
                diagnostics.k.median
            ),
        );
        panel.bars = known
            .iter()
            .map(|(i, k)| crate::panel::Bar {
                tone: Tone::Identity,
                x: (*i as f64 + 0.2, *i as f64 + 0.8),
                y: (0.0, *k),
                text: format!("K = {}", k.exp2().round()),
            })
            .collect();
        panel.level = Some((here, format!("K = {}", diagnostics.k.median)));
        panel
    })
}

fn line(points: impl Iterator<Item = (f64, f64)>, what: &str) -> Line {
    Line {
        name: String::new(),
        tone: Tone::Identity,
        weight: Weight::Bold,
        dashed: false,
        points: points
            .map(|(x, y)| Sample {
                x,
                y,
                text: format!("{:.0}% {what}\n{}", 100.0 * x, significant(y, 3)),
            })
            .collect(),
    }
}
