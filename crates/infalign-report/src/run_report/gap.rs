//! Where the distance to the optimum goes: the five terms of each policy as a bar and as figures.

use infalign::evaluation::{Basis, Evaluation, Gap, PolicyResult};

use super::{
    arm::{Arm, pooled},
    words::bounded,
};
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

/// Half the width of the bar's picture, in its units.
const HALF: f64 = 100.0;

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
            let scale = found
                .iter()
                .map(|(_, gaps)| {
                    let terms = terms(gaps);
                    let positive: f64 = terms.iter().filter(|term| **term > 0.0).sum();
                    let negative: f64 = terms.iter().filter(|term| **term < 0.0).sum();
                    positive.max(-negative)
                })
                .fold(1e-6, f64::max);
            let rows: Vec<Row> = found
                .iter()
                .map(|(arm, gaps)| row(arm, gaps, scale))
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
    let mean = |of: fn(&Gap) -> f64| gaps.iter().map(|gap| of(gap)).sum::<f64>() / gaps.len() as f64;
    [
        mean(|gap| gap.transform),
        mean(|gap| gap.calibration),
        mean(|gap| gap.kl_missed),
        mean(|gap| gap.kl_wasted),
        mean(|gap| gap.shape),
    ]
}

fn row(arm: &Arm<'_>, gaps: &[&Gap], scale: f64) -> Row {
    let terms = terms(gaps);
    let totals: Vec<_> = gaps.iter().map(|gap| gap.total).collect();
    let mean = |of: fn(&Gap) -> f64| gaps.iter().map(|gap| of(gap)).sum::<f64>() / gaps.len() as f64;
    let total = pooled(&totals).map_or_else(
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
        bar: bar(&terms, scale),
        terms: terms.iter().map(|term| points(*term)).collect(),
        total,
        from_table: gaps.iter().any(|gap| gap.basis == Basis::Table),
    }
}

/// Losses to the right of the middle, gains to the left, in the order of the terms.
fn bar(terms: &[f64; 5], scale: f64) -> String {
    let mut svg = format!(
        "<svg class=\"bar\" viewBox=\"0 0 {} 16\" preserveAspectRatio=\"none\" aria-hidden=\"true\">",
        2.0 * HALF
    );
    let (mut right, mut left) = (HALF, HALF);
    for (term, (_, tone, _)) in terms.iter().zip(TERMS) {
        let length = HALF * (term.abs() / scale).min(1.0);
        let x = if *term > 0.0 {
            right += length;
            right - length
        } else {
            left -= length;
            left
        };
        if length >= 0.1 {
            svg.push_str(&format!(
                "<rect x=\"{x:.1}\" y=\"2\" width=\"{length:.1}\" height=\"12\" fill=\"{}\"/>",
                tone.hex()
            ));
        }
    }
    svg.push_str(&format!(
        "<path d=\"M{HALF} 0V16\" stroke=\"{}\"/></svg>",
        Tone::Muted.hex()
    ));
    svg
}
