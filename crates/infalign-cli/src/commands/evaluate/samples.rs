//! `infalign evaluate --samples`: responses of policies and of the base under procedures, by rewards in the files or by judges.

mod judged;
mod measured;
mod page;

use std::path::PathBuf;

use infalign::{estimate::Estimate, evaluation::Evaluation};
use infalign_data::write_atomic;
use infalign_report::run_report;

use super::{
    make,
    matched::{Side, matched},
};
use crate::{
    args::{Evaluate, Format},
    error::{Error, Result},
    print::{self, Table},
};
use judged::{RECORDED, asking, compared, judged};
use measured::{calibration, evaluation, procedures};
use page::record;

pub(super) fn run(args: &Evaluate) -> Result<()> {
    let names = match args.judges.as_slice() {
        [] => vec![RECORDED.to_owned()],
        typed => typed.to_vec(),
    };
    let base = args
        .base
        .as_deref()
        .ok_or_else(|| Error::Usage("give --base".to_owned()))?;
    let mut sides = vec![Side::read(base, args.skip_bad_rows)?];
    for typed in &args.samples {
        sides.push(Side::read(typed, args.skip_bad_rows)?);
    }
    let asking = asking(args, &names)?;
    let judged = judged(args, matched(sides)?, &names, &asking)?;
    let procedures = procedures(args, &judged)?;
    let table = calibration(args)?;
    let mut evaluation = evaluation(args, &judged, &names, &procedures, table.as_ref())?;
    evaluation.pairwise = compared(args, &judged, &procedures, &asking)?;
    let report = match &args.out {
        None => None,
        Some(folder) => {
            make(folder)?;
            let record = record(args, &judged, &evaluation)?;
            let json = |mut out: &mut (dyn std::io::Write + Send)| {
                serde_json::to_writer_pretty(&mut out, &evaluation)?;
                out.write_all(b"\n")
            };
            write_atomic(folder.join("results.json"), json)?;
            let page = run_report(&record)?;
            let path = folder.join("report.html");
            write_atomic(&path, |out| out.write_all(page.as_bytes()))?;
            Some(path)
        }
    };
    if args.stage.format == Format::Json {
        return print::json(&evaluation);
    }
    tell(&evaluation)?;
    report.map_or(Ok(()), |path: PathBuf| {
        print::text(format_args!("report: {}\n", path.display()))
    })
}

fn tell(evaluation: &Evaluation) -> Result<()> {
    let judges = evaluation.judges.iter();
    let heads: Vec<String> = judges.map(|j| format!("wins by {}", j.name)).collect();
    let mut table = Table::new(
        &["procedure", "policy"]
            .into_iter()
            .chain(heads.iter().map(String::as_str))
            .collect::<Vec<_>>(),
    );
    for procedure in &evaluation.procedures {
        for policy in &evaluation.policies {
            let rates = policy
                .win_rates
                .iter()
                .filter(|r| r.procedure == *procedure);
            let mut cells = vec![procedure.clone(), policy.name.clone()];
            cells.extend(rates.map(|r| in_percent(&r.win_rate)));
            table.row(cells);
        }
    }
    print::text(format_args!(
        "{} prompts; {} and {} responses to each of the policies and of {}; win rates in %, with 95% intervals over prompts\n",
        evaluation.prompts, evaluation.samples, evaluation.base_samples, evaluation.base
    ))?;
    print::text(table.numbers())?;
    print::pairwise(evaluation)?;
    for comparison in &evaluation.comparisons {
        print::text(format_args!(
            "{} over {} under {} by {}: {} points\n",
            comparison.left,
            comparison.right,
            comparison.procedure,
            comparison.judge,
            in_percent(&comparison.difference)
        ))?;
    }
    for warning in &evaluation.warnings {
        print::caveat(warning);
    }
    Ok(())
}

/// `83.1 (82.0, 84.2)`.
pub(super) fn in_percent(e: &Estimate) -> String {
    format!(
        "{:.1} ({:.1}, {:.1})",
        100.0 * e.mean,
        100.0 * e.low,
        100.0 * e.high
    )
}
