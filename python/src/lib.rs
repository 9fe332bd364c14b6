//! The native half of the Python package: infalign's crates behind NumPy arrays. What users see is in `infalign/__init__.py`.
//!
//! Answers that are records cross over as the program's own JSON, so that nothing is spelt twice; arrays are read where NumPy keeps
//! them, and whatever takes long runs without the interpreter's lock.

mod arrays;
mod calibrate;
mod calibration;
mod calibrator;
mod design;
mod error;
mod estimate;
mod evaluate;
mod ids;
mod procedure;
mod report;
mod transform;

use pyo3::prelude::*;

#[pymodule]
mod _native {
    #[pymodule_export]
    use crate::{
        calibrate::calibrate_files,
        calibration::Calibration,
        calibrator::Calibrator,
        design::design,
        estimate::{selected_rewards, win_rates},
        evaluate::evaluate,
        procedure::Procedure,
        report::{design_plot, report},
        transform::Transform,
    };

    #[pymodule_export]
    use crate::estimate::estimate;
}
