//! `design`: the analytical tool, answered in the program's JSON.

use infalign::{
    design::{Budget, Question, design as answer, design_levels},
    raw::RawRewards,
};
use pyo3::{exceptions::PyValueError, prelude::*};

use crate::{
    calibration::Calibration,
    error::Result,
    procedure::Procedure,
    transform::{Transform, spec},
};

/// Which transform and which β.
#[pyfunction]
#[pyo3(signature = (procedure, *, kl, beta, transforms, k, calibration, levels, frontier, threads))]
#[expect(clippy::too_many_arguments, reason = "they are Python's keywords")]
pub(crate) fn design(
    py: Python<'_>,
    procedure: Procedure,
    kl: Option<f64>,
    beta: Option<f64>,
    transforms: Vec<Bound<'_, PyAny>>,
    k: Option<usize>,
    calibration: Option<&Bound<'_, Calibration>>,
    levels: Vec<f64>,
    frontier: bool,
    threads: usize,
) -> PyResult<String> {
    let budget = match (kl, beta) {
        (Some(kl), None) => Budget::Kl(kl),
        (None, Some(beta)) => Budget::Beta(beta),
        _ => return Err(PyValueError::new_err("give kl=X or beta=B")),
    };
    let transforms = transforms
        .iter()
        .map(|named| match named.cast::<Transform>() {
            Ok(ready) => Ok(std::sync::Arc::clone(&ready.get().0).into()),
            Err(_) => spec(&named.extract::<String>()?),
        });
    let mut question = Question {
        transforms: transforms.collect::<PyResult<_>>()?,
        k,
        frontier,
        threads: threads.max(1),
        ..Question::new(procedure.0, budget)
    };
    let table = calibration.map(|c| c.get().lookup());
    let json = py.detach(|| -> Result<String> {
        if let Some(table) = table {
            let rows = (0..table.prompts()).filter_map(|p| table.row(p));
            question.raw = Some(RawRewards::new(rows)?);
        }
        let design = if levels.is_empty() {
            answer(&question)?
        } else {
            design_levels(&question, &levels)?
        };
        Ok(serde_json::to_string(&design)?)
    })?;
    Ok(json)
}
