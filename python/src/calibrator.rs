//! `Calibrator`: Ĉ of one prompt.

use infalign::calibration::{self as c, RankRule};
use pyo3::prelude::*;

use crate::{
    arrays::{Numbers, shaped, slice},
    error::{Error, Result},
};

/// The calibrated reward Ĉ of one prompt, from the raw rewards of K rollouts of the base: the share of them that a response beats, ties
/// half.
///
/// Rules: `mid-rank`, `strict`, `plus-one`, `interpolated`.
///
/// >>> import infalign
/// >>> calibrator = infalign.Calibrator([3.0, 1.0, 2.0, 2.0])
/// >>> calibrator([1.5, 2.0, 9.0])
/// array([0.25, 0.5 , 1.  ])
#[pyclass(frozen, module = "infalign")]
pub(crate) struct Calibrator(c::Calibrator);

#[pymethods]
impl Calibrator {
    #[new]
    #[pyo3(signature = (rewards, *, rule = "mid-rank"))]
    fn new(rewards: &Bound<'_, PyAny>, rule: &str) -> PyResult<Self> {
        let rule = parse(rule)?;
        let made = match Numbers::new(rewards)? {
            Numbers::F32(a) => c::Calibrator::new(slice(&a)?, rule),
            Numbers::F64(a) => c::Calibrator::new(slice(&a)?, rule),
        };
        Ok(Self(made.map_err(Error::from)?))
    }

    /// Ĉ of raw rewards of any shape, in that shape. `ValueError` for NaN.
    fn __call__<'py>(&self, rewards: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = rewards.py();
        let numbers = Numbers::new(rewards)?;
        let values = match &numbers {
            Numbers::F32(a) => self.all(py, slice(a)?),
            Numbers::F64(a) => self.all(py, slice(a)?),
        }?;
        shaped(py, values, &numbers.shape())
    }

    /// The number of rollouts K.
    #[getter]
    fn k(&self) -> usize {
        self.0.k()
    }

    /// The distinct rewards, ascending.
    #[getter]
    fn levels(&self) -> Vec<f64> {
        self.0.levels().to_vec()
    }

    fn __repr__(&self) -> String {
        format!("Calibrator(k={}, rule='{}')", self.0.k(), self.0.rule())
    }
}

impl Calibrator {
    fn all<R: Copy + Into<f64> + Sync>(&self, py: Python<'_>, raw: &[R]) -> Result<Vec<f64>> {
        py.detach(|| Ok(self.0.calibrate_all(raw)?))
    }
}

pub(crate) fn parse(rule: &str) -> Result<RankRule> {
    Ok(rule.parse()?)
}
