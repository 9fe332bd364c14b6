//! Policies against the base by judges that compare two texts, where such were asked: one table per procedure.

use infalign::{
    estimate::{Estimate, over_seeds},
    evaluation::{Evaluation, Pairwise},
};

use super::{arm::Arm, frontier::place, words::or_dash};
use crate::figures::{interval, percent};

/// The verdicts under one procedure.
pub(crate) struct PairTable<'a> {
    pub(crate) procedure: &'a str,
    /// One row per arm and judge.
    pub(crate) rows: Vec<Row<'a>>,
}

/// What a judge said about the policies of an arm.
pub(crate) struct Row<'a> {
    pub(crate) label: String,
    pub(crate) judge: &'a str,
    pub(crate) win_rate: String,
    pub(crate) interval: String,
    /// Whether the interval leaves out ½.
    pub(crate) sure: bool,
    pub(crate) pairs: usize,
    pub(crate) ties: usize,
    pub(crate) inconsistent: usize,
    pub(crate) unparsed: usize,
    pub(crate) left_out: usize,
}

/// The tables, those of `featured` procedures first.
pub(crate) fn tables<'a>(
    evaluation: &'a Evaluation,
    arms: &[Arm<'_>],
    featured: &[&str],
) -> Vec<PairTable<'a>> {
    let mut tables: Vec<PairTable<'a>> = Vec::new();
    for found in &evaluation.pairwise {
        if tables
            .iter()
            .any(|table| table.procedure == found.procedure)
        {
            continue;
        }
        let procedure = found.procedure.as_str();
        tables.push(PairTable {
            procedure,
            rows: arms
                .iter()
                .flat_map(|arm| rows(evaluation, arm, procedure))
                .collect(),
        });
    }
    tables.sort_by_key(|table| place(featured, table.procedure));
    tables
}

/// One row per judge.
fn rows<'a>(evaluation: &'a Evaluation, arm: &Arm<'_>, procedure: &str) -> Vec<Row<'a>> {
    let of_arm = |found: &&Pairwise| {
        found.procedure == procedure && arm.policies.iter().any(|p| p.name == found.policy)
    };
    let mut judges: Vec<&str> = Vec::new();
    for found in evaluation.pairwise.iter().filter(of_arm) {
        if !judges.contains(&found.judge.as_str()) {
            judges.push(&found.judge);
        }
    }
    let row = |judge: &'a str| {
        let all = evaluation.pairwise.iter().filter(of_arm);
        let all: Vec<&Pairwise> = all.filter(|found| found.judge == judge).collect();
        let sum = |count: fn(&Pairwise) -> usize| all.iter().map(|found| count(found)).sum();
        let rates: Vec<Estimate> = all.iter().filter_map(|found| found.win_rate).collect();
        let won = over_seeds(&rates).ok().map(|won| won.within(0.0, 1.0));
        Row {
            label: arm.label.clone(),
            judge,
            sure: won.is_some_and(|won| won.low > 0.5 || won.high < 0.5),
            interval: won.as_ref().and_then(interval).unwrap_or_default(),
            win_rate: or_dash(won.map(|won| percent(won.mean))),
            pairs: sum(|found| found.pairs),
            ties: sum(|found| found.ties),
            inconsistent: sum(|found| found.inconsistent),
            unparsed: sum(|found| found.unparsed),
            left_out: sum(|found| found.left_out),
        }
    };
    judges.into_iter().map(row).collect()
}
