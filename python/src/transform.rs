//! `Transform`: Φ on arrays of quantiles.

use std::sync::Arc;

use infalign::{
    Deployment, Quantile, TransformSpec, optimum::Solver, transform as phi, transform::Table,
};
use pyo3::{exceptions::PyValueError, prelude::*};

use crate::{
    arrays::{Numbers, shaped, slice},
    error::{Error, Result},
    procedure::Procedure,
};

/// A transform Φ: [0,1] → ℝ of the calibrated reward, named as on the command line.
///
/// >>> import infalign
/// >>> phi = infalign.Transform("exp:10")
/// >>> phi(0.5), phi([[0.0, 1.0]])
/// (0.006692850924284843, array([[0., 1.]]))
/// >>> infalign.Transform("log")([0.0, 1.0], k=50)  # clamped by half a step of K rollouts
/// array([-4.60517019, -0.01005034])
///
/// A slip is answered with the nearest spelling:
///
/// >>> infalign.Transform("expp:10")  # doctest: +ELLIPSIS
/// Traceback (most recent call last):
/// ValueError: unknown transform `expp:10`: did you mean `exp:10`?; known: ...
#[pyclass(frozen, module = "infalign")]
pub(crate) struct Transform(pub(crate) Arc<dyn phi::Transform>);

#[pymethods]
impl Transform {
    #[new]
    fn new(name: &Bound<'_, PyAny>) -> PyResult<Self> {
        if let Ok(ready) = name.cast::<Self>() {
            return Ok(Self(Arc::clone(&ready.get().0)));
        }
        match spec(&name.extract::<String>()?)? {
            TransformSpec::Ready(transform) => Ok(Self(transform)),
            _ => Err(PyValueError::new_err(
                "`optimal` depends on procedure and budget: use Transform.optimal(procedure, kl=…)",
            )),
        }
    }

    /// Φ that is piecewise linear through the points (u, phi); u ascends from 0 to 1.
    #[staticmethod]
    #[pyo3(signature = (u, phi, name = "table"))]
    fn table(u: Vec<f64>, phi: Vec<f64>, name: &str) -> PyResult<Self> {
        let points = pairs(("u", u), ("phi", phi))?;
        let table = Table::new(name, &points).map_err(Error::from)?;
        Ok(Self(Arc::new(table)))
    }

    /// Φ* of the coupled optimum for a procedure at a KL budget (nats): what `design` prints as `optimum`.
    #[staticmethod]
    #[pyo3(signature = (procedure, *, kl))]
    fn optimal(py: Python<'_>, procedure: Procedure, kl: f64) -> PyResult<Self> {
        let optimum = py.detach(|| -> Result<_> {
            Ok(Solver::new(Deployment::new(procedure.0, &[])).at_kl(kl)?)
        })?;
        Ok(Self(Arc::new(optimum.transform)))
    }

    /// Φ(u) for quantiles u in [0,1] of any shape, in that shape.
    ///
    /// With `k`, the rollouts per prompt (a number, or one for each u), an unbounded Φ sees u clamped to [1/(2K), 1 − 1/(2K)]: the reward
    /// that a trainer is given. Without, Φ(u) itself, which may be infinite.
    ///
    /// `ValueError` for a u outside [0,1] or NaN.
    #[pyo3(signature = (u, k = None))]
    fn __call__<'py>(
        &self,
        u: &Bound<'py, PyAny>,
        k: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = u.py();
        let numbers = Numbers::new(u)?;
        let u: Vec<f64> = match &numbers {
            Numbers::F32(a) => slice(a)?.iter().copied().map(f64::from).collect(),
            Numbers::F64(a) => slice(a)?.to_vec(),
        };
        let k = k.map(|k| ks(k, u.len())).transpose()?;
        let values = py.detach(|| self.values(&u, k.as_deref()))?;
        shaped(py, values, &numbers.shape())
    }

    /// Infimum and supremum of Φ over [0,1]; infinite where Φ is unbounded.
    #[getter]
    fn bounds(&self) -> (f64, f64) {
        self.0.bounds()
    }

    fn __str__(&self) -> String {
        self.0.to_string()
    }

    fn __repr__(&self) -> String {
        format!("Transform('{}')", self.0)
    }

    fn __eq__(&self, other: &Self) -> bool {
        self.0.to_string() == other.0.to_string()
    }

    fn __hash__(&self) -> u64 {
        use std::hash::{DefaultHasher, Hash, Hasher};
        let mut hasher = DefaultHasher::new();
        self.0.to_string().hash(&mut hasher);
        hasher.finish()
    }

    fn __reduce__(slf: &Bound<'_, Self>) -> PyResult<(Py<PyAny>, (String,))> {
        let name = slf.get().0.to_string();
        if matches!(spec(&name), Ok(TransformSpec::Ready(_))) {
            return Ok((slf.get_type().into_any().unbind(), (name,)));
        }
        Err(PyValueError::new_err(format!(
            "`{name}` cannot be pickled: it is not known by its name alone"
        )))
    }
}

impl Transform {
    fn values(&self, u: &[f64], k: Option<&[usize]>) -> Result<Vec<f64>> {
        if let Some(index) = u.iter().position(|u| !(0.0..=1.0).contains(u)) {
            return Err(infalign::Error::BadValue {
                name: "u",
                index,
                value: u[index],
                allowed: "in [0, 1]",
            }
            .into());
        }
        let transform = self.0.as_ref();
        Ok(match k {
            None => u
                .iter()
                .map(|&u| transform.value(Quantile::new(u)))
                .collect(),
            Some([k]) => u.iter().map(|&u| phi::reward(transform, u, *k)).collect(),
            Some(ks) => u
                .iter()
                .zip(ks)
                .map(|(&u, &k)| phi::reward(transform, u, k))
                .collect(),
        })
    }
}

/// One K for all, or one for each of `n`.
fn ks(any: &Bound<'_, PyAny>, n: usize) -> PyResult<Vec<usize>> {
    let each = match any.extract::<usize>() {
        Ok(k) => vec![k],
        Err(_) => any
            .try_iter()?
            .map(|k| k?.extract::<usize>())
            .collect::<PyResult<_>>()?,
    };
    if each.len() != 1 && each.len() != n {
        return Err(lengths("k", each.len(), "u", n));
    }
    Ok(each)
}

/// A text as a transform; `table:FILE` is the program's, here a table comes from arrays.
pub(crate) fn spec(text: &str) -> PyResult<TransformSpec> {
    let spec: TransformSpec = text.parse().map_err(Error::from)?;
    if let TransformSpec::Table(file) = &spec {
        return Err(PyValueError::new_err(format!(
            "`table:{file}`: files are read by NumPy here: \
             Transform.table(*numpy.loadtxt('{file}', delimiter=',', unpack=True))"
        )));
    }
    Ok(spec)
}

/// Points of two lists.
pub(crate) fn pairs(x: (&str, Vec<f64>), y: (&str, Vec<f64>)) -> PyResult<Vec<(f64, f64)>> {
    if x.1.len() != y.1.len() {
        return Err(lengths(x.0, x.1.len(), y.0, y.1.len()));
    }
    Ok(x.1.into_iter().zip(y.1).collect())
}

pub(crate) fn lengths(left: &str, left_len: usize, right: &str, right_len: usize) -> PyErr {
    PyValueError::new_err(format!(
        "{left} has {left_len} values but {right} has {right_len}: they must be as long as each other"
    ))
}
