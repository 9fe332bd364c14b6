//! Estimators over prompts: one figure per prompt from arrays (prompts, responses), and a mean with its interval.

use infalign::estimate::{self as e, Estimate, OrderLaw};
use numpy::{PyArray1, PyReadonlyArray1};
use pyo3::prelude::*;

use crate::{
    arrays::{Numbers, slice, two_dimensions},
    error::Result,
    procedure::Procedure,
    transform::lengths,
};

/// Ŵ^T of each prompt: (prompts).
#[pyfunction]
pub(crate) fn win_rates<'py>(
    py: Python<'py>,
    policy: &Bound<'py, PyAny>,
    base: &Bound<'py, PyAny>,
    procedure: Procedure,
) -> PyResult<Bound<'py, PyArray1<f64>>> {
    let (policy, base) = (Table::new("policy", policy)?, Table::new("base", base)?);
    if policy.prompts != base.prompts {
        return Err(lengths("policy", policy.prompts, "base", base.prompts));
    }
    let (left, right) = (policy.rows()?, base.rows()?);
    let values = py.detach(|| -> Result<Vec<f64>> {
        let (a, b) = (
            procedure.law(policy.responses, "policy")?,
            procedure.law(base.responses, "base")?,
        );
        let pairs = left.iter().zip(&right);
        pairs.map(|(x, y)| Ok(e::win_rate(x, &a, y, &b)?)).collect()
    })?;
    Ok(PyArray1::from_vec(py, values))
}

/// Expected reward of what the procedure outputs, for each prompt: (prompts).
#[pyfunction]
pub(crate) fn selected_rewards<'py>(
    py: Python<'py>,
    rewards: &Bound<'py, PyAny>,
    procedure: Procedure,
) -> PyResult<Bound<'py, PyArray1<f64>>> {
    let table = Table::new("rewards", rewards)?;
    let rows = table.rows()?;
    let values = py.detach(|| -> Result<Vec<f64>> {
        let law: OrderLaw = procedure.law(table.responses, "policy")?;
        rows.iter()
            .map(|row| Ok(e::selected_reward(row, &law)?))
            .collect()
    })?;
    Ok(PyArray1::from_vec(py, values))
}

/// Mean over prompts with its 95% interval, as JSON; cut to a range where the figure has one.
#[pyfunction]
#[pyo3(signature = (values, within = None))]
pub(crate) fn estimate(
    values: PyReadonlyArray1<'_, f64>,
    within: Option<(f64, f64)>,
) -> PyResult<String> {
    let made = || -> Result<String> {
        let values = values.as_array().to_vec();
        let estimate = Estimate::from_values(&values)?;
        let estimate = within.map_or(estimate, |(low, high)| estimate.within(low, high));
        Ok(serde_json::to_string(&estimate)?)
    };
    Ok(made()?)
}

/// Rewards, (prompts, responses).
struct Table<'py> {
    numbers: Numbers<'py>,
    prompts: usize,
    responses: usize,
}

impl<'py> Table<'py> {
    fn new(name: &str, any: &Bound<'py, PyAny>) -> PyResult<Self> {
        let numbers = Numbers::new(any)?;
        let (prompts, responses) = two_dimensions(name, &numbers.shape())?;
        Ok(Self {
            numbers,
            prompts,
            responses,
        })
    }

    /// Row by row in double precision, which holds single precision exactly.
    fn rows(&self) -> PyResult<Vec<Vec<f64>>> {
        let width = self.responses.max(1);
        Ok(match &self.numbers {
            Numbers::F32(a) => {
                let wide = |row: &[f32]| row.iter().copied().map(f64::from).collect();
                slice(a)?.chunks_exact(width).map(wide).collect()
            }
            Numbers::F64(a) => slice(a)?.chunks_exact(width).map(<[f64]>::to_vec).collect(),
        })
    }
}
