//! `report` and `Design.plot`: pages and pictures of results that come as the program's JSON.

use std::{io::Write, path::PathBuf};

use infalign::design::Design;
use infalign_data::write_atomic;
use infalign_report::{Format, RunReport, design_plot as draw, run_report};
use pyo3::prelude::*;

use crate::error::Result;

/// The page of a run from the text of its `report.json`.
#[pyfunction]
pub(crate) fn report(py: Python<'_>, record: &str, out: PathBuf) -> PyResult<()> {
    py.detach(|| -> Result<()> {
        let record: RunReport = serde_json::from_str(record)?;
        let page = run_report(&record)?;
        Ok(write_atomic(&out, |f| f.write_all(page.as_bytes()))?)
    })?;
    Ok(())
}

/// A design as HTML, SVG or PNG, by the name of the file.
#[pyfunction]
pub(crate) fn design_plot(py: Python<'_>, design: &str, out: PathBuf) -> PyResult<()> {
    py.detach(|| -> Result<()> {
        let picture = Format::of(&out)?;
        let design: Design = serde_json::from_str(design)?;
        let bytes = draw(&design, picture)?;
        Ok(write_atomic(&out, |mut f| {
            Write::write_all(&mut f, &bytes)
        })?)
    })?;
    Ok(())
}
