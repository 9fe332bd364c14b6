//! `infalign evaluate --verdicts`: a judge's pairwise verdicts to win rates against the baseline, and between models that share one.

use std::collections::BTreeMap;

use infalign::estimate::{Estimate, PromptMeans};
use infalign_data::{RecordOptions, read_verdicts, write_atomic};
use serde::Serialize;

use super::{make, samples::in_percent};
use crate::{
    args::{Evaluate, Format},
    error::Result,
    print::{self, Table},
};

/// What the verdicts come to.
#[derive(Debug, Serialize)]
struct Found {
    /// One entry for each model and baseline.
    models: Vec<Model>,
    /// Models with one baseline, paired by prompt.
    comparisons: Vec<Comparison>,
}

#[derive(Debug, Serialize)]
struct Model {
    model: String,
    baseline: String,
    /// Ties half, positions averaged; in [0,1], over prompts.
    win_rate: Estimate,
    verdicts: usize,
    /// Verdicts of exactly a half.
    ties: usize,
    /// Rows in which the judge gave none.
    unjudged: usize,
}

#[derive(Debug, Serialize)]
struct Comparison {
    left: String,
    right: String,
    baseline: String,
    /// W(left) − W(right) on the prompts that both have.
    difference: Estimate,
}

/// All verdicts of a model against a baseline.
#[derive(Default)]
struct Tally {
    won: PromptMeans,
    numbers: Vec<usize>,
    verdicts: usize,
    ties: usize,
    unjudged: usize,
}

pub(super) fn run(args: &Evaluate) -> Result<()> {
    let mut prompts: BTreeMap<String, usize> = BTreeMap::new();
    let mut tallies: BTreeMap<(String, String), Tally> = BTreeMap::new();
    for file in &args.verdicts {
        for row in read_verdicts(file, &RecordOptions::default())? {
            let next = prompts.len();
            let prompt = *prompts.entry(row.prompt).or_insert(next);
            let tally = tallies
                .entry((row.verdict.baseline, row.verdict.model))
                .or_default();
            let Some(won) = row.verdict.won else {
                tally.unjudged += 1;
                continue;
            };
            tally.won.insert(prompt, won)?;
            tally.numbers.push(prompt);
            tally.verdicts += 1;
            tally.ties += usize::from(won == 0.5);
        }
    }
    let found = found(&mut tallies)?;
    if let Some(folder) = &args.out {
        make(folder)?;
        write_atomic(folder.join("results.json"), |mut out| {
            serde_json::to_writer_pretty(&mut out, &found)?;
            out.write_all(b"\n")
        })?;
    }
    match args.stage.format {
        Format::Json => print::json(&found),
        Format::Text => tell(&found),
    }
}

fn found(tallies: &mut BTreeMap<(String, String), Tally>) -> Result<Found> {
    let mut models = Vec::new();
    let mut comparisons = Vec::new();
    let mut before: Vec<(&str, &str, BTreeMap<usize, f64>)> = Vec::new();
    for ((baseline, model), tally) in tallies.iter_mut() {
        if tally.won.is_empty() {
            print::caveat(format_args!("no verdict on {model} against {baseline}"));
            continue;
        }
        tally.numbers.sort_unstable();
        tally.numbers.dedup();
        let means: BTreeMap<usize, f64> = tally
            .numbers
            .iter()
            .copied()
            .zip(tally.won.means())
            .collect();
        for (other_baseline, other, theirs) in &before {
            let both: Vec<(f64, f64)> = means
                .iter()
                .filter_map(|(prompt, mine)| Some((*mine, *theirs.get(prompt)?)))
                .collect();
            if other_baseline != baseline || both.is_empty() {
                continue;
            }
            let (left, right): (Vec<f64>, Vec<f64>) = both.into_iter().unzip();
            comparisons.push(Comparison {
                left: model.clone(),
                right: (*other).to_owned(),
                baseline: baseline.clone(),
                difference: Estimate::paired_difference(&left, &right)?,
            });
        }
        models.push(Model {
            model: model.clone(),
            baseline: baseline.clone(),
            win_rate: tally.won.finish()?.within(0.0, 1.0),
            verdicts: tally.verdicts,
            ties: tally.ties,
            unjudged: tally.unjudged,
        });
        before.push((baseline, model, means));
    }
    Ok(Found {
        models,
        comparisons,
    })
}

fn tell(found: &Found) -> Result<()> {
    let mut table = Table::new(&[
        "model", "against", "win rate", "prompts", "verdicts", "ties", "none",
    ]);
    for row in &found.models {
        table.row([
            row.model.clone(),
            row.baseline.clone(),
            in_percent(&row.win_rate),
            row.win_rate.prompts.to_string(),
            row.verdicts.to_string(),
            row.ties.to_string(),
            row.unjudged.to_string(),
        ]);
    }
    print::text(table.numbers())?;
    for c in &found.comparisons {
        print::text(format_args!(
            "{} over {}, against {}: {} points
",
            c.left,
            c.right,
            c.baseline,
            in_percent(&c.difference)
        ))?;
    }
    Ok(())
}
