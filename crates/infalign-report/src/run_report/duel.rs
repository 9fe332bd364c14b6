//! Policies directly against one another, where an evaluation let them meet: one table per procedure.

use infalign::{
    estimate::{Estimate, over_seeds},
    evaluation::Evaluation,
};

use super::{arm::Arm, frontier::place, words::or_dash};
use crate::figures::{interval, percent};

/// The duels under one procedure.
pub(crate) struct DuelTable<'a> {
    pub(crate) procedure: &'a str,
    /// One row per pair of arms.
    pub(crate) rows: Vec<Row>,
}

/// A pair in words.
pub(crate) struct Row {
    pub(crate) left: String,
    pub(crate) right: String,
    /// One cell per judge.
    pub(crate) judged: Vec<Cell>,
}

/// How often the left one wins, by one judge.
pub(crate) struct Cell {
    pub(crate) win_rate: String,
    pub(crate) interval: String,
    /// Whether the interval leaves out ½.
    pub(crate) sure: bool,
}

/// The tables, those of `featured` procedures first.
pub(crate) fn tables<'a>(
    evaluation: &'a Evaluation,
    arms: &[Arm<'_>],
    featured: &[&str],
) -> Vec<DuelTable<'a>> {
    let mut tables: Vec<DuelTable<'a>> = evaluation
        .procedures
        .iter()
        .map(|procedure| DuelTable {
            procedure,
            rows: arms
                .iter()
                .flat_map(|left| arms.iter().map(move |right| (left, right)))
                .filter(|(left, right)| left.label != right.label)
                .filter_map(|pair| row(evaluation, pair, procedure))
                .collect(),
        })
        .filter(|table| !table.rows.is_empty())
        .collect();
    tables.sort_by_key(|table| place(featured, table.procedure));
    tables
}

/// A pair of arms that met; none where they did not.
fn row(
    evaluation: &Evaluation,
    (left, right): (&Arm<'_>, &Arm<'_>),
    procedure: &str,
) -> Option<Row> {
    let won: Vec<Option<Estimate>> = evaluation
        .judges
        .iter()
        .map(|judge| won(evaluation, (left, right), procedure, &judge.name))
        .collect();
    won.iter().any(Option::is_some).then(|| Row {
        left: left.label.clone(),
        right: right.label.clone(),
        judged: won
            .into_iter()
            .map(|won| Cell {
                sure: won.is_some_and(|won| won.low > 0.5 || won.high < 0.5),
                interval: won.as_ref().and_then(interval).unwrap_or_default(),
                win_rate: or_dash(won.map(|won| percent(won.mean))),
            })
            .collect(),
    })
}

/// All duels of the policies of two arms by one judge, summed up over seeds.
fn won(
    evaluation: &Evaluation,
    (left, right): (&Arm<'_>, &Arm<'_>),
    procedure: &str,
    judge: &str,
) -> Option<Estimate> {
    let of = |arm: &Arm<'_>, name: &str| arm.policies.iter().any(|policy| policy.name == name);
    let met: Vec<Estimate> = evaluation
        .duels
        .iter()
        .filter(|duel| duel.procedure == procedure && duel.judge == judge)
        .filter(|duel| of(left, &duel.left) && of(right, &duel.right))
        .map(|duel| duel.win_rate)
        .collect();
    Some(over_seeds(&met).ok()?.within(0.0, 1.0))
}
