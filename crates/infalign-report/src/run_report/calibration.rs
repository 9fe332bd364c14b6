//! How good the calibration is: histograms of Ĉ for fresh responses of the base, reliability, spread, ties, the K needed.

use infalign::evaluation::CalibrationDiagnostics;

use super::{
    law::MeanLaw,
    words::{counted, or_dash},
};
use crate::{
    axis::Axis,
    figures::{percent, points, significant},
    panel::{Bar, Line, Mark, Panel, SMALL, Sample, Weight},
    tone::{Shape, Tone},
};

/// Half-width of a 95% interval in standard errors, of many values.
const REACH: f64 = 1.96;

/// The diagnostics of a calibration in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CalibrationWords {
    /// One sentence on whether the quantiles are to be trusted.
    pub summary: String,
    /// Figures by name.
    pub facts: Vec<(String, String)>,
    /// The rollouts that designs need.
    pub needed: Vec<NeededWords>,
    /// The levels of the spread in percent, and the quantile at each.
    pub spread: Vec<(String, String)>,
}

/// A row of the table of rollouts needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NeededWords {
    /// Φ.
    pub transform: String,
    /// T.
    pub procedure: String,
    /// KL budget in nats.
    pub kl: String,
    /// The smallest K that costs no more than `wanted`; a dash where none does.
    pub k: String,
    /// Points of win rate that are taken as acceptable.
    pub wanted: String,
    /// Points that the table's K costs.
    pub cost: String,
    /// Whether the table is too small for it.
    pub short: bool,
}

impl CalibrationWords {
    pub(crate) fn new(diagnostics: &CalibrationDiagnostics) -> Self {
        let infalign::evaluation::Rollouts {
            fewest,
            median,
            most,
        } = diagnostics.k;
        let pit = &diagnostics.pit;
        let k = if fewest == most {
            format!("{median}")
        } else {
            format!("{median} (median; from {fewest} to {most})")
        };
        let mut facts = vec![
            ("Rollouts per prompt K".to_owned(), k),
            (
                "Prompts".to_owned(),
                format!(
                    "{}, with {} each",
                    diagnostics.prompts,
                    counted(diagnostics.held_out, "fresh response", "fresh responses")
                ),
            ),
            (
                "Kolmogorov–Smirnov distance".to_owned(),
                format!(
                    "{:.4} (p = {})",
                    pit.kolmogorov_smirnov,
                    significant(pit.kolmogorov_smirnov_p, 3)
                ),
            ),
            (
                "χ² of the histogram".to_owned(),
                format!(
                    "{:.1} with {} degrees of freedom (p = {})",
                    pit.chi_squared,
                    pit.degrees_of_freedom,
                    significant(pit.chi_squared_p, 3)
                ),
            ),
        ];
        if let Some(error) = &diagnostics.error {
            facts.push((
                "Expected calibration error".to_owned(),
                format!(
                    "{:.4}; a perfect calibration shows {:.4} at this size; largest of a cell {:.4}",
                    error.expected, error.floor, error.maximum
                ),
            ));
        }
        facts.push((
            "Pairs of rewards that tie".to_owned(),
            percent(diagnostics.tie_share),
        ));
        facts.push((
            "Prompts whose rewards are all equal".to_owned(),
            diagnostics.flat_prompts.to_string(),
        ));
        let spread = diagnostics
            .spread
            .levels
            .iter()
            .zip(&diagnostics.spread.values)
            .map(|(level, value)| {
                (
                    format!("{}%", significant(100.0 * level, 3)),
                    significant(*value, 3),
                )
            })
            .collect();
        let needed = diagnostics
            .needed_k
            .iter()
            .map(|needed| NeededWords {
                transform: needed.transform.clone(),
                procedure: needed.procedure.clone(),
                kl: significant(needed.kl, 3),
                k: or_dash(needed.k.map(|k| k.to_string())),
                wanted: points(needed.wanted).trim_start_matches('+').to_owned(),
                cost: or_dash(
                    needed
                        .cost
                        .map(|cost| points(cost).trim_start_matches('+').to_owned()),
                ),
                short: needed.k.is_none_or(|k| k > median),
            })
            .collect();
        Self {
            summary: summary(diagnostics),
            facts,
            needed,
            spread,
        }
    }
}

/// One sentence on whether the quantiles are to be trusted.
fn summary(diagnostics: &CalibrationDiagnostics) -> String {
    // The customary level of significance; with ties broken at random the tests hold it.
    let even =
        diagnostics.pit.kolmogorov_smirnov_p >= 0.05 && diagnostics.pit.chi_squared_p >= 0.05;
    let mut text = if even {
        "Fresh responses of the base fall evenly over their calibrated quantiles, as they must: no sign of miscalibration at this size.".to_owned()
    } else {
        "Fresh responses of the base do not fall evenly over their calibrated quantiles: the rollouts of the calibration and the fresh responses differ by more than chance. Look for another sampling setting, another prompt format, or another version of the reward.".to_owned()
    };
    if diagnostics.tie_share > 0.05 {
        text.push_str(&format!(
            " {} of the pairs of rewards tie, which no calibration can part.",
            percent(diagnostics.tie_share)
        ));
    }
    text
}

/// The pictures, each under a name.
pub(crate) fn panels(diagnostics: &CalibrationDiagnostics) -> Vec<(&'static str, Panel)> {
    let u = || Axis::new("calibrated reward Ĉ", 0.0, 1.0, false);
    let mut panels = Vec::new();
    if let Some(law) = MeanLaw::of(&[&diagnostics.law]) {
        let high = law.density.iter().fold(1.2_f64, |most, d| most.max(*d));
        let mut panel = Panel::new(
            SMALL,
            "All fresh responses of the base".to_owned(),
            (
                u(),
                Axis::new("density (1 is perfect)", 0.0, 1.25 * high, false),
            ),
            format!(
                "Histogram of the calibrated reward of all fresh responses of the base: from {:.3} to {:.3} where perfect calibration has 1.",
                law.density.iter().copied().fold(f64::INFINITY, f64::min),
                law.density.iter().copied().fold(0.0, f64::max)
            ),
        );
        for (cell, (density, se)) in law.density.iter().zip(&law.standard_error).enumerate() {
            let x = (law.edges[cell], law.edges[cell + 1]);
            panel.bars.push(Bar {
                tone: Tone::Identity,
                x,
                y: (0.0, *density),
                text: String::new(),
            });
            let whisker = (density - REACH * se, density + REACH * se);
            let text = format!(
                "Ĉ {:.3}–{:.3}\ndensity {density:.3} ± {:.3}",
                x.0,
                x.1,
                REACH * se
            );
            let mut dot = dot(f64::midpoint(x.0, x.1), *density, text);
            dot.whisker = se.is_finite().then_some(whisker);
            panel.marks.push(dot);
        }
        panel.level = Some((1.0, String::new()));
        panels.push(("law", panel));
    }
    let pit = &diagnostics.pit;
    let cells = pit.counts.len();
    if cells > 0 && pit.expected.len() == cells {
        let ratio =
            |cell: usize| pit.counts[cell] as f64 / pit.expected[cell].max(f64::MIN_POSITIVE);
        let high = (0..cells).map(ratio).fold(1.2_f64, f64::max);
        let mut panel = Panel::new(
            SMALL,
            "PIT: one response per prompt".to_owned(),
            (
                u(),
                Axis::new("found, of the number expected", 0.0, 1.15 * high, false),
            ),
            format!(
                "Histogram of the calibrated reward of one fresh response per prompt, relative to what perfect calibration expects. Kolmogorov–Smirnov {:.4}, p = {}.",
                pit.kolmogorov_smirnov,
                significant(pit.kolmogorov_smirnov_p, 3)
            ),
        );
        panel.bars = (0..cells)
            .map(|cell| Bar {
                tone: Tone::Identity,
                x: (cell as f64 / cells as f64, (cell + 1) as f64 / cells as f64),
                y: (0.0, ratio(cell)),
                text: format!(
                    "{} found\n{:.1} expected",
                    pit.counts[cell], pit.expected[cell]
                ),
            })
            .collect();
        panel.level = Some((1.0, String::new()));
        panels.push(("pit", panel));
    }
    if let Some(error) = &diagnostics.error {
        let mut panel = Panel::new(
            SMALL,
            "Promised and kept".to_owned(),
            (u(), Axis::new("share of comparisons won", 0.0, 1.0, false)),
            format!(
                "Reliability: share of comparisons with the base that responses of each calibrated reward won. Expected calibration error {:.4}.",
                error.expected
            ),
        );
        panel.lines.push(Line {
            name: String::new(),
            tone: Tone::Muted,
            weight: Weight::Faint,
            dashed: true,
            points: [0.0, 1.0]
                .map(|v| Sample {
                    x: v,
                    y: v,
                    text: String::new(),
                })
                .into(),
        });
        panel.marks = error
            .cells
            .iter()
            .map(|cell| {
                dot(
                    cell.predicted,
                    cell.observed,
                    format!(
                        "promised {}\nkept {}\n{} comparisons",
                        percent(cell.predicted),
                        percent(cell.observed),
                        cell.count
                    ),
                )
            })
            .collect();
        panels.push(("reliability", panel));
    }
    panels
}

fn dot(x: f64, y: f64, text: String) -> Mark {
    Mark {
        name: String::new(),
        tone: Tone::Identity,
        shape: Shape::Circle,
        at: Sample { x, y, text },
        shift: 0.0,
        minor: false,
        whisker: None,
        across: None,
        from: None,
        label: None,
    }
}
