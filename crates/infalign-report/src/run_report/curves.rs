//! Training curves: one small panel per metric, one line per policy, policies of one reward in one colour.

use std::collections::BTreeSet;

use super::{arm::Arm, input::TrainingCurve};
use crate::{
    axis::Axis,
    figures::significant,
    panel::{Line, Panel, SMALL, Sample, Weight},
    tone::{Palette, Tone},
};

/// Values that all curves of a page may show together: what keeps a sweep's page small.
const VALUES: usize = 14_000;
/// Values of one line: few enough for its width, enough for its shape.
const PER_LINE: (usize, usize) = (16, 100);

/// More lines than these have no room for their names.
const MOST_NAMES: usize = 6;

/// Metrics in the order of the page: key, title, what the vertical axis shows, what to look for.
const METRICS: [(&str, &str, &str, &str); 11] = [
    (
        "reward_calibrated",
        "Calibrated reward",
        "mean Ĉ of the batch",
        "0.5 is the base’s own",
    ),
    (
        "reward_transformed",
        "Transformed reward",
        "mean of what is maximised",
        "each policy’s own, so that only its rise compares",
    ),
    (
        "reward_raw",
        "Raw reward",
        "mean raw reward",
        "in the reward’s own unit",
    ),
    (
        "kl",
        "KL, exact per token",
        "nats per response",
        "the distance to the base that the budget limits",
    ),
    (
        "kl_k1",
        "KL, k1",
        "nats per response",
        "the usual noisy estimate of it, for comparison with other tools",
    ),
    (
        "beta",
        "β, the price of KL",
        "β",
        "moved by the controller to meet the budget",
    ),
    (
        "entropy",
        "Entropy",
        "nats per token",
        "how undecided the policy still is; near 0 it says one thing only",
    ),
    (
        "length",
        "Length",
        "tokens per response",
        "a steady rise says that the reward likes long answers",
    ),
    (
        "truncated",
        "Truncated",
        "share of responses",
        "cut at the limit of tokens",
    ),
    (
        "gradient_norm",
        "Gradient norm",
        "before clipping",
        "spikes show trouble",
    ),
    (
        "tokens_per_second",
        "Speed",
        "tokens per second",
        "of the whole step",
    ),
];

/// Title and meaning of each metric that the curves have.
pub(crate) fn meanings(curves: &[TrainingCurve]) -> Vec<(&'static str, &'static str)> {
    METRICS
        .into_iter()
        .filter(|(key, ..)| curves.iter().any(|curve| curve.series.contains_key(*key)))
        .map(|(_, title, _, meaning)| (title, meaning))
        .collect()
}

/// One small panel per metric of the curves of these arms.
pub(crate) fn panels(
    curves: &[TrainingCurve],
    arms: &[&Arm<'_>],
    palette: &Palette,
    all_lines: usize,
) -> Vec<Panel> {
    let tone_of = |policy: &str| -> Option<(Tone, bool)> {
        arms.iter()
            .find(|arm| arm.policies.iter().any(|own| own.name == policy))
            .map(|arm| (palette.tone(arm.reward), arm.reward == "raw"))
    };
    let here: Vec<(&TrainingCurve, (Tone, bool))> = curves
        .iter()
        .filter_map(|curve| tone_of(&curve.policy).map(|tone| (curve, tone)))
        .collect();
    let known: Vec<&str> = METRICS.iter().map(|(key, ..)| *key).collect();
    let others: BTreeSet<&str> = here
        .iter()
        .flat_map(|(curve, _)| curve.series.keys())
        .map(String::as_str)
        .filter(|key| !known.contains(key))
        .collect();
    let wanted = METRICS
        .into_iter()
        .map(|(key, title, axis, _)| (key, title, axis))
        .chain(others.into_iter().map(|key| (key, key, key)));
    let bins = (VALUES / all_lines.max(1)).clamp(PER_LINE.0, PER_LINE.1);
    wanted
        .filter_map(|metric| panel(&here, metric, bins))
        .collect()
}

/// The number of lines that all metrics of these curves make.
pub(crate) fn lines(curves: &[TrainingCurve]) -> usize {
    curves.iter().map(|curve| curve.series.len()).sum()
}

fn panel(
    curves: &[(&TrainingCurve, (Tone, bool))],
    (key, title, axis): (&str, &str, &str),
    bins: usize,
) -> Option<Panel> {
    let mut lines = Vec::new();
    for (curve, (tone, dashed)) in curves {
        let Some(values) = curve.series.get(key) else {
            continue;
        };
        let points = binned(&curve.step, values, bins);
        if !points.is_empty() {
            lines.push(Line {
                name: curve.policy.clone(),
                tone: *tone,
                weight: Weight::Faint,
                dashed: *dashed,
                points,
            });
        }
    }
    let points = || lines.iter().flat_map(|line| &line.points);
    let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
    for point in points() {
        (low, high) = (low.min(point.y), high.max(point.y));
    }
    if low > high {
        return None;
    }
    let from = points().map(|point| point.x).fold(f64::INFINITY, f64::min);
    let to = points().map(|point| point.x).fold(0.0, f64::max);
    // A quantity that cannot be negative stands on 0, unless it moves far above it.
    if low >= 0.0 && low < 0.6 * high {
        low = 0.0;
    }
    let slack = 0.06 * (high - low).max(1e-3 * high.abs());
    let last: Vec<String> = lines
        .iter()
        .filter_map(|line| {
            let end = line.points.last()?;
            Some(format!("{} {}", line.name, significant(end.y, 3)))
        })
        .collect();
    let low = if low == 0.0 { 0.0 } else { low - slack };
    let mut panel = Panel::new(
        SMALL,
        title.to_owned(),
        (
            Axis::new("optimiser step", from.min(to), to, false),
            Axis::new(axis, low, high + slack, false),
        ),
        format!("{title} during training; at the end: {}.", last.join(", ")),
    );
    panel.unnamed = lines.len() > MOST_NAMES;
    panel.lines = lines;
    Some(panel)
}

/// At most `bins` means of neighbouring values, each at the mean of its steps; values that are not finite are left out.
fn binned(steps: &[u64], values: &[f64], bins: usize) -> Vec<Sample> {
    let kept: Vec<(f64, f64)> = steps
        .iter()
        .zip(values)
        .filter(|(_, value)| value.is_finite())
        .map(|(step, value)| (*step as f64, *value))
        .collect();
    let per = kept.len().div_ceil(bins.max(1)).max(1);
    kept.chunks(per)
        .map(|chunk| {
            let n = chunk.len() as f64;
            let x = chunk.iter().map(|(x, _)| x).sum::<f64>() / n;
            let y = chunk.iter().map(|(_, y)| y).sum::<f64>() / n;
            Sample {
                x,
                y,
                text: format!("step {x:.0}\n{}", significant(y, 4)),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_keep_the_mean_and_skip_what_is_not_finite() {
        let steps: Vec<u64> = (1..=10).collect();
        let mut values: Vec<f64> = (1..=10).map(f64::from).collect();
        values[0] = f64::NAN;
        let points = binned(&steps, &values, 3);
        let found: Vec<(f64, f64)> = points.iter().map(|p| (p.x, p.y)).collect();
        assert_eq!(found, [(3.0, 3.0), (6.0, 6.0), (9.0, 9.0)]);
        assert!(binned(&[], &[], 3).is_empty());
        assert_eq!(binned(&[7], &[0.5], 0).len(), 1);
    }
}
