//! The summary that `infalign run` prints.

use std::path::Path;

use infalign::{
    estimate::Estimate,
    recorded::{Measurement, Recorded},
};

use super::{BOLD, FAINT, table::Table, text, warning};
use crate::error::Result;

/// One table per procedure and KL, the warnings, and where the report is.
pub(crate) fn recorded(results: &Recorded, report: &Path) -> Result<()> {
    text(page(results, report))?;
    for caveat in &results.warnings {
        warning(caveat);
    }
    Ok(())
}

fn page(results: &Recorded, report: &Path) -> String {
    let mut out = String::new();
    let mut line = |text: String| {
        out.push_str(&text);
        out.push('\n');
    };
    line(format!(
        "{} prompts; per prompt {} responses calibrate `{}`, {} others are reweighted and judged",
        results.prompts,
        results.calibration_responses,
        results.training_reward,
        results.evaluation_responses
    ));
    for group in results
        .measurements
        .chunk_by(|a, b| a.procedure == b.procedure && a.kl_budget == b.kl_budget)
    {
        line(String::new());
        line(format!(
            "{BOLD}{}{BOLD:#} at KL {} nats",
            group[0].procedure, group[0].kl_budget
        ));
        let mut heads = vec![
            "transform".to_owned(),
            "KL spent".to_owned(),
            "eff. responses".to_owned(),
        ];
        for judge in &results.judges {
            heads.push(format!("win rate by {judge}"));
            heads.push("over raw".to_owned());
        }
        heads.extend([
            "standard".to_owned(),
            "expected".to_owned(),
            "theory".to_owned(),
        ]);
        let mut table = Table::new(&heads.iter().map(String::as_str).collect::<Vec<_>>());
        for row in group {
            table.row(cells(row));
        }
        line(table.numbers().to_string().trim_end().to_owned());
    }
    line(String::new());
    line(format!(
        "{FAINT}Win rates in %, with 95% intervals over prompts: T(policy) against T(base), T selecting by `{}`. over raw: the paired difference to raw-reward RLHF at the same budget, in points. standard: one sample of each, by `{}`. expected: what the theory shows on a table of this size. theory: with perfect calibration.{FAINT:#}",
        results.training_reward, results.training_reward
    ));
    line(format!("report: {BOLD}{}{BOLD:#}", report.display()));
    out
}

fn cells(row: &Measurement) -> Vec<String> {
    let mut cells = vec![
        row.transform.clone(),
        format!("{:.3}", row.kl.mean),
        format!("{:.1}", row.effective_samples.mean),
    ];
    for judged in &row.judged {
        cells.push(with_interval(&judged.win_rate));
        cells.push(judged.over_raw.map_or_else(String::new, |d| {
            format!(
                "{:+.1} ({:+.1}, {:+.1})",
                100.0 * d.mean,
                100.0 * d.low,
                100.0 * d.high
            )
        }));
    }
    let standard = row.judged.first().map(|j| j.standard_win_rate.mean);
    cells.push(standard.map_or_else(String::new, percent));
    cells.push(
        row.expected
            .map_or_else(|| "-".to_owned(), |e| percent(e.win_rate)),
    );
    cells.push(percent(row.predicted.win_rate));
    cells
}

fn percent(rate: f64) -> String {
    format!("{:.1}", 100.0 * rate)
}

/// `83.1 (82.0, 84.2)`.
fn with_interval(rate: &Estimate) -> String {
    format!(
        "{} ({}, {})",
        percent(rate.mean),
        percent(rate.low),
        percent(rate.high)
    )
}
