//! `Procedure`: what deployment does, named as on the command line.

use std::sync::Arc;

use infalign::{ProcedureSpec, estimate::OrderLaw, procedure as t, procedure::Tabulated};
use pyo3::{exceptions::PyValueError, prelude::*};

use crate::{
    error::{Error, Result},
    transform::pairs,
};

/// An inference-time procedure T, named as on the command line: what deployment does between the policy and the user.
///
/// >>> import infalign
/// >>> infalign.Procedure("best-of:4")
/// Procedure('best-of:4')
#[pyclass(frozen, module = "infalign")]
#[derive(Clone)]
pub(crate) struct Procedure(pub(crate) Arc<dyn t::Procedure>);

#[pymethods]
impl Procedure {
    #[new]
    fn new(name: Self) -> Self {
        name
    }

    /// A rank-based procedure by its CDF map G through the points (u, g): a plain sample below u becomes one below g.
    #[staticmethod]
    #[pyo3(signature = (u, g, name = "cdf"))]
    fn tabulated(u: Vec<f64>, g: Vec<f64>, name: &str) -> PyResult<Self> {
        let points = pairs(("u", u), ("g", g))?;
        let made = Tabulated::new(name, &points).map_err(Error::from)?;
        Ok(Self(Arc::new(made)))
    }

    fn __str__(&self) -> String {
        self.0.to_string()
    }

    fn __repr__(&self) -> String {
        format!("Procedure('{}')", self.0)
    }

    fn __eq__(&self, other: &Bound<'_, Self>) -> bool {
        self.0.to_string() == other.get().0.to_string()
    }
}

impl<'py> FromPyObject<'_, 'py> for Procedure {
    type Error = PyErr;

    /// A procedure, or the text that names one.
    fn extract(any: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(ready) = any.cast::<Self>() {
            return Ok(ready.get().clone());
        }
        let text = any.extract::<String>()?;
        match text.parse().map_err(Error::from)? {
            ProcedureSpec::Ready(procedure) => Ok(Self(procedure)),
            ProcedureSpec::Cdf(file) => Err(PyValueError::new_err(format!(
                "`cdf:{file}`: files are read by NumPy here: \
                 Procedure.tabulated(*numpy.loadtxt('{file}', delimiter=',', unpack=True))"
            ))),
        }
    }
}

impl Procedure {
    /// Which of m samples of a side it outputs.
    pub(crate) fn law(&self, m: usize, side: &'static str) -> Result<OrderLaw> {
        let terms = self
            .0
            .order_terms()
            .ok_or_else(|| infalign::Error::Unsupported {
                procedure: self.0.to_string(),
                why: "samples can execute best-of, worst-of, order, or a mixture of them"
                    .to_owned(),
            })?;
        let needed = terms.iter().map(|term| term.n).max().unwrap_or(1);
        if needed > m {
            let procedure = self.0.to_string();
            return Err(infalign::Error::TooFewSamples {
                procedure,
                needed,
                have: m,
                side,
            }
            .into());
        }
        let parts = terms
            .iter()
            .map(|term| Ok((term.weight, OrderLaw::order(term.j, term.n, m)?)))
            .collect::<Result<Vec<_>>>()?;
        match parts.as_slice() {
            [(_, only)] => Ok(only.clone()),
            _ => Ok(OrderLaw::mixture(&parts)?),
        }
    }
}
