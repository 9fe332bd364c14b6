//! The picture at the top of the README: measured points on the frontier, from the run that needs no data.

use std::path::Path;

use anyhow::Result;
use infalign_report::recorded_plot;

use super::run;

/// Where the README looks for it.
const FILE: &str = "docs/src/figures/report.svg";

/// Runs `infalign run` as the README says and keeps its report's first picture.
pub(super) fn write(root: &Path) -> Result<()> {
    let found = run::run(root, &[])?;
    let svg = recorded_plot(&found.recorded, &found.designs, "best-of:4")?;
    run::write(root, FILE, &svg)
}
