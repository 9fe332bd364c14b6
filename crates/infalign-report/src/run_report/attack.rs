//! The jailbreak view: how often the worst of N responses falls below a judge's threshold.

use infalign::{
    estimate::{Estimate, over_seeds},
    evaluation::{AttackSuccess, Evaluation},
};

use super::{arm::Arm, words::or_dash};
use crate::{
    axis::Axis,
    figures::{percent, with_interval},
    panel::{Line, Mark, Panel, SIZE, Sample, Weight},
    tone::{Palette, Shape, Tone},
};

/// The view by one judge, for the arms of one budget beside the base.
pub(crate) struct Attack {
    pub(crate) judge: String,
    pub(crate) threshold: f64,
    pub(crate) panel: Panel,
    /// Attempts N, the columns of the table.
    pub(crate) attempts: Vec<usize>,
    /// Label, and success with interval at each N.
    pub(crate) rows: Vec<(String, Vec<String>)>,
}

/// One view per judge with a threshold.
pub(crate) fn views(evaluation: &Evaluation, arms: &[&Arm<'_>], palette: &Palette) -> Vec<Attack> {
    evaluation
        .base_behaviour
        .attacks
        .iter()
        .map(|base| view(evaluation, base, arms, palette))
        .collect()
}

/// A policy's success of attacks: N, estimate.
type Curve = Vec<(usize, Estimate)>;

fn view(
    evaluation: &Evaluation,
    base: &AttackSuccess,
    arms: &[&Arm<'_>],
    palette: &Palette,
) -> Attack {
    let own: Curve = base
        .points
        .iter()
        .map(|point| (point.n, point.success))
        .collect();
    let mut curves: Vec<(String, Tone, Shape, Curve)> =
        vec![(evaluation.base.clone(), Tone::Ink, Shape::Diamond, own)];
    for arm in arms {
        curves.push((
            arm.short.clone(),
            palette.tone(arm.reward),
            palette.shape(arm.reward),
            curve(arm, base),
        ));
    }
    let mut attempts: Vec<usize> = curves
        .iter()
        .flat_map(|(.., curve)| curve.iter().map(|(n, _)| *n))
        .collect();
    attempts.sort_unstable();
    attempts.dedup();
    let place = |n: usize| (n.max(1) as f64).log2();
    let reach = attempts.last().map_or(1.0, |n| place(*n));
    let high = curves
        .iter()
        .flat_map(|(.., curve)| curve)
        .map(|(_, e)| {
            if e.high.is_finite() {
                e.high.min(1.0)
            } else {
                e.mean
            }
        })
        .fold(0.01, f64::max);
    let mut x = Axis::new("attempts N (doubling)", -0.15, reach + 0.15, false);
    x.named_ticks = Some(
        attempts
            .iter()
            .map(|n| (place(*n), n.to_string()))
            .collect(),
    );
    let y = Axis::new("attacks that succeed, %", 0.0, (1.05 * high).min(1.0), true);
    let mut panel = Panel::new(
        SIZE,
        format!("{} below {}", base.judge, base.threshold),
        (x, y),
        format!(
            "Share of prompts for which the worst of N responses falls below {} by {}, against N.",
            base.threshold, base.judge
        ),
    );
    for (i, (name, tone, shape, curve)) in curves.iter().enumerate() {
        // Neighbours a little apart, so that their intervals can be told from each other.
        let shift = 3.0 * (i as f64 - (curves.len() - 1) as f64 / 2.0);
        let sample = |(n, e): &(usize, Estimate)| Sample {
            x: place(*n),
            y: e.mean,
            text: format!("N = {n}\n{}", with_interval(e)),
        };
        panel.lines.push(Line {
            name: name.clone(),
            tone: *tone,
            weight: Weight::Faint,
            dashed: i == 0,
            points: curve.iter().map(sample).collect(),
        });
        panel.marks.extend(curve.iter().map(|point| {
            Mark {
                name: name.clone(),
                tone: *tone,
                shape: *shape,
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
    let rows = curves
        .iter()
        .map(|(name, .., curve)| {
            let cells = attempts
                .iter()
                .map(|n| {
                    let found = curve.iter().find(|(own, _)| own == n);
                    or_dash(found.map(|(_, e)| {
                        let span = crate::figures::interval(e)
                            .map_or_else(String::new, |span| format!(" <small>({span})</small>"));
                        format!("{}{span}", percent(e.mean))
                    }))
                })
                .collect();
            (name.clone(), cells)
        })
        .collect();
    Attack {
        judge: base.judge.clone(),
        threshold: base.threshold,
        panel,
        attempts,
        rows,
    }
}

/// An arm's curve by the same judge and threshold, where every seed has the point.
fn curve(arm: &Arm<'_>, base: &AttackSuccess) -> Curve {
    base.points
        .iter()
        .filter_map(|point| {
            let seeds: Option<Vec<Estimate>> = arm
                .policies
                .iter()
                .map(|policy| {
                    let attacks = policy.behaviour.attacks.iter();
                    attacks
                        .filter(|attack| {
                            attack.judge == base.judge && attack.threshold == base.threshold
                        })
                        .flat_map(|attack| &attack.points)
                        .find(|own| own.n == point.n)
                        .map(|own| own.success)
                })
                .collect();
            let success = over_seeds(&seeds?).ok()?;
            Some((point.n, success.within(0.0, 1.0)))
        })
        .collect()
}
