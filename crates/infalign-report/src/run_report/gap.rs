//! Where the distance to the optimum goes: the five terms of each policy as a bar and as figures.

use infalign::{
    estimate::over_seeds,
    evaluation::{Basis, Evaluation, Gap, PolicyResult},
};

use super::{arm::Arm, words::bounded};
use crate::{
    figures::{percent, points},
    tone::Tone,
};

/// The terms in the order of the bar, each with its colour and what it means.
pub(crate) const TERMS: [(&str, Tone, &str); 5] = [
    (
        "transform",
        Tone::Other(2),
        "the reward is not the optimal one for this procedure",
    ),
    (
        "calibration",
        Tone::Log,
        "quantiles from K rollouts instead of exact ones, and ties",
    ),
    (
        "KL missed",
        Tone::Identity,
        "less (or, below zero, more) KL was spent than asked for",
    ),
    (
        "KL wasted",
        Tone::Rising(1),
        "KL that did not go into the reward’s quantiles",
    ),
    (
        "shape",
        Tone::Falling(3),
        "as much KL in the quantiles, but a law of u of another shape than the target",
    ),
];

/// Width of the bar's picture, in its units.
const WIDTH: f64 = 200.0;

/// The decompositions under one procedure.
pub(crate) struct GapTable<'a> {
    /// The procedure.
    pub(crate) procedure: &'a str,
    /// One row per arm.
    pub(crate) rows: Vec<Row>,
}

/// A row in words.
pub(crate) struct Row {
    pub(crate) label: String,
    pub(crate) optimum: String,
    pub(crate) measured: String,
    pub(crate) bar: String,
    /// The five terms in points.
    pub(crate) terms: Vec<String>,
    pub(crate) total: String,
    /// Whether the prediction is from the calibration table rather than from the continuous theory.
    pub(crate) from_table: bool,
}

/// One table per procedure that has decompositions, `featured` ones only.
pub(crate) fn tables<'a>(
    evaluation: &'a Evaluation,
    arms: &[Arm<'_>],
    featured: &[&str],
) -> Vec<GapTable<'a>> {
    evaluation
        .procedures
        .iter()
        .filter(|procedure| featured.contains(&&***procedure))
        .filter_map(|procedure| {
            let found: Vec<(&Arm<'_>, Vec<&Gap>)> = arms
                .iter()
                .filter_map(|arm| {
                    let gaps: Option<Vec<&Gap>> = arm
                        .policies
                        .iter()
                        .map(|policy| gap(policy, procedure))
                        .collect();
                    gaps.map(|gaps| (arm, gaps))
                })
                .collect();
            let mut reach = (0.0_f64, 0.0_f64);
            for (_, gaps) in &found {
                let terms = terms(gaps);
                let won: f64 = terms.iter().filter(|term| **term < 0.0).sum();
                let lost: f64 = terms.iter().filter(|term| **term > 0.0).sum();
                reach = (reach.0.max(-won), reach.1.max(lost));
            }
            let rows: Vec<Row> = found
                .iter()
                .map(|(arm, gaps)| row(arm, gaps, reach))
                .collect();
            (!rows.is_empty()).then_some(GapTable { procedure, rows })
        })
        .collect()
}

fn gap<'a>(policy: &'a PolicyResult, procedure: &str) -> Option<&'a Gap> {
    policy.gap.iter().find(|gap| gap.procedure == procedure)
}

/// The five terms, means over seeds.
fn terms(gaps: &[&Gap]) -> [f64; 5] {
    let mean =
        |of: fn(&Gap) -> f64| gaps.iter().map(|gap| of(gap)).sum::<f64>() / gaps.len() as f64;
    [
        mean(|gap| gap.transform),
        mean(|gap| gap.calibration),
        mean(|gap| gap.kl_missed),
        mean(|gap| gap.kl_wasted),
        mean(|gap| gap.shape),
    ]
}

fn row(arm: &Arm<'_>, gaps: &[&Gap], reach: (f64, f64)) -> Row {
    let terms = terms(gaps);
    let totals: Vec<_> = gaps.iter().map(|gap| gap.total).collect();
    let mean =
        |of: fn(&Gap) -> f64| gaps.iter().map(|gap| of(gap)).sum::<f64>() / gaps.len() as f64;
    let total = over_seeds(&totals).ok().map_or_else(
        || points(terms.iter().sum()),
        |total| {
            let mean = points(total.mean);
            if bounded(&total) {
                format!(
                    "{mean} <small>({} to {})</small>",
                    points(total.low),
                    points(total.high)
                )
            } else {
                mean
            }
        },
    );
    Row {
        label: arm.label.clone(),
        optimum: percent(mean(|gap| gap.optimum)),
        measured: percent(mean(|gap| gap.measured)),
        bar: bar(&terms, reach),
        terms: terms.iter().map(|term| points(*term)).collect(),
        total,
        from_table: gaps.iter().any(|gap| gap.basis == Basis::Table),
    }
}

/// Losses to the right of the line at 0, gains to its left, in the order of the terms; `(left, right)` are the longest of each in a table.
fn bar(terms: &[f64; 5], (left, right): (f64, f64)) -> String {
    let scale = WIDTH / (left + right).max(1e-6);
    let zero = left * scale;
    let mut svg = format!(
        "<svg class=\"bar\" viewBox=\"-1 0 {} 16\" preserveAspectRatio=\"none\" aria-hidden=\"true\">",
        WIDTH + 2.0
    );
    let (mut lost, mut won) = (zero, zero);
    for (term, (_, tone, _)) in terms.iter().zip(TERMS) {
        let length = term.abs() * scale;
        let x = if *term > 0.0 {
            lost += length;
            lost - length
        } else {
            won -= length;
            won
        };
        if length >= 0.1 {
            svg.push_str(&format!(
                "<rect x=\"{x:.1}\" y=\"2\" width=\"{length:.1}\" height=\"12\" fill=\"{}\"/>",
                tone.hex()
            ));
        }
    }
    svg.push_str(&format!(
        "<path d=\"M{zero:.1} 0V16\" stroke=\"{}\"/></svg>",
        Tone::Ink.hex()
    ));
    svg
}
