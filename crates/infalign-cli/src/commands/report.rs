//! `infalign report`: the page of a finished run, or one that compares several.

use std::path::{Path, PathBuf};

use infalign_data::write_atomic;
use infalign_report::{RunReport, compare_report, run_report};

use crate::{
    args::Report,
    error::{Error, Result},
    print,
};

const RECORD: &str = "report.json";

pub(super) fn run(args: &Report) -> Result<()> {
    let records = args
        .runs
        .iter()
        .map(|run| read(run))
        .collect::<Result<Vec<RunReport>>>()?;
    let (page, default) = match records.as_slice() {
        [one] => (run_report(one)?, args.runs[0].join("report.html")),
        several => {
            let name = |run: &PathBuf| run.display().to_string();
            let names: Vec<String> = args.runs.iter().map(name).collect();
            let pairs: Vec<(&str, &RunReport)> =
                names.iter().map(String::as_str).zip(several).collect();
            (compare_report(&pairs)?, "compared.html".into())
        }
    };
    let out = args.out.clone().unwrap_or(default);
    write_atomic(&out, |f| f.write_all(page.as_bytes()))?;
    print::text(format_args!("report: {}\n", out.display()))
}

fn read(run: &Path) -> Result<RunReport> {
    let path = run.join(RECORD);
    let text = std::fs::read(&path).map_err(|e| {
        Error::Usage(format!(
            "{}: {e}; give the directory of a run that `infalign run` has finished",
            path.display()
        ))
    })?;
    serde_json::from_slice(&text).map_err(|e| {
        Error::Usage(format!(
            "{}: {e}; run `infalign run` again to make it anew",
            path.display()
        ))
    })
}
