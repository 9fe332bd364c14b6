//! The page of a run: what was asked and the answer first, then the evidence, the texts, the caveats, and how to make it again.

mod answer;
mod arm;
mod attack;
pub(crate) mod calibration;
mod compare;
mod curves;
mod draws;
mod duel;
mod frontier;
mod gain;
mod gap;
mod input;
mod law;
mod notes;
mod pairwise;
mod samples;
mod table;
mod words;

use askama::Template;
use infalign::evaluation::Evaluation;

pub use compare::compare_report;
pub use input::{RunReport, SampleSet, SampleText, TrainingCurve};

use self::{
    answer::{Answer, Headline, budgets},
    arm::Arm,
    attack::Attack,
    calibration::CalibrationWords,
    duel::DuelTable,
    gap::GapTable,
    pairwise::PairTable,
    samples::Samples,
    table::{Spent, WinTable},
    words::{counted, listed},
};
use crate::{
    error::Result, figures::in_nats, html::escape, legend::legend, page, panel::Panel, svg,
    tone::Palette,
};

/// The page of a run as text: one file that needs nothing but itself. The same input gives the same bytes.
///
/// Policies that differ only in their seed are shown as one, with the mean over seeds.
///
/// # Errors
/// [`crate::Error::Empty`] without policies, judges or procedures; [`crate::Error::MissingJudge`] for a policy that lacks one of the
/// judges; [`crate::Error::NotFinite`] for a mean that is NaN or infinite (standard errors and ends of intervals may be: they are left
/// out); [`crate::Error::Lengths`] for a curve or law whose lists differ in length.
pub fn run_report(report: &RunReport) -> Result<String> {
    report.check()?;
    page::render(&RunPage::new(report)?)
}

#[derive(Template)]
#[template(path = "run.html")]
struct RunPage<'a> {
    head: page::Head,
    report: &'a RunReport,
    evaluation: &'a Evaluation,
    setting: String,
    answers: Vec<Answer>,
    many_seeds: bool,
    legend: String,
    frontier: Vec<String>,
    has_lines: bool,
    tables: Vec<WinTable<'a>>,
    any_predicted: bool,
    duels: Vec<DuelTable<'a>>,
    pairwise: Vec<PairTable<'a>>,
    draws: Vec<Group<String>>,
    spent: Vec<Spent>,
    laws: Vec<Group<String>>,
    gaps: Vec<GapTable<'a>>,
    terms: Vec<(String, &'static str, &'static str)>,
    gains: Vec<Group<String>>,
    calibration: Option<CalibrationSection>,
    curves: Vec<Group<String>>,
    metrics: Vec<(&'static str, &'static str)>,
    attacks: Vec<Group<AttackSection>>,
    samples: Samples,
    sample_policies: Vec<&'a str>,
    notes: Vec<String>,
}

/// What belongs to one KL budget; without a title where the run has but one.
struct Group<T> {
    title: String,
    items: Vec<T>,
}

struct CalibrationSection {
    panels: Vec<String>,
    words: CalibrationWords,
}

struct AttackSection {
    panel: String,
    words: Attack,
}

/// The colours of runs: of what they trained on, and the optimum's.
fn palette(runs: &[&RunReport]) -> Palette {
    let policies = runs.iter().flat_map(|report| &report.evaluation.policies);
    Palette::new(policies.map(|policy| &*policy.reward).chain(["optimum"]))
}

/// The rewards of the arms, each once.
fn rewards<'a>(arms: &[Arm<'a>]) -> Vec<&'a str> {
    let mut rewards: Vec<&str> = Vec::new();
    for arm in arms {
        if !rewards.contains(&arm.reward) {
            rewards.push(arm.reward);
        }
    }
    rewards
}

fn drawn(panels: &[Panel]) -> Result<Vec<String>> {
    panels.iter().map(svg::inline).collect()
}

/// What `make` makes of the arms of each budget, where it makes anything.
fn by_budget<'a, T>(
    arms: &[Arm<'a>],
    make: impl Fn(&[&Arm<'a>]) -> Result<Vec<T>>,
) -> Result<Vec<Group<T>>> {
    let all = budgets(arms);
    let mut groups = Vec::new();
    for budget in &all {
        let here: Vec<&Arm<'a>> = arms.iter().filter(|arm| arm.budget() == *budget).collect();
        let items = make(&here)?;
        if items.is_empty() {
            continue;
        }
        let title = match budget {
            _ if all.len() < 2 => String::new(),
            Some(budget) => format!("KL budget {}", in_nats(*budget)),
            None => "Without a KL budget".to_owned(),
        };
        groups.push(Group { title, items });
    }
    Ok(groups)
}

impl<'a> RunPage<'a> {
    fn new(report: &'a RunReport) -> Result<Self> {
        let evaluation = &report.evaluation;
        let arms = Arm::all(evaluation);
        let palette = palette(&[report]);
        let featured = frontier::featured(evaluation, &report.designs);
        let frontier = frontier::panels(evaluation, &report.designs, &arms, &palette)?;
        let tables = table::win_tables(evaluation, &arms, &featured);
        let highest = law::highest(&arms);
        let all_lines = curves::lines(&report.curves);
        let calibration = match &evaluation.diagnostics {
            Some(diagnostics) => {
                let words = CalibrationWords::new(diagnostics);
                let panels = calibration::panels(diagnostics);
                let panels = panels.iter().map(|(_, panel)| svg::inline(panel));
                Some(CalibrationSection {
                    panels: panels.collect::<Result<_>>()?,
                    words,
                })
            }
            None => None,
        };
        Ok(Self {
            head: page::Head::of_run(report.title.clone()),
            report,
            evaluation,
            setting: setting(evaluation, &arms),
            answers: Headline::all(evaluation, &arms)
                .iter()
                .filter(|_| trained_here(evaluation))
                .filter_map(|headline| headline.answer(evaluation))
                .collect(),
            many_seeds: arms.iter().any(|arm| arm.policies.len() > 1),
            legend: legend(&rewards(&arms), &palette),
            has_lines: frontier.iter().any(|panel| !panel.lines.is_empty()),
            frontier: drawn(&frontier)?,
            any_predicted: tables.iter().any(|table| table.has_predicted),
            tables,
            duels: duel::tables(evaluation, &arms, &featured),
            pairwise: pairwise::tables(evaluation, &arms, &featured),
            draws: by_budget(&arms, |arms| {
                drawn(&draws::panels(evaluation, arms, &palette))
            })?,
            spent: table::spent(evaluation, &arms),
            laws: by_budget(&arms, |arms| drawn(&law::panels(arms, highest, &palette)))?,
            gaps: gap::tables(evaluation, &arms, &featured),
            terms: gap::TERMS
                .iter()
                .map(|(name, tone, meaning)| (tone.hex(), *name, *meaning))
                .collect(),
            gains: by_budget(&arms, |arms| {
                drawn(&gain::panels(arms, &featured, &palette))
            })?,
            calibration,
            curves: by_budget(&arms, |arms| {
                drawn(&curves::panels(&report.curves, arms, &palette, all_lines))
            })?,
            metrics: curves::meanings(&report.curves),
            attacks: by_budget(&arms, |arms| {
                attack::views(evaluation, arms, &palette)
                    .into_iter()
                    .map(|words| {
                        let panel = svg::inline(&words.panel)?;
                        Ok(AttackSection { panel, words })
                    })
                    .collect()
            })?,
            samples: Samples::new(&report.samples, evaluation, &arms, &palette),
            sample_policies: sample_policies(report),
            notes: notes::notes(evaluation, &report.designs, &arms),
        })
    }
}

/// Who wrote the samples, each once.
fn sample_policies(report: &RunReport) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for response in report.samples.iter().flat_map(|set| &set.responses) {
        if !names.contains(&&*response.policy) {
            names.push(&response.policy);
        }
    }
    names
}

/// Whether anything is known of the policies' training: samples of unknown policies make no claim.
fn trained_here(evaluation: &Evaluation) -> bool {
    evaluation.judges.iter().any(|judge| judge.training)
}

/// What was measured on what, in one sentence.
fn setting(evaluation: &Evaluation, arms: &[Arm<'_>]) -> String {
    let known = trained_here(evaluation);
    let judges: Vec<String> = evaluation
        .judges
        .iter()
        .map(|judge| {
            let role = match (known, judge.training) {
                (false, _) => "",
                (_, true) => " (trained on)",
                _ => " (never seen in training)",
            };
            format!("<code>{}</code>{role}", escape(&judge.name))
        })
        .collect();
    let seeds = arms.iter().map(|arm| arm.policies.len()).max().unwrap_or(1);
    let seeds = if known {
        format!(
            "; {} per policy",
            counted(seeds, "training seed", "training seeds")
        )
    } else {
        String::new()
    };
    format!(
        "Measured on {}, with {} per prompt of each policy and {} of the base <code>{}</code>, fresh for this evaluation; judged by {}{seeds}.",
        counted(evaluation.prompts, "held-out prompt", "held-out prompts"),
        counted(evaluation.samples, "response", "responses"),
        evaluation.base_samples,
        escape(&evaluation.base),
        listed(&judges)
    )
}
