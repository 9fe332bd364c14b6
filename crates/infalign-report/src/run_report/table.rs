//! The table policies × procedures × judges, and the table of what each policy spent.
//!
//! A column's best is marked only where the data support it: where the paired difference to every other policy of the same budget has an
//! interval above 0.

use infalign::{
    estimate::Estimate,
    evaluation::{Evaluation, PolicyResult},
};

use super::{
    answer::budgets,
    arm::{Arm, difference, rate},
    frontier::place,
    words::{bounded, kl, or_dash, plus_minus},
};
use crate::figures::{in_nats, percent, points, significant};

/// Win rates under one procedure.
pub(crate) struct WinTable<'a> {
    /// The procedure.
    pub(crate) procedure: &'a str,
    /// Whether it is shown unfolded.
    pub(crate) open: bool,
    /// Whether any policy has a prediction.
    pub(crate) has_predicted: bool,
    /// One group per KL budget.
    pub(crate) groups: Vec<Group>,
}

/// The policies of one budget.
pub(crate) struct Group {
    /// The budget in words; empty where there is only one.
    pub(crate) budget: String,
    /// One row per arm.
    pub(crate) rows: Vec<Row>,
}

/// A row in words.
pub(crate) struct Row {
    pub(crate) label: String,
    pub(crate) seeds: usize,
    pub(crate) kl: String,
    pub(crate) predicted: String,
    pub(crate) at_kl: String,
    pub(crate) optimum: String,
    /// Whether the measured win rate lies above the optimum beyond its interval.
    pub(crate) above: bool,
    pub(crate) judged: Vec<Cells>,
}

/// Win rates by one judge.
pub(crate) struct Cells {
    pub(crate) win_rate: String,
    pub(crate) interval: String,
    pub(crate) over_raw: String,
    /// Whether the interval of `over_raw` leaves out 0.
    pub(crate) sure: bool,
    pub(crate) best: bool,
}

/// The tables, those of `featured` procedures first and unfolded, as are those of voting, of which nothing else is shown.
pub(crate) fn win_tables<'a>(
    evaluation: &'a Evaluation,
    arms: &[Arm<'_>],
    featured: &[&str],
) -> Vec<WinTable<'a>> {
    let mut tables: Vec<WinTable<'a>> = evaluation
        .procedures
        .iter()
        .map(|procedure| {
            let groups: Vec<Group> = budgets(arms)
                .into_iter()
                .map(|budget| group(evaluation, arms, procedure, budget))
                .filter(|group| !group.rows.is_empty())
                .collect();
            WinTable {
                procedure,
                open: featured.contains(&&**procedure) || procedure.starts_with("voting:"),
                has_predicted: groups
                    .iter()
                    .flat_map(|group| &group.rows)
                    .any(|row| row.predicted != "–" || row.at_kl != "–"),
                groups,
            }
        })
        .filter(|table| !table.groups.is_empty())
        .collect();
    tables.sort_by_key(|table| place(featured, table.procedure));
    tables
}

fn group(evaluation: &Evaluation, arms: &[Arm<'_>], procedure: &str, budget: Option<f64>) -> Group {
    let here: Vec<&Arm<'_>> = arms.iter().filter(|arm| arm.budget() == budget).collect();
    let training = &*evaluation.judges[0].name;
    let best: Vec<Option<&str>> = evaluation
        .judges
        .iter()
        .map(|judge| best(evaluation, &here, procedure, &judge.name))
        .collect();
    let raw = here.iter().find(|arm| arm.reward == "raw");
    let rows = here
        .iter()
        .filter(|arm| arm.win_rate(procedure, training).is_some())
        .map(|arm| {
            let of = |figure: fn(&infalign::evaluation::WinRate) -> Option<f64>| {
                arm.mean(|policy| rate(policy, procedure, training).and_then(figure))
            };
            let optimum = of(|rate| rate.optimum);
            let low = arm.win_rate(procedure, training).map(|won| won.low);
            Row {
                label: arm.short.clone(),
                seeds: arm.policies.len(),
                kl: or_dash(arm.kl().map(|spent| kl(spent.mean))),
                predicted: tenths(of(|rate| rate.predicted)),
                at_kl: tenths(of(|rate| rate.predicted_at_measured_kl)),
                optimum: tenths(optimum),
                above: optimum.zip(low).is_some_and(|(most, low)| low > most),
                judged: evaluation
                    .judges
                    .iter()
                    .zip(&best)
                    .map(|(judge, best)| {
                        let won = arm.win_rate(procedure, &judge.name);
                        let over = raw.filter(|raw| raw.label != arm.label).and_then(|raw| {
                            difference(evaluation, (arm, raw), procedure, &judge.name)
                        });
                        Cells {
                            win_rate: or_dash(won.map(|won| percent(won.mean))),
                            interval: or_dash(won.as_ref().and_then(ends)),
                            over_raw: or_dash(over.map(|over| points(over.mean))),
                            sure: over.is_some_and(|over| over.low > 0.0 || over.high < 0.0),
                            best: *best == Some(&*arm.label),
                        }
                    })
                    .collect(),
            }
        })
        .collect();
    Group {
        budget: budget.map_or_else(String::new, |budget| {
            format!("KL budget {}", in_nats(budget))
        }),
        rows,
    }
}

/// The label of the arm that wins most, where it is surely ahead of every other.
fn best<'b>(
    evaluation: &Evaluation,
    arms: &[&'b Arm<'_>],
    procedure: &str,
    judge: &str,
) -> Option<&'b str> {
    let mut first: Option<(&Arm<'_>, f64)> = None;
    for arm in arms {
        let Some(won) = arm.win_rate(procedure, judge) else {
            continue;
        };
        if first.is_none_or(|(_, most)| won.mean > most) {
            first = Some((arm, won.mean));
        }
    }
    let (first, _) = first?;
    let mut others = arms
        .iter()
        .filter(|other| other.label != first.label && other.win_rate(procedure, judge).is_some())
        .peekable();
    others.peek()?;
    let ahead = others.all(|other| {
        difference(evaluation, (first, other), procedure, judge).is_some_and(|e| e.low > 0.0)
    });
    ahead.then_some(&*first.label)
}

/// What one policy (or arm) spent and how it writes.
pub(crate) struct Spent {
    pub(crate) label: String,
    pub(crate) budget: String,
    pub(crate) beta: String,
    pub(crate) kl: String,
    pub(crate) quantile_kl: String,
    pub(crate) efficiency: String,
    pub(crate) ceiling: String,
    pub(crate) k1: String,
    pub(crate) k3: String,
    pub(crate) length: String,
    pub(crate) truncated: String,
    pub(crate) rewards: Vec<String>,
}

/// One row per arm, and one for the base.
pub(crate) fn spent(evaluation: &Evaluation, arms: &[Arm<'_>]) -> Vec<Spent> {
    let base = &evaluation.base_behaviour;
    let mut rows = vec![Spent {
        label: evaluation.base.clone(),
        budget: "–".to_owned(),
        beta: "–".to_owned(),
        kl: "0".to_owned(),
        quantile_kl: "0".to_owned(),
        efficiency: "–".to_owned(),
        ceiling: "–".to_owned(),
        k1: "–".to_owned(),
        k3: "–".to_owned(),
        length: plus_minus(&base.length, 1),
        truncated: percent(base.truncated.mean),
        rewards: evaluation
            .judges
            .iter()
            .map(|judge| {
                let mean = base.rewards.iter().find(|mean| mean.judge == judge.name);
                or_dash(mean.map(|mean| plus_minus(&mean.reward, 3)))
            })
            .collect(),
    }];
    rows.extend(arms.iter().map(|arm| {
        let nats = |figure: &dyn Fn(&PolicyResult) -> Option<Estimate>| {
            or_dash(arm.pooled(figure).map(|e| plus_minus(&e, 3)))
        };
        Spent {
            label: arm.label.clone(),
            budget: or_dash(arm.budget().map(|budget| significant(budget, 3))),
            beta: or_dash(
                arm.mean(|policy| policy.beta)
                    .map(|beta| significant(beta, 3)),
            ),
            kl: nats(&super::arm::kl),
            quantile_kl: nats(&|policy| Some(policy.quantile_kl)),
            efficiency: or_dash(arm.pooled(|policy| policy.kl_efficiency).map(|e| {
                let mean = percent(e.mean);
                if bounded(&e) {
                    format!(
                        "{mean} <small>({:.1}–{:.1})</small>",
                        100.0 * e.low,
                        100.0 * e.high
                    )
                } else {
                    mean
                }
            })),
            ceiling: tenths(arm.mean(|policy| policy.kl_efficiency_ceiling)),
            k1: nats(&|policy| policy.kl.map(|kl| kl.k1)),
            k3: nats(&|policy| policy.kl.map(|kl| kl.k3)),
            length: or_dash(
                arm.pooled(|policy| Some(policy.behaviour.length))
                    .map(|e| plus_minus(&e, 1)),
            ),
            truncated: or_dash(
                arm.pooled(|policy| Some(policy.behaviour.truncated))
                    .map(|e| percent(e.mean)),
            ),
            rewards: evaluation
                .judges
                .iter()
                .map(|judge| {
                    let mean = arm.pooled(|policy| {
                        let rewards = policy.behaviour.rewards.iter();
                        rewards
                            .clone()
                            .find(|mean| mean.judge == judge.name)
                            .map(|mean| mean.reward)
                    });
                    or_dash(mean.map(|mean| plus_minus(&mean, 3)))
                })
                .collect(),
        }
    }));
    rows
}

fn tenths(rate: Option<f64>) -> String {
    or_dash(rate.map(percent))
}

fn ends(rate: &Estimate) -> Option<String> {
    crate::figures::interval(rate)
}
