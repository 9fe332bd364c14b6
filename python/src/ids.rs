//! Prompt ids from Python: texts, or whole numbers, which are written as texts, as in files.

use pyo3::{exceptions::PyTypeError, prelude::*, pybacked::PyBackedStr, types::PyString};

/// One id for everything, or one for each prompt.
pub(crate) enum Ids {
    One(PyBackedStr),
    Each(Vec<PyBackedStr>),
}

impl Ids {
    pub(crate) fn new(any: &Bound<'_, PyAny>) -> PyResult<Self> {
        if let Some(one) = id(any)? {
            return Ok(Self::One(one));
        }
        let each = any.try_iter()?.map(|item| {
            let item = item?;
            id(&item)?.ok_or_else(|| {
                PyTypeError::new_err(format!(
                    "{item:?} is no prompt id: give texts or whole numbers"
                ))
            })
        });
        Ok(Self::Each(each.collect::<PyResult<_>>()?))
    }
}

fn id(any: &Bound<'_, PyAny>) -> PyResult<Option<PyBackedStr>> {
    if let Ok(text) = any.cast::<PyString>() {
        return Ok(Some(text.clone().try_into()?));
    }
    match any.extract::<i128>() {
        Ok(number) => Ok(Some(
            PyString::new(any.py(), &number.to_string()).try_into()?,
        )),
        Err(_) => Ok(None),
    }
}
