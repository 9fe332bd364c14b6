//! The answer in one sentence per procedure, with its interval.

use infalign::recorded::{Measurement, Recorded};

use crate::{
    error::Result,
    figures::{in_nats, percent, points, with_interval},
    html::escape,
    recorded_panels::{Group, judged},
};

/// The judge whose word counts for the answer: the gold reward where there is one, that is the
/// first that training does not see; else the training reward.
pub(crate) fn deciding(recorded: &Recorded) -> &str {
    let other = recorded
        .judges
        .iter()
        .find(|judge| **judge != recorded.training_reward);
    other.map_or(&recorded.training_reward, String::as_str)
}

/// The row of `rows` that wins most by `judge`.
pub(crate) fn best<'a>(rows: &[&'a Measurement], judge: &str) -> Result<Option<&'a Measurement>> {
    let mut best: Option<(&Measurement, f64)> = None;
    for row in rows {
        let rate = judged(row, judge)?.win_rate.mean;
        if best.is_none_or(|(_, most)| rate > most) {
            best = Some((row, rate));
        }
    }
    Ok(best.map(|(row, _)| row))
}

/// The sentence for one procedure, as HTML. With a gold judge: the transform and budget that win most by
/// it, beside raw and beside what the training reward says. Without: the best transform at each
/// budget, because by the reward that is trained on more KL always wins more.
pub(crate) fn sentence(group: &Group<'_>, recorded: &Recorded) -> Result<String> {
    let (judge, training) = (deciding(recorded), &recorded.training_reward);
    if judge == training {
        let mut parts = Vec::new();
        for budget in group.budgets() {
            let rows: Vec<&Measurement> = group
                .rows
                .iter()
                .copied()
                .filter(|row| row.kl_budget == budget)
                .collect();
            let Some(row) = best(&rows, judge)? else {
                continue;
            };
            parts.push(format!(
                "{} at {}, {}",
                code(&row.transform),
                in_nats(budget),
                with_interval(&judged(row, judge)?.win_rate)
            ));
        }
        return Ok(format!(
            "By {}, these win most against the base under the same procedure: {}.",
            code(judge),
            parts.join("; ")
        ));
    }
    let Some(row) = best(&group.rows, judge)? else {
        return Ok(String::new());
    };
    let (shown_judge, shown_training) = (code(judge), code(training));
    let (gold, proxy) = (
        judged(row, judge)?.win_rate,
        judged(row, training)?.win_rate,
    );
    let raw = group
        .rows
        .iter()
        .find(|r| r.transform == "raw" && r.kl_budget == row.kl_budget);
    let beside = match raw {
        Some(raw) if row.transform != "raw" => {
            let wins = percent(judged(raw, judge)?.win_rate.mean);
            match judged(row, judge)?.over_raw {
                Some(more) if more.low.is_finite() && more.high.is_finite() => format!(
                    "; that is {} points (95% interval {} to {}) over training on the raw reward at the same budget, which wins {wins}",
                    points(more.mean),
                    points(more.low),
                    points(more.high)
                ),
                _ => format!("; the raw reward at the same budget wins {wins}"),
            }
        }
        _ => String::new(),
    };
    // Of the rounded rates, so that the sentence adds up.
    let tenths = |rate: f64| (1000.0 * rate).round() / 1000.0;
    let apart = tenths(proxy.mean) - tenths(gold.mean);
    let gap = if apart > 0.0 {
        format!(
            "{} points of that are over-optimisation of {shown_training}",
            points(apart).trim_start_matches('+')
        )
    } else {
        format!("so nothing here points to over-optimisation of {shown_training}")
    };
    Ok(format!(
        "By {shown_judge}, {} at {} wins most: {} against the base under the same procedure{beside}. By {shown_training}, the reward it would be trained on, it wins {}: {gap}.",
        code(&row.transform),
        in_nats(row.kl_budget),
        with_interval(&gold),
        percent(proxy.mean),
    ))
}

/// A name as code.
fn code(name: &str) -> String {
    format!("<code>{}</code>", escape(name))
}
