//! How the win rate changes with the number of draws N, for best-of-N, worst-of-N and voting, where a run measured several N.

use infalign::{estimate::Estimate, evaluation::Evaluation};

use super::arm::Arm;
use crate::{
    axis::Axis,
    design_panels::win_rate_axis,
    figures::with_interval,
    panel::{Line, Mark, Panel, SIZE, Sample, Weight},
    tone::Palette,
};

/// Fewer N than these are no curve.
const FEWEST: usize = 3;

/// One panel for each of the three that has enough N.
pub(crate) fn panels(evaluation: &Evaluation, arms: &[&Arm<'_>], palette: &Palette) -> Vec<Panel> {
    ["best-of:", "worst-of:", "voting:"]
        .into_iter()
        .filter_map(|family| panel(evaluation, arms, family, palette))
        .collect()
}

fn panel(
    evaluation: &Evaluation,
    arms: &[&Arm<'_>],
    family: &str,
    palette: &Palette,
) -> Option<Panel> {
    let judge = &*evaluation.judges[0].name;
    let mut procedures: Vec<(u32, &str)> = evaluation
        .procedures
        .iter()
        .filter_map(|procedure| {
            // One draw is plain sampling, whoever chooses.
            let n = if procedure == "standard" {
                Some(1)
            } else {
                procedure.strip_prefix(family)?.parse().ok()
            };
            n.map(|n| (n, &**procedure))
        })
        .collect();
    procedures.sort_unstable();
    procedures.dedup_by_key(|(n, _)| *n);
    if procedures.len() < FEWEST {
        return None;
    }
    let place = |n: u32| f64::from(n.max(1)).log2();
    let curves: Vec<(&&Arm<'_>, Vec<(u32, Estimate)>)> = arms
        .iter()
        .map(|arm| {
            let points = procedures
                .iter()
                .filter_map(|(n, procedure)| arm.win_rate(procedure, judge).map(|won| (*n, won)));
            (arm, points.collect())
        })
        .collect();
    let (mut low, mut high) = (0.5_f64, 0.5_f64);
    for (_, won) in curves.iter().flat_map(|(_, points)| points) {
        low = low.min(if won.low.is_finite() {
            won.low
        } else {
            won.mean
        });
        high = high.max(if won.high.is_finite() {
            won.high
        } else {
            won.mean
        });
    }
    let reach = procedures.last().map_or(1.0, |(n, _)| place(*n));
    let mut x = Axis::new("draws N (doubling)", -0.15, reach + 0.15, false);
    x.named_ticks = Some(
        procedures
            .iter()
            .map(|(n, _)| (place(*n), n.to_string()))
            .collect(),
    );
    let name = family.trim_end_matches(':');
    let mut panel = Panel::new(
        SIZE,
        format!("Deployed with {family}N"),
        (
            x,
            win_rate_axis("win rate against the base under the same, %", low, high),
        ),
        format!("Win rate under {name} of N draws against N, by {judge}."),
    );
    panel.level = (panel.y.low < 0.5).then(|| (0.5, "as good as the base".to_owned()));
    for (i, (arm, points)) in curves.iter().enumerate() {
        // Neighbours a little apart, so that their intervals can be told from each other.
        let shift = 3.0 * (i as f64 - (curves.len() - 1) as f64 / 2.0);
        let sample = |(n, won): &(u32, Estimate)| Sample {
            x: place(*n),
            y: won.mean,
            text: format!("N = {n}\nwin rate {}", with_interval(won)),
        };
        panel.lines.push(Line {
            name: arm.short.clone(),
            tone: palette.tone(arm.reward),
            weight: Weight::Faint,
            dashed: arm.reward == "raw",
            points: points.iter().map(sample).collect(),
        });
        panel.marks.extend(points.iter().map(|point| {
            Mark {
                name: arm.short.clone(),
                tone: palette.tone(arm.reward),
                shape: palette.shape(arm.reward),
                at: sample(point),
                shift,
                minor: false,
                whisker: (point.1.low.is_finite() && point.1.high.is_finite())
                    .then_some((point.1.low, point.1.high)),
                across: None,
                from: None,
                label: None,
            }
        }));
    }
    Some(panel)
}
