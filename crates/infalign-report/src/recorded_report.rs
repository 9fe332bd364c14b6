//! The report of a run on recorded rollouts: answer, pictures, tables, limits, reproduction, glossary.

use askama::Template;
use infalign::{
    design::Design,
    estimate::Estimate,
    recorded::{Measurement, Recorded},
};

use crate::{
    answer::{best, deciding, sentence},
    design_panels,
    error::{Error, Result},
    figures::{in_nats, interval, nats, points, significant},
    legend::legend,
    page,
    recorded_panels::{Group, judged, panels, place},
    svg,
    tone::Palette,
};

/// What the report says about where it comes from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Meta {
    /// The title of the report, for example the input file's name.
    pub title: String,
    /// How to make it again, in the order to be shown: command, version, seed, input hashes.
    pub entries: Vec<(String, String)>,
}

/// The report as one page that needs nothing but itself. The same input gives the same bytes.
///
/// `designs` give the frontier lines: the first design of each procedure that has `points`.
///
/// # Errors
/// [`Error::Empty`] without measurements or judges; [`Error::MissingJudge`] for a row that lacks
/// one of the judges; [`Error::NotFinite`] for a NaN or an infinite mean. Standard errors and
/// intervals may be infinite or NaN (a single prompt): they are left out.
pub fn recorded_report(recorded: &Recorded, designs: &[Design], meta: &Meta) -> Result<String> {
    if recorded.measurements.is_empty() {
        let remedy = "no prompt could be measured; see the warnings of the run";
        return Err(Error::Empty {
            name: "measurements",
            remedy,
        });
    }
    if recorded.judges.is_empty() {
        let remedy = "name at least the training reward's column";
        return Err(Error::Empty {
            name: "judges",
            remedy,
        });
    }
    recorded.measurements.iter().try_for_each(check)?;
    page::render(&ReportPage::new(recorded, designs, meta)?)
}

fn check(row: &Measurement) -> Result<()> {
    for (name, value) in [
        ("kl_budget", row.kl_budget),
        ("beta", row.beta),
        ("kl.mean", row.kl.mean),
        ("effective_samples.mean", row.effective_samples.mean),
        ("predicted.win_rate", row.predicted.win_rate),
        (
            "expected.win_rate",
            row.expected.map_or(0.0, |e| e.win_rate),
        ),
        ("bias_bound", row.bias_bound.unwrap_or(0.0)),
    ] {
        Error::finite(name, &place(row), value)?;
    }
    Ok(())
}

#[derive(Template)]
#[template(path = "report.html")]
struct ReportPage<'a> {
    head: page::Head,
    meta: &'a Meta,
    recorded: &'a Recorded,
    deciding: &'a str,
    budgets: String,
    sections: Vec<Section<'a>>,
}

/// All about one procedure.
struct Section<'a> {
    procedure: &'a str,
    answer: String,
    panels: Vec<String>,
    legend: String,
    has_lines: bool,
    left_out: usize,
    budgets: Vec<Budget<'a>>,
}

/// All about one procedure and KL.
struct Budget<'a> {
    kl: String,
    in_nats: String,
    rows: Vec<Row<'a>>,
    limits: Limits<'a>,
}

/// A row of the table, in words.
struct Row<'a> {
    transform: &'a str,
    best: bool,
    beta: String,
    kl: String,
    effective: String,
    judged: Vec<Cells>,
    predicted: String,
    expected: String,
    difference: String,
    /// Whether measured and expected differ by more than two standard errors.
    off: bool,
}

/// Win rates by one judge, in words.
struct Cells {
    win_rate: String,
    interval: String,
    over_raw: String,
    /// Whether the interval of `over_raw` leaves out zero.
    sure: bool,
    standard: String,
}

/// What a finite table does to one procedure and KL.
struct Limits<'a> {
    fewest: String,
    fewest_at: &'a str,
    shift: String,
    shift_at: &'a str,
    bias: String,
    bias_at: &'a str,
}

impl<'a> ReportPage<'a> {
    fn new(recorded: &'a Recorded, designs: &'a [Design], meta: &'a Meta) -> Result<Self> {
        let mut names = design_panels::names(designs);
        names.extend(recorded.measurements.iter().map(|row| &*row.transform));
        let palette = Palette::new(names);
        let groups = Group::all(recorded, designs);
        let mut budgets: Vec<f64> = groups.iter().flat_map(Group::budgets).collect();
        budgets.sort_by(f64::total_cmp);
        budgets.dedup();
        let budgets: Vec<String> = budgets.into_iter().map(nats).collect();
        Ok(Self {
            head: page::Head::new(meta.title.clone()),
            meta,
            recorded,
            deciding: deciding(recorded),
            budgets: budgets.join(", "),
            sections: groups
                .iter()
                .map(|group| Section::new(group, recorded, &palette))
                .collect::<Result<_>>()?,
        })
    }
}

impl<'a> Section<'a> {
    fn new(group: &Group<'a>, recorded: &'a Recorded, palette: &Palette) -> Result<Self> {
        let panels = panels(group, &recorded.judges, palette)?;
        let featured = group.featured();
        let mut names: Vec<&str> = group.rows.iter().map(|row| &*row.transform).collect();
        names.sort_unstable();
        names.dedup();
        Ok(Self {
            procedure: group.procedure,
            answer: sentence(group, recorded)?,
            has_lines: panels.iter().any(|panel| !panel.lines.is_empty()),
            panels: panels.iter().map(svg::inline).collect::<Result<_>>()?,
            legend: legend(&featured, palette),
            left_out: names.len() - featured.len(),
            budgets: group
                .budgets()
                .into_iter()
                .map(|kl| Budget::new(group, kl, recorded))
                .collect::<Result<_>>()?,
        })
    }
}

impl<'a> Budget<'a> {
    fn new(group: &Group<'a>, kl: f64, recorded: &'a Recorded) -> Result<Self> {
        let mut rows: Vec<&Measurement> = group
            .rows
            .iter()
            .copied()
            .filter(|row| row.kl_budget == kl)
            .collect();
        rows.sort_by(|a, b| b.predicted.win_rate.total_cmp(&a.predicted.win_rate));
        let best = best(&rows, deciding(recorded))?;
        Ok(Self {
            kl: nats(kl),
            in_nats: in_nats(kl),
            limits: Limits::new(&rows),
            rows: rows
                .iter()
                .map(|row| Row::new(row, best.is_some_and(|best| best == *row), recorded))
                .collect::<Result<_>>()?,
        })
    }
}

impl<'a> Row<'a> {
    fn new(row: &'a Measurement, best: bool, recorded: &Recorded) -> Result<Self> {
        let trained = judged(row, &recorded.judges[0])?.win_rate;
        // Raw-reward RLHF has no law of its own for a table of this size: it stands beside its prediction.
        let theory = row.expected.unwrap_or(row.predicted).win_rate;
        let difference = trained.mean - theory;
        Ok(Self {
            transform: &row.transform,
            best,
            beta: significant(row.beta, 3),
            kl: format!("{:.3}", row.kl.mean),
            effective: format!("{:.1}", row.effective_samples.mean),
            judged: recorded
                .judges
                .iter()
                .map(|judge| {
                    judged(row, judge).map(|judged| Cells {
                        win_rate: tenths(&judged.win_rate),
                        interval: interval(&judged.win_rate).unwrap_or_else(|| "–".to_owned()),
                        over_raw: judged
                            .over_raw
                            .map_or_else(|| "–".to_owned(), |d| points(d.mean)),
                        sure: judged.over_raw.is_some_and(|d| d.low > 0.0 || d.high < 0.0),
                        standard: tenths(&judged.standard_win_rate),
                    })
                })
                .collect::<Result<_>>()?,
            predicted: format!("{:.1}", 100.0 * row.predicted.win_rate),
            expected: row
                .expected
                .map_or_else(|| "–".to_owned(), |e| format!("{:.1}", 100.0 * e.win_rate)),
            difference: points(difference),
            off: difference.abs() > 2.0 * trained.standard_error,
        })
    }
}

impl<'a> Limits<'a> {
    /// The extremes over the transforms of one procedure and KL (`rows` is not empty).
    fn new(rows: &[&'a Measurement]) -> Self {
        let shift = |row: &Measurement| {
            row.expected
                .map_or(0.0, |e| e.win_rate - row.predicted.win_rate)
        };
        let bound = |row: &Measurement| row.bias_bound.unwrap_or(0.0);
        let extreme = |key: &dyn Fn(&Measurement) -> f64| {
            rows.iter()
                .copied()
                .max_by(|a, b| key(a).total_cmp(&key(b)))
        };
        let fewest = extreme(&|row| -row.effective_samples.mean);
        let largest = extreme(&|row| shift(row).abs());
        let worst = extreme(&bound);
        let name = |row: Option<&'a Measurement>| row.map_or("–", |row| &row.transform);
        Self {
            fewest: fewest.map_or_else(String::new, |r| format!("{:.1}", r.effective_samples.mean)),
            fewest_at: name(fewest),
            shift: largest.map_or_else(String::new, |row| points(shift(row))),
            shift_at: name(largest),
            bias: worst.map_or_else(String::new, |row| format!("{:.1}", 100.0 * bound(row))),
            bias_at: name(worst),
        }
    }
}

fn tenths(rate: &Estimate) -> String {
    format!("{:.1}", 100.0 * rate.mean)
}
