//! `calibrate_files`: files of rewards to one calibration as they stream by, as `infalign calibrate --rewards … --out` writes it.

use std::path::PathBuf;

use infalign::calibration::sort_rows;
use infalign_data::{
    CalibrationOf, ReadOptions, RewardBatch, stream_rewards, write_calibration_stream,
};
use pyo3::prelude::*;

use crate::error::{Error, Result};

/// Rewards of `files`, in their order, to the calibration `out`; returns the number of prompts. Memory is that of a batch, and `out` is
/// there whole or not at all. That an id comes once is the caller's to see to.
#[pyfunction]
#[pyo3(signature = (files, out, *, base_policy, reward, sampling))]
pub(crate) fn calibrate_files(
    py: Python<'_>,
    files: Vec<PathBuf>,
    out: PathBuf,
    base_policy: String,
    reward: String,
    sampling: String,
) -> PyResult<u64> {
    let of = CalibrationOf {
        base_policy,
        reward,
        sampling,
    };
    let prompts = py.detach(|| -> Result<u64> {
        let mut prompts = 0;
        write_calibration_stream(&out, &of, |sink| {
            for file in &files {
                let options = ReadOptions::default();
                stream_rewards(file, &options, prompts, |batch: &mut RewardBatch| {
                    prompts += batch.prompts() as u64;
                    for (k, rows) in batch.runs_mut() {
                        sort_rows(rows, k);
                    }
                    Ok::<_, Error>(sink.append(batch)?)
                })?;
            }
            Ok::<_, Error>(())
        })?;
        Ok(prompts)
    })?;
    Ok(prompts)
}
