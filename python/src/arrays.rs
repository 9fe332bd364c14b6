//! Numbers from Python: a contiguous NumPy array of float32 or float64 is read in place; anything else is first made one.

use numpy::{PyArrayDyn, PyArrayMethods, PyReadonlyArrayDyn, PyUntypedArrayMethods, dtype};
use pyo3::{exceptions::PyTypeError, intern, prelude::*, types::PyDict};

/// A C-contiguous array.
pub(crate) enum Numbers<'py> {
    F32(PyReadonlyArrayDyn<'py, f32>),
    F64(PyReadonlyArrayDyn<'py, f64>),
}

impl<'py> Numbers<'py> {
    /// float32 stays what it is, so that it is not copied; everything else becomes float64.
    pub(crate) fn new(any: &Bound<'py, PyAny>) -> PyResult<Self> {
        let py = any.py();
        if let Ok(array) = as_array::<f32>(any) {
            return Ok(Self::F32(array));
        }
        let array = c_order(any, None)?;
        if let Ok(array) = as_array::<f32>(&array) {
            return Ok(Self::F32(array));
        }
        let array = c_order(&array, Some(dtype::<f64>(py).into_any()))?;
        as_array(&array).map(Self::F64)
    }

    pub(crate) fn shape(&self) -> Vec<usize> {
        match self {
            Self::F32(a) => a.shape().to_vec(),
            Self::F64(a) => a.shape().to_vec(),
        }
    }
}

/// An array as float32, row by row: what rewards are kept as. A float64 array is rounded, as files are when they are read.
pub(crate) fn singles<'py>(any: &Bound<'py, PyAny>) -> PyResult<PyReadonlyArrayDyn<'py, f32>> {
    match Numbers::new(any)? {
        Numbers::F32(array) => Ok(array),
        Numbers::F64(array) => {
            let single = dtype::<f32>(any.py()).into_any();
            as_array(&c_order(array.as_any(), Some(single))?)
        }
    }
}

/// The array's own memory.
pub(crate) fn slice<'a, T: numpy::Element>(
    array: &'a PyReadonlyArrayDyn<'_, T>,
) -> PyResult<&'a [T]> {
    Ok(array.as_slice()?)
}

/// Rows and columns of a two-dimensional array.
pub(crate) fn two_dimensions(name: &str, shape: &[usize]) -> PyResult<(usize, usize)> {
    match *shape {
        [rows, columns] => Ok((rows, columns)),
        _ => Err(pyo3::exceptions::PyValueError::new_err(format!(
            "{name} has the shape {shape:?}: it must be (prompts, responses)"
        ))),
    }
}

/// Values in an array of this shape; a single number where the shape is ().
pub(crate) fn shaped<'py>(
    py: Python<'py>,
    values: Vec<f64>,
    shape: &[usize],
) -> PyResult<Bound<'py, PyAny>> {
    if let ([], [value]) = (shape, values.as_slice()) {
        return Ok(value.into_pyobject(py)?.into_any());
    }
    let flat = numpy::PyArray1::from_vec(py, values);
    Ok(flat.reshape(shape)?.into_any())
}

fn as_array<'py, T: numpy::Element>(
    any: &Bound<'py, PyAny>,
) -> PyResult<PyReadonlyArrayDyn<'py, T>> {
    let array = any.cast::<PyArrayDyn<T>>()?;
    if !array.is_c_contiguous() {
        return Err(PyTypeError::new_err("not contiguous"));
    }
    Ok(array.try_readonly()?)
}

/// `numpy.asarray(any, dtype=…, order="C")`, which copies only what is not that already.
fn c_order<'py>(
    any: &Bound<'py, PyAny>,
    kind: Option<Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = any.py();
    let options = PyDict::new(py);
    options.set_item(intern!(py, "order"), "C")?;
    if let Some(kind) = kind {
        options.set_item(intern!(py, "dtype"), kind)?;
    }
    py.import(intern!(py, "numpy"))?
        .call_method(intern!(py, "asarray"), (any,), Some(&options))
}
