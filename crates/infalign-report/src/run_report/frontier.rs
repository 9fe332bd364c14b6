//! Measured win rates on the theory's frontier: one panel per procedure.

use infalign::{design::Design, evaluation::Evaluation};

use super::{
    answer::budgets,
    arm::{Arm, kl, rate},
};
use crate::{
    axis::Axis,
    design_panels::{curves, win_rate_axis},
    error::Result,
    figures::{percent, with_interval},
    panel::{Line, Mark, Panel, SIZE, Sample, Weight},
    spread::spread,
    tone::{Palette, is_optimum},
};

/// One plain sample: what everything else is compared with, and so comes last.
pub(crate) const STANDARD: &str = "standard";

/// More panels than these are left to the tables.
const MOST: usize = 6;

/// The procedures worth a picture of their own: those that a policy was made for, those of designs, then plain sampling; all of them where
/// that leaves none. At most [`MOST`].
pub(crate) fn featured<'a>(evaluation: &'a Evaluation, designs: &[Design]) -> Vec<&'a str> {
    let by_policy = |procedure: &str| {
        let mut policies = evaluation.policies.iter();
        policies.any(|policy| policy.designed_for.as_deref() == Some(procedure))
    };
    let by_design = |procedure: &str| designs.iter().any(|d| d.procedure == procedure);
    let names = || evaluation.procedures.iter().map(String::as_str);
    let mut kept: Vec<&str> = names()
        .filter(|name| by_policy(name) || by_design(name))
        .collect();
    if kept.is_empty() {
        kept = names().collect();
    }
    if !kept.contains(&STANDARD) {
        kept.extend(names().filter(|name| *name == STANDARD));
    }
    kept.sort_by_key(|name| (*name == STANDARD, !by_policy(name)));
    kept.truncate(MOST);
    kept
}

/// Where a procedure stands among those that are featured; the others behind them.
pub(crate) fn place(featured: &[&str], procedure: &str) -> usize {
    let at = featured.iter().position(|name| *name == procedure);
    at.unwrap_or(usize::MAX)
}

/// The panels, for those procedures that have a KL to draw against.
pub(crate) fn panels(
    evaluation: &Evaluation,
    designs: &[Design],
    arms: &[Arm<'_>],
    palette: &Palette,
) -> Result<Vec<Panel>> {
    featured(evaluation, designs)
        .into_iter()
        .filter_map(|procedure| panel(evaluation, designs, arms, procedure, palette).transpose())
        .collect()
}

fn panel(
    evaluation: &Evaluation,
    designs: &[Design],
    arms: &[Arm<'_>],
    procedure: &str,
    palette: &Palette,
) -> Result<Option<Panel>> {
    let judge = &*evaluation.judges[0].name;
    let marks = marks(arms, procedure, judge, palette);
    if marks.is_empty() {
        return Ok(None);
    }
    let rewards: Vec<&str> = arms.iter().map(|arm| arm.reward).collect();
    let design = designs
        .iter()
        .filter(|design| design.procedure == procedure)
        .max_by_key(|design| design.points.len());
    let lines = match design {
        Some(design) => backdrop(design, palette, &rewards)?,
        None => Vec::new(),
    };
    let mut panel = Panel::new(
        SIZE,
        format!("Deployed with {procedure}"),
        axes(&marks, &lines, procedure, arms),
        format!(
            "Win rate against the base under {procedure} by {judge}, against the KL spent: {}.",
            arms.iter()
                .filter_map(|arm| {
                    let won = arm.win_rate(procedure, judge)?;
                    Some(format!("{} {}", arm.label, with_interval(&won)))
                })
                .collect::<Vec<_>>()
                .join("; ")
        ),
    );
    panel.level = (panel.y.low < 0.5).then(|| (0.5, "as good as the base".to_owned()));
    panel.lines = lines;
    panel.marks = marks;
    spread(&mut panel)?;
    Ok(Some(panel))
}

/// The theory behind the points: the optimum, and the curves of the transforms that were trained on.
pub(crate) fn backdrop(design: &Design, palette: &Palette, rewards: &[&str]) -> Result<Vec<Line>> {
    let mut lines = curves(design, palette)?;
    lines.retain(|line| is_optimum(&line.name) || rewards.contains(&&*line.name));
    for line in &mut lines {
        if !is_optimum(&line.name) {
            line.weight = Weight::Faint;
        }
    }
    Ok(lines)
}

/// Axes around marks and the part of the lines that is above them.
pub(crate) fn axes(
    marks: &[Mark],
    lines: &[Line],
    procedure: &str,
    arms: &[Arm<'_>],
) -> (Axis, Axis) {
    let inside = |(low, high): (f64, f64)| [low, high].into_iter().filter(|end| end.is_finite());
    let mut reach = 0.0_f64;
    let (mut low, mut high) = (0.5_f64, 0.5_f64);
    for mark in marks {
        reach = mark.across.map_or(mark.at.x, |(_, end)| end).max(reach);
        for end in mark.whisker.into_iter().flat_map(inside).chain([mark.at.y]) {
            (low, high) = (low.min(end.max(0.0)), high.max(end.min(1.0)));
        }
    }
    let spent = if arms.iter().any(|arm| arm.kl().is_some()) {
        "KL(π‖p) spent, nats (square-root scale)"
    } else {
        "quantile KL, nats (square-root scale)"
    };
    let mut x = Axis::new(spent, 0.0, 1.12 * reach.max(0.01), false);
    let mut ticks: Vec<f64> = budgets(arms).into_iter().flatten().collect();
    if ticks.is_empty() {
        ticks = Axis::new("", 0.0, x.high, false)
            .ticks(4)
            .into_iter()
            .map(|(tick, _)| tick)
            .collect();
    }
    // Round values below the smallest budget, which they must not crowd out.
    let least = ticks.iter().copied().fold(f64::INFINITY, f64::min);
    let below = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0];
    ticks.extend(below.into_iter().filter(|tick| *tick < 0.6 * least));
    x.root_ticks = Some(core::iter::once(0.0).chain(ticks).collect());
    let high = lines
        .iter()
        .flat_map(|line| &line.points)
        .filter(|point| point.x <= x.high)
        .map(|point| point.y)
        .fold(high, f64::max);
    let y = win_rate_axis(&format!("win rate under {procedure}, %"), low, high);
    (x, y)
}

/// A mark per arm with both intervals; where it sums up seeds, a small one for each of them first.
fn marks(arms: &[Arm<'_>], procedure: &str, judge: &str, palette: &Palette) -> Vec<Mark> {
    let mut marks = Vec::new();
    for arm in arms {
        let Some(won) = arm.win_rate(procedure, judge) else {
            continue;
        };
        let spent = arm
            .kl()
            .or_else(|| arm.pooled(|policy| Some(policy.quantile_kl)));
        let Some(spent) = spent.filter(|spent| spent.mean >= 0.0) else {
            continue;
        };
        let tone = palette.tone(arm.reward);
        let shape = palette.shape(arm.reward);
        let mark = |x: f64, y: f64, text: String| Mark {
            name: arm.label.clone(),
            tone,
            shape,
            at: Sample { x, y, text },
            shift: 0.0,
            minor: false,
            whisker: None,
            across: None,
            from: None,
            label: None,
        };
        let finite =
            |low: f64, high: f64| (low.is_finite() && high.is_finite()).then_some((low, high));
        let mut text = format!("win rate {}\nKL {:.3}", with_interval(&won), spent.mean);
        if let Some((low, high)) = finite(spent.low, spent.high) {
            text.push_str(&format!(" (95% interval {low:.3}–{high:.3})"));
        }
        if arm.kl().is_none() {
            text.push_str(", of the quantiles: a lower bound");
        }
        if let Some(predicted) = arm.predicted(procedure, judge) {
            text.push_str(&format!("\npredicted {} at the budget", percent(predicted)));
        }
        let at_kl = arm.mean(|policy| rate(policy, procedure, judge)?.predicted_at_measured_kl);
        if let Some(at_kl) = at_kl {
            text.push_str(&format!("\npredicted {} at this KL", percent(at_kl)));
        }
        let mut sum = mark(spent.mean, won.mean, text);
        sum.whisker = finite(won.low, won.high);
        sum.across = finite(spent.low.max(0.0), spent.high);
        marks.push(sum);
        if arm.policies.len() < 2 {
            continue;
        }
        for policy in &arm.policies {
            let (Some(won), spent) = (
                rate(policy, procedure, judge),
                kl(policy).unwrap_or(policy.quantile_kl),
            ) else {
                continue;
            };
            let seed = policy
                .seed
                .map_or_else(String::new, |seed| format!("seed {seed}\n"));
            let text = format!(
                "{seed}win rate {}\nKL {:.3}",
                with_interval(&won.win_rate),
                spent.mean
            );
            let mut small = mark(spent.mean.max(0.0), won.win_rate.mean, text);
            small.minor = true;
            marks.push(small);
        }
    }
    // The seeds below what sums them up.
    marks.sort_by_key(|mark| !mark.minor);
    marks
}
