//! Several runs beside one another: their answers, one frontier per procedure, one table, and what differs between their settings.

use askama::Template;

use super::{
    RunReport,
    answer::{Answer, Headline},
    arm::Arm,
    frontier, palette,
    words::{kl, or_dash},
};
use crate::{
    error::{Error, Result},
    figures::{interval, percent, with_interval},
    legend::swatches,
    page,
    panel::{Mark, Panel, SIZE, Sample},
    spread::spread,
    svg,
    tone::{Palette, Shape},
};

/// A run's marks have a shape of their own; colours stay the rewards'.
const SHAPES: [Shape; 5] = [
    Shape::Circle,
    Shape::Square,
    Shape::Triangle,
    Shape::Diamond,
    Shape::Wedge,
];

/// The page that shows runs beside one another, each under a name. The same input gives the same bytes.
///
/// # Errors
/// [`Error::Empty`] for fewer than two runs; else as [`super::run_report`].
pub fn compare_report(runs: &[(&str, &RunReport)]) -> Result<String> {
    if runs.len() < 2 {
        return Err(Error::Empty {
            name: "the list of runs to compare",
            remedy: "name at least two",
        });
    }
    for (_, report) in runs {
        report.check()?;
    }
    page::render(&ComparePage::new(runs)?)
}

#[derive(Template)]
#[template(path = "compare.html")]
struct ComparePage<'a> {
    head: page::Head,
    runs: Vec<Run<'a>>,
    legend: String,
    shapes: Vec<(&'a str, String)>,
    panels: Vec<String>,
    tables: Vec<Table<'a>>,
    settings: Vec<Setting<'a>>,
    cautions: Vec<String>,
}

struct Run<'a> {
    name: &'a str,
    report: &'a RunReport,
    answers: Vec<Answer>,
}

/// All runs under one procedure.
struct Table<'a> {
    procedure: &'a str,
    rows: Vec<Row<'a>>,
}

struct Row<'a> {
    run: &'a str,
    label: String,
    kl: String,
    judge: &'a str,
    win_rate: String,
    interval: String,
    predicted: String,
}

/// A setting whose values differ between the runs.
struct Setting<'a> {
    key: &'a str,
    /// One value per run; `None` where a run does not name it.
    values: Vec<Option<&'a str>>,
}

impl<'a> ComparePage<'a> {
    fn new(runs: &[(&'a str, &'a RunReport)]) -> Result<Self> {
        let palette = palette(&runs.iter().map(|(_, report)| *report).collect::<Vec<_>>());
        let arms: Vec<Vec<Arm<'a>>> = runs
            .iter()
            .map(|(_, report)| Arm::all(&report.evaluation))
            .collect();
        let mut rewards: Vec<&str> = Vec::new();
        for arm in arms.iter().flatten() {
            if !rewards.contains(&arm.reward) {
                rewards.push(arm.reward);
            }
        }
        let procedures = procedures(runs);
        let panels: Vec<Panel> = procedures
            .iter()
            .filter_map(|procedure| panel(runs, &arms, procedure, &palette).transpose())
            .collect::<Result<_>>()?;
        Ok(Self {
            head: page::Head::of_run(
                runs.iter()
                    .map(|(name, _)| *name)
                    .collect::<Vec<_>>()
                    .join(" and "),
            ),
            legend: swatches(&rewards, &palette),
            shapes: runs
                .iter()
                .enumerate()
                .map(|(i, (name, _))| {
                    (
                        *name,
                        crate::legend::shape(SHAPES[i % SHAPES.len()], "currentColor"),
                    )
                })
                .collect(),
            panels: panels.iter().map(svg::inline).collect::<Result<_>>()?,
            tables: procedures
                .iter()
                .map(|procedure| Table {
                    procedure,
                    rows: rows(runs, &arms, procedure),
                })
                .filter(|table| !table.rows.is_empty())
                .collect(),
            settings: settings(runs),
            cautions: cautions(runs),
            runs: runs
                .iter()
                .zip(&arms)
                .map(|((name, report), arms)| Run {
                    name,
                    report,
                    answers: Headline::all(&report.evaluation, arms)
                        .iter()
                        .filter_map(|headline| headline.answer(&report.evaluation))
                        .collect(),
                })
                .collect(),
        })
    }
}

/// The procedures that are worth a picture in any of the runs.
fn procedures<'a>(runs: &[(&'a str, &'a RunReport)]) -> Vec<&'a str> {
    let mut procedures: Vec<&str> = Vec::new();
    for (_, report) in runs {
        for procedure in frontier::featured(&report.evaluation, &report.designs) {
            if !procedures.contains(&procedure) {
                procedures.push(procedure);
            }
        }
    }
    procedures.sort_by_key(|procedure| *procedure == frontier::STANDARD);
    procedures
}

fn panel(
    runs: &[(&str, &RunReport)],
    arms: &[Vec<Arm<'_>>],
    procedure: &str,
    palette: &Palette,
) -> Result<Option<Panel>> {
    let mut marks = Vec::new();
    for (i, ((name, report), arms)) in runs.iter().zip(arms).enumerate() {
        let judge = &*report.evaluation.judges[0].name;
        for arm in arms {
            let (Some(won), Some(spent)) = (arm.win_rate(procedure, judge), arm.kl()) else {
                continue;
            };
            let finite =
                |low: f64, high: f64| (low.is_finite() && high.is_finite()).then_some((low, high));
            marks.push(Mark {
                name: format!("{name}: {}", arm.label),
                tone: palette.tone(arm.reward),
                shape: SHAPES[i % SHAPES.len()],
                at: Sample {
                    x: spent.mean.max(0.0),
                    y: won.mean,
                    text: format!("win rate {}\nKL {:.3}", with_interval(&won), spent.mean),
                },
                shift: 0.0,
                minor: false,
                whisker: finite(won.low, won.high),
                across: finite(spent.low.max(0.0), spent.high),
                from: None,
                label: None,
            });
        }
    }
    if marks.is_empty() {
        return Ok(None);
    }
    let everyone: Vec<Arm<'_>> = arms.iter().flatten().cloned().collect();
    let rewards: Vec<&str> = everyone.iter().map(|arm| arm.reward).collect();
    let design = runs
        .iter()
        .flat_map(|(_, report)| &report.designs)
        .filter(|design| design.procedure == procedure)
        .max_by_key(|design| design.points.len());
    let lines = match design {
        Some(design) => frontier::backdrop(design, palette, &rewards)?,
        None => Vec::new(),
    };
    let mut panel = Panel::new(
        SIZE,
        format!("Deployed with {procedure}"),
        frontier::axes(&marks, &lines, procedure, &everyone),
        format!(
            "Win rate under {procedure} against the KL spent, of the policies of {} runs.",
            runs.len()
        ),
    );
    panel.level = (panel.y.low < 0.5).then(|| (0.5, "as good as the base".to_owned()));
    panel.lines = lines;
    panel.marks = marks;
    spread(&mut panel)?;
    Ok(Some(panel))
}

fn rows<'a>(
    runs: &[(&'a str, &'a RunReport)],
    arms: &[Vec<Arm<'a>>],
    procedure: &str,
) -> Vec<Row<'a>> {
    let mut rows = Vec::new();
    for ((name, report), arms) in runs.iter().zip(arms) {
        for judge in &report.evaluation.judges {
            for arm in arms {
                let Some(won) = arm.win_rate(procedure, &judge.name) else {
                    continue;
                };
                rows.push(Row {
                    run: name,
                    label: arm.label.clone(),
                    kl: or_dash(arm.kl().map(|spent| kl(spent.mean))),
                    judge: &judge.name,
                    win_rate: percent(won.mean),
                    interval: or_dash(interval(&won)),
                    predicted: or_dash(arm.predicted(procedure, &judge.name).map(percent)),
                });
            }
        }
    }
    rows
}

/// What the runs say about themselves, where they differ.
fn settings<'a>(runs: &[(&'a str, &'a RunReport)]) -> Vec<Setting<'a>> {
    let mut keys: Vec<&str> = Vec::new();
    for (_, report) in runs {
        for (key, _) in &report.reproduce {
            if !keys.contains(&&**key) {
                keys.push(key);
            }
        }
    }
    keys.into_iter()
        .map(|key| Setting {
            key,
            values: runs
                .iter()
                .map(|(_, report)| {
                    let mut entries = report.reproduce.iter();
                    entries
                        .find(|(own, _)| own == key)
                        .map(|(_, value)| &**value)
                })
                .collect(),
        })
        .filter(|setting| setting.values.windows(2).any(|pair| pair[0] != pair[1]))
        .collect()
}

/// What makes the runs hard to compare.
fn cautions(runs: &[(&str, &RunReport)]) -> Vec<String> {
    let mut cautions = vec!["Intervals are each run’s own: the runs are not paired by prompt, so two intervals that overlap a little may still differ.".to_owned()];
    let differ = |of: &dyn Fn(&RunReport) -> String| {
        runs.windows(2).any(|pair| of(pair[0].1) != of(pair[1].1))
    };
    if differ(&|report| report.evaluation.base.clone()) {
        cautions.push(
            "The base policies differ in name: win rates are against each run’s own base."
                .to_owned(),
        );
    }
    if differ(&|report| report.evaluation.judges[0].name.clone()) {
        cautions.push(
            "The training rewards differ: a win rate by one says nothing about the other."
                .to_owned(),
        );
    }
    if differ(&|report| report.evaluation.prompts.to_string()) {
        cautions.push("The numbers of held-out prompts differ.".to_owned());
    }
    cautions
}
