//! Recorded results as panels: one per judge on the same axes, measured points on the frontier.

use infalign::{
    design::Design,
    recorded::{Judged, Measurement, Recorded},
};

use crate::{
    axis::Axis,
    design_panels::{curves, win_rate_axis},
    error::{Error, Result},
    figures::{nats, percent, significant, with_interval},
    panel::{Line, Mark, Panel, SIZE, Sample, Weight},
    spread::spread,
    tone::{Palette, is_optimum},
};

/// Transforms in one picture: more could not be told apart at one budget; the table has them all.
const FEATURED: usize = 5;
/// The measurements of one procedure, and the design for it.
pub(crate) struct Group<'a> {
    /// The procedure, as typed.
    pub(crate) procedure: &'a str,
    /// Its measurements in the order of the results.
    pub(crate) rows: Vec<&'a Measurement>,
    /// A design for it: one with a frontier, if there is one.
    pub(crate) design: Option<&'a Design>,
}

impl<'a> Group<'a> {
    /// The results by procedure, in the order in which procedures first occur.
    pub(crate) fn all(recorded: &'a Recorded, designs: &'a [Design]) -> Vec<Self> {
        let mut groups: Vec<Self> = Vec::new();
        for row in &recorded.measurements {
            match groups
                .iter_mut()
                .find(|group| group.procedure == row.procedure)
            {
                Some(group) => group.rows.push(row),
                None => groups.push(Self {
                    procedure: &row.procedure,
                    rows: vec![row],
                    design: designs
                        .iter()
                        .filter(|design| design.procedure == row.procedure)
                        .max_by_key(|design| !design.points.is_empty()),
                }),
            }
        }
        groups
    }

    /// The KL budgets, rising.
    pub(crate) fn budgets(&self) -> Vec<f64> {
        let mut budgets: Vec<f64> = self.rows.iter().map(|row| row.kl_budget).collect();
        budgets.sort_by(f64::total_cmp);
        budgets.dedup();
        budgets
    }

    /// The transforms of the picture, best by theory first: all, when they are few; else the
    /// optimum, raw, identity, log, and of the rest the one that theory puts highest.
    pub(crate) fn featured(&self) -> Vec<&'a str> {
        // Sum of the predicted win rates over budgets, by transform.
        let mut names: Vec<(&str, f64)> = Vec::new();
        for row in &self.rows {
            match names.iter_mut().find(|(name, _)| *name == row.transform) {
                Some((_, sum)) => *sum += row.predicted.win_rate,
                None => names.push((&row.transform, row.predicted.win_rate)),
            }
        }
        names.sort_by(|a, b| b.1.total_cmp(&a.1));
        let mut names: Vec<&str> = names.into_iter().map(|(name, _)| name).collect();
        if names.len() > FEATURED {
            let fixed = |name: &str| is_optimum(name) || ["raw", "identity", "log"].contains(&name);
            let highest = names.iter().copied().find(|name| !fixed(name));
            names.retain(|name| fixed(name) || Some(*name) == highest);
        }
        names
    }
}

/// What `row` won by `judge`, checked.
pub(crate) fn judged<'a>(row: &'a Measurement, judge: &str) -> Result<&'a Judged> {
    let place = place(row);
    let judged = row
        .judged
        .iter()
        .find(|judged| judged.reward == judge)
        .ok_or_else(|| Error::MissingJudge {
            place: place.clone(),
            judge: judge.to_owned(),
        })?;
    Error::finite("win_rate.mean", &place, judged.win_rate.mean)?;
    Error::finite(
        "standard_win_rate.mean",
        &place,
        judged.standard_win_rate.mean,
    )?;
    Ok(judged)
}

/// The row in words, for messages.
pub(crate) fn place(row: &Measurement) -> String {
    format!(
        "{} at {} nats under {}",
        row.transform, row.kl_budget, row.procedure
    )
}

/// One panel per judge, with the same axes.
pub(crate) fn panels(
    group: &Group<'_>,
    judges: &[String],
    palette: &Palette,
) -> Result<Vec<Panel>> {
    let featured = group.featured();
    let rows: Vec<&Measurement> = group
        .rows
        .iter()
        .copied()
        .filter(|row| featured.contains(&&*row.transform))
        .collect();
    let (mut low, mut high, mut reach) = (0.5_f64, 0.5_f64, 0.0_f64);
    for row in &rows {
        reach = reach.max(Error::finite("kl.mean", &place(row), row.kl.mean)?);
        for judge in judges {
            let rate = judged(row, judge)?.win_rate;
            for end in [rate.low, rate.mean, rate.high]
                .into_iter()
                .filter(|end| end.is_finite())
            {
                (low, high) = (low.min(end.max(0.0)), high.max(end.min(1.0)));
            }
        }
    }
    let mut x = Axis::new(
        "KL(π‖p) spent, nats (square-root scale)",
        0.0,
        1.15 * reach,
        false,
    );
    x.root_ticks = Some(core::iter::once(0.0).chain(group.budgets()).collect());
    let lines: Vec<Line> = match group.design {
        Some(design) => frontier(design, palette, &featured)?,
        None => Vec::new(),
    };
    let drawn = lines
        .iter()
        .flat_map(|line| &line.points)
        .filter(|point| point.x <= x.high);
    let high = drawn.map(|point| point.y).fold(high, f64::max);
    let y = win_rate_axis(&format!("win rate under {}, %", group.procedure), low, high);
    judges
        .iter()
        .enumerate()
        .map(|(i, judge)| {
            let marks = rows
                .iter()
                .map(|row| mark(row, judge, (i > 0).then(|| &*judges[0]), palette))
                .collect::<Result<_>>()?;
            let role = if i == 0 { " (trained on)" } else { "" };
            let mut panel = Panel {
                size: SIZE,
                bars: Vec::new(),
 unnamed: false,
                title: format!("By {judge}{role}"),
                x: x.clone(),
                y: y.clone(),
                rules: Vec::new(),
                level: (y.low < 0.5).then(|| (0.5, "as good as the base".to_owned())),
                lines: lines.clone(),
                marks,
                note: None,
                alt: format!(
                    "Measured win rates under {} by {judge} against the KL spent, with 95% intervals, on the frontier lines of the theory.",
                    group.procedure
                ),
            };
            spread(&mut panel)?;
            Ok(panel)
        })
        .collect()
}

/// The frontier behind the points: the featured transforms' curves.
fn frontier(design: &Design, palette: &Palette, featured: &[&str]) -> Result<Vec<Line>> {
    let mut lines = curves(design, palette)?;
    lines.retain(|line| {
        featured.contains(&&*line.name)
            || (is_optimum(&line.name) && featured.iter().any(|name| is_optimum(name)))
    });
    for line in &mut lines {
        if !is_optimum(&line.name) {
            line.weight = Weight::Faint;
        }
    }
    Ok(lines)
}

fn mark(row: &Measurement, judge: &str, training: Option<&str>, palette: &Palette) -> Result<Mark> {
    let rate = judged(row, judge)?.win_rate;
    let from = training.map(|training| judged(row, training)).transpose()?;
    let mut text = format!("win rate {}\n", with_interval(&rate));
    match (from, training) {
        (Some(from), Some(name)) => {
            text.push_str(&format!("by {name} {}\n", percent(from.win_rate.mean)));
        }
        _ => {
            text.push_str(&format!("theory {}", percent(row.predicted.win_rate)));
            if let Some(expected) = row.expected {
                text.push_str(&format!(
                    ", on a table of this size {}",
                    percent(expected.win_rate)
                ));
            }
            text.push('\n');
        }
    }
    text.push_str(&format!(
        "KL spent {}, budget {} nats\nβ {}\n{} effective responses",
        nats(row.kl.mean),
        nats(row.kl_budget),
        significant(row.beta, 4),
        significant(row.effective_samples.mean, 3)
    ));
    Ok(Mark {
        name: row.transform.clone(),
        tone: palette.tone(&row.transform),
        shape: palette.shape(&row.transform),
        at: Sample {
            x: row.kl.mean,
            y: rate.mean,
            text,
        },
        shift: 0.0,
        minor: false,
        across: None,
        whisker: (rate.low.is_finite() && rate.high.is_finite()).then_some((rate.low, rate.high)),
        from: from.map(|from| from.win_rate.mean),
        label: None,
    })
}
