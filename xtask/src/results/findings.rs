//! What the measurements show, in sentences and small tables whose every figure is computed from them.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use infalign::{
    design::Design,
    recorded::{Judged, Measurement, Recorded},
};

use super::tables::{head, line, of, over_raw, percent, points, with_interval};

/// Does the theory describe the data? Measured against expected, over all rows that have an expectation.
pub(super) fn agreement(recorded: &Recorded) -> Result<String> {
    let training = &recorded.judges[0];
    let mut rows = Vec::new();
    for row in &recorded.measurements {
        if let Some(expected) = row.expected {
            let measured = by(row, training)?.win_rate;
            rows.push((row, measured, expected.win_rate));
        }
    }
    let apart = |(_, measured, expected): &(_, infalign::estimate::Estimate, f64)| {
        (measured.mean - expected).abs()
    };
    let inside = rows
        .iter()
        .filter(|(_, measured, expected)| (measured.low..=measured.high).contains(expected))
        .count();
    let mean = rows.iter().map(apart).sum::<f64>() / rows.len() as f64;
    let most = rows
        .iter()
        .max_by(|a, b| apart(a).total_cmp(&apart(b)))
        .context("no row has an expectation")?;
    let shift = rows
        .iter()
        .map(|(row, _, expected)| (row, expected - row.predicted.win_rate))
        .max_by(|a, b| a.1.abs().total_cmp(&b.1.abs()))
        .context("no row has an expectation")?;
    Ok(format!(
        "By `{training}`, measured and expected win rates differ by {:.2} points in the mean over {} rows, and by {:.2} at most \
         (`{}`, `{}`, {}); the 95% interval holds the expectation in {inside} of {} rows. *Expected* is what the theory says of a table of this size; it knows \
         neither the prompts nor the reward. The rows share their prompts, so they are not {} independent tests. The distance from \
         *expected* to *theory* (at most {} points, `{}`, `{}`, {}) is the price of so small a table, not an error of the theory.\n",
        100.0 * mean,
        rows.len(),
        100.0 * apart(most),
        most.0.transform,
        most.0.procedure,
        in_nats(most.0.kl_budget),
        rows.len(),
        rows.len(),
        points(shift.1),
        shift.0.transform,
        shift.0.procedure,
        in_nats(shift.0.kl_budget),
    ))
}

/// The transform that `design` recommends, chosen without a look at these measurements, against raw rewards.
pub(super) fn recommended(recorded: &Recorded, designs: &[Design]) -> Result<String> {
    let mut heads = vec![
        "procedure, budget",
        "recommended",
        "KL spent",
        "KL spent by raw",
    ]
    .into_iter()
    .map(str::to_owned)
    .collect::<Vec<_>>();
    for judge in &recorded.judges {
        heads.push(format!("win rate by `{judge}`"));
        heads.push("over raw".to_owned());
    }
    let mut text = head(&heads);
    let mut counts = vec![[0_usize; 3]; recorded.judges.len()];
    for design in designs {
        let row = recommended_row(recorded, design)?;
        let raw = find(recorded, &design.procedure, row.kl_budget, "raw")?;
        let mut cells = vec![
            format!("`{}`, {}", design.procedure, in_nats(row.kl_budget)),
            format!("`{}`", row.transform),
            format!("{:.3}", row.kl.mean),
            format!("{:.3}", raw.kl.mean),
        ];
        for (judge, counts) in recorded.judges.iter().zip(&mut counts) {
            let judged = by(row, judge)?;
            cells.push(with_interval(&judged.win_rate));
            cells.push(over_raw(judged));
            if let Some(difference) = judged.over_raw {
                let side = if difference.low > 0.0 {
                    0
                } else if difference.high < 0.0 {
                    2
                } else {
                    1
                };
                counts[side] += 1;
            }
        }
        text.push_str(&line(&cells));
    }
    text.push_str("\nOver raw rewards at the same budget, ");
    let said: Vec<String> = recorded
        .judges
        .iter()
        .zip(&counts)
        .map(|(judge, [above, open, below])| {
            format!(
                "by `{judge}` the recommended transform is better in {above} of {}, worse in {below}, and undecided (the interval holds 0) in {open}",
                above + open + below
            )
        })
        .collect();
    text.push_str(&said.join("; "));
    text.push_str(".\n");
    Ok(text)
}

/// How much of the gain over ½ by the training reward the gold judge confirms, by transform and budget.
pub(super) fn retention(recorded: &Recorded, procedure: &str) -> Result<String> {
    let mut budgets: Vec<f64> = of(recorded, procedure).map(|row| row.kl_budget).collect();
    budgets.dedup();
    let mut heads = vec!["gain retained, %".to_owned()];
    heads.extend(budgets.iter().map(|&kl| in_nats(kl)));
    let mut text = head(&heads);
    let names: Vec<&str> = in_order(of(recorded, procedure).map(|row| &*row.transform))
        .into_iter()
        // The best exponent is another one at each budget: only transforms that every budget has.
        .filter(|name| {
            budgets
                .iter()
                .all(|&kl| find(recorded, procedure, kl, name).is_ok())
        })
        .collect();
    for name in &names {
        let mut cells = vec![format!("`{name}`")];
        for &kl in &budgets {
            cells.push(percent(retained(
                recorded,
                find(recorded, procedure, kl, name)?,
            )?));
        }
        text.push_str(&line(&cells));
    }
    if let (Some(&first), Some(&last)) = (budgets.first(), budgets.last()) {
        let at = |kl: f64| -> Result<(f64, f64)> {
            let mut range = (f64::INFINITY, f64::NEG_INFINITY);
            for name in &names {
                let share = retained(recorded, find(recorded, procedure, kl, name)?)?;
                range = (range.0.min(share), range.1.max(share));
            }
            Ok(range)
        };
        let ((low, high), (late_low, late_high)) = (at(first)?, at(last)?);
        text.push_str(&format!(
            "\nUnder `{procedure}` the gold judge confirms {} to {}% of the gain at {}, and {} to {}% at {}.\n",
            percent(low),
            percent(high),
            in_nats(first),
            percent(late_low),
            percent(late_high),
            in_nats(last),
        ));
    }
    Ok(text)
}

/// Does more KL ever cost gold win rate? Counted over transforms and neighbouring budgets.
pub(super) fn turning(recorded: &Recorded) -> Result<String> {
    let gold = recorded.judges.get(1).context("there is no gold judge")?;
    let (mut steps, mut falls) = (0, Vec::new());
    for procedure in procedures(recorded) {
        for name in in_order(of(recorded, procedure).map(|row| &*row.transform)) {
            let rows: Vec<_> = of(recorded, procedure)
                .filter(|row| row.transform == name)
                .collect();
            for pair in rows.windows(2) {
                steps += 1;
                let [before, after] = [by(pair[0], gold)?, by(pair[1], gold)?];
                if after.win_rate.mean < before.win_rate.mean {
                    falls.push(format!(
                        "`{name}` under `{procedure}` from {} to {}",
                        in_nats(pair[0].kl_budget),
                        in_nats(pair[1].kl_budget)
                    ));
                }
            }
        }
    }
    Ok(if falls.is_empty() {
        format!(
            "By `{gold}` the win rate rises in each of the {steps} steps from a budget to the next: up to the largest budget here no transform is pushed so far that \
             more KL costs gold win rate. The judges disagree already at the smallest budget; that part is the proxy's noise, not the optimisation's doing.\n"
        )
    } else {
        format!(
            "By `{gold}` the win rate falls in {} of {steps} steps from a budget to the next: {}.\n",
            falls.len(),
            falls.join("; ")
        )
    })
}

/// Whether the raw reward's gain is confirmed more than that of every transform, and what may lie behind it.
pub(super) fn raw_retention(recorded: &Recorded) -> Result<String> {
    let (mut places, mut most) = (0, 0);
    for row in recorded
        .measurements
        .iter()
        .filter(|row| row.transform == "raw")
    {
        places += 1;
        let raw = retained(recorded, row)?;
        let mut highest = true;
        for other in of(recorded, &row.procedure)
            .filter(|other| other.kl_budget == row.kl_budget && other.transform != "raw")
        {
            highest &= raw > retained(recorded, other)?;
        }
        most += usize::from(highest);
    }
    let mut text = format!(
        "The share of `raw` is above that of every transform in {most} of {places} places (procedures and budgets)."
    );
    if 2 * most > places {
        text.push_str(
            " A possible reason, not tested here: one β for all prompts makes `raw` spend its KL on prompts whose rewards spread widely, and there two judges agree more easily. \
             A larger share of a smaller gain is still the smaller gain where *over raw* by the gold judge is positive.",
        );
    }
    text.push('\n');
    Ok(text)
}

/// The rows of the largest budget spend more and less than it: by how much, for each procedure.
pub(super) fn spent(recorded: &Recorded) -> Result<String> {
    let most = recorded
        .measurements
        .iter()
        .map(|row| row.kl_budget)
        .fold(0.0, f64::max);
    let mut parts = Vec::new();
    for procedure in procedures(recorded) {
        let raw = find(recorded, procedure, most, "raw")?;
        let least = of(recorded, procedure)
            .filter(|row| row.kl_budget == most && row.transform != "raw")
            .min_by(|a, b| a.kl.mean.total_cmp(&b.kl.mean))
            .context("no transform beside raw")?;
        parts.push(format!(
            "under `{procedure}`, `{}` spends {:.3} nats and `raw` {:.3}",
            least.transform, least.kl.mean, raw.kl.mean
        ));
    }
    Ok(format!(
        "At the budget of {most} nats, {}",
        parts.join("; ")
    ))
}

/// Procedures, in the order of the results.
pub(super) fn procedures(recorded: &Recorded) -> Vec<&str> {
    in_order(recorded.measurements.iter().map(|row| &*row.procedure))
}

/// `1 nat`, `0.5 nats`.
pub(super) fn in_nats(kl: f64) -> String {
    if kl == 1.0 {
        "1 nat".to_owned()
    } else {
        format!("{kl} nats")
    }
}

/// Distinct names, in the order in which they first occur.
fn in_order<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut seen = BTreeSet::new();
    names.filter(|name| seen.insert(*name)).collect()
}

/// (W by gold − ½) / (W by the training reward − ½).
fn retained(recorded: &Recorded, row: &Measurement) -> Result<f64> {
    let gold = recorded.judges.get(1).context("there is no gold judge")?;
    let gain = |judge: &str| Ok::<_, anyhow::Error>(by(row, judge)?.win_rate.mean - 0.5);
    Ok(gain(gold)? / gain(&recorded.judges[0])?)
}

fn recommended_row<'a>(recorded: &'a Recorded, design: &Design) -> Result<&'a Measurement> {
    find(
        recorded,
        &design.procedure,
        design.kl,
        &design.recommended.transform,
    )
}

fn find<'a>(
    recorded: &'a Recorded,
    procedure: &str,
    kl: f64,
    transform: &str,
) -> Result<&'a Measurement> {
    of(recorded, procedure)
        .find(|row| row.kl_budget == kl && row.transform == transform)
        .with_context(|| format!("no row for {transform} at {kl} nats under {procedure}"))
}

fn by<'a>(row: &'a Measurement, judge: &str) -> Result<&'a Judged> {
    row.judged
        .iter()
        .find(|judged| judged.reward == judge)
        .with_context(|| format!("{} has no win rate by {judge}", row.transform))
}
