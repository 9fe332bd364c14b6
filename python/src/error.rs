//! Errors as Python has them, with the text that the program prints.
//!
//! | mistake | exception |
//! |---|---|
//! | a value, a name, a file's contents | `ValueError` |
//! | a file that is not there, may not be read, … | `FileNotFoundError`, `PermissionError`, `OSError` |
//! | an unknown prompt | `KeyError` |
//! | ours | `RuntimeError` |

use std::io;

use pyo3::{
    PyErr,
    exceptions::{PyFileNotFoundError, PyOSError, PyPermissionError, PyRuntimeError, PyValueError},
};

/// An error of any of our crates.
pub(crate) enum Error {
    Value(String),
    File(io::ErrorKind, String),
    Bug(String),
}

pub(crate) type Result<T> = std::result::Result<T, Error>;

impl From<infalign::Error> for Error {
    fn from(error: infalign::Error) -> Self {
        Self::Value(error.to_string())
    }
}

impl From<infalign_data::Error> for Error {
    fn from(error: infalign_data::Error) -> Self {
        use infalign_data::Error as E;
        let text = error.to_string();
        match error {
            E::Read { source, .. } | E::Write { source, .. } => Self::File(source.kind(), text),
            E::Bug { .. } => Self::Bug(text),
            _ => Self::Value(text),
        }
    }
}

impl From<infalign_report::Error> for Error {
    fn from(error: infalign_report::Error) -> Self {
        Self::Value(error.to_string())
    }
}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Self::Value(error.to_string())
    }
}

impl From<Error> for PyErr {
    fn from(error: Error) -> Self {
        match error {
            Error::Value(text) => PyValueError::new_err(text),
            Error::File(io::ErrorKind::NotFound, text) => PyFileNotFoundError::new_err(text),
            Error::File(io::ErrorKind::PermissionDenied, text) => PyPermissionError::new_err(text),
            Error::File(_, text) => PyOSError::new_err(text),
            Error::Bug(text) => PyRuntimeError::new_err(text),
        }
    }
}
