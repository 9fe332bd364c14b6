//! `Calibration`: Ĉ of many prompts, asked by prompt id.

use std::{path::PathBuf, sync::OnceLock};

use infalign::calibration::{RankRule, calibrate_sorted};
use infalign_data::{
    Calibration as Stored, Lookup, ReadOptions, TableBuilder, read_calibration, read_table,
    write_calibration,
};
use numpy::{PyArray1, PyUntypedArrayMethods};
use pyo3::{
    exceptions::{PyKeyError, PyValueError},
    prelude::*,
};

use crate::{
    arrays::{shaped, singles, slice, two_dimensions},
    calibrator::parse,
    error::Result,
    ids::Ids,
    transform::lengths,
};

const PARQUET: &str = "calibration.parquet";

/// The base policy's raw rewards of many prompts, K of each: what turns any response's raw reward into its quantile.
///
/// >>> import infalign
/// >>> calibration = infalign.Calibration.from_rollouts(["p", "q"], [[3.0, 1.0, 2.0, 2.0], [10.0, 20.0, 30.0, 40.0]])
/// >>> calibration.quantiles(["q", "p", "p"], [25.0, 2.0, 2.5])
/// array([0.5 , 0.5 , 0.75])
/// >>> calibration.quantiles(["nobody"], [1.0])
/// Traceback (most recent call last):
/// KeyError: 'prompt `nobody` is not among the 2 prompts of this calibration: calibrate it, or ask with unknown="pooled"'
#[pyclass(frozen, module = "infalign")]
pub(crate) struct Calibration {
    lookup: Lookup,
    pooled: OnceLock<Vec<f32>>,
}

#[pymethods]
impl Calibration {
    /// Opens `calibration.parquet`, the directory of a run that has one, or a mapped `NAME.safetensors`.
    ///
    /// Parquet is decoded into memory; the mapped file is opened at once, and processes on one machine share it.
    #[staticmethod]
    fn load(py: Python<'_>, path: PathBuf) -> PyResult<Self> {
        let lookup = py.detach(|| -> Result<Lookup> {
            let path = if path.is_dir() {
                path.join(PARQUET)
            } else {
                path
            };
            if path.extension().is_some_and(|e| e == "safetensors") {
                return Ok(Lookup::open(&path)?);
            }
            Ok(Lookup::new(read_calibration(&path)?)?)
        })?;
        Ok(lookup.into())
    }

    /// From any table of rewards that the program reads (Parquet, JSONL, CSV; one row per prompt or per response).
    #[staticmethod]
    #[pyo3(signature = (path, *, prompt_column = None, reward_column = None, base_policy = "", sampling = ""))]
    fn from_file(
        py: Python<'_>,
        path: PathBuf,
        prompt_column: Option<String>,
        reward_column: Option<String>,
        base_policy: &str,
        sampling: &str,
    ) -> PyResult<Self> {
        let lookup = py.detach(|| -> Result<Lookup> {
            let options = ReadOptions {
                prompt_column,
                reward_column,
                ..ReadOptions::default()
            };
            let table = read_table(&path, &options)?;
            Ok(Lookup::new(Stored::new(&table, 0, base_policy, sampling)?)?)
        })?;
        Ok(lookup.into())
    }

    /// From raw rewards of the base's rollouts.
    ///
    /// `rewards` is (prompts, K); or a list with the rewards of each prompt, where K differs; or (responses), one for each of
    /// `prompt_ids`, which then repeat. An id is a text or a whole number. Rewards are kept in single precision.
    ///
    /// `ValueError` for rewards that are not finite, no rewards, or an id twice.
    #[staticmethod]
    #[pyo3(signature = (prompt_ids, rewards, *, base_policy = "", reward = "reward", sampling = ""))]
    fn from_rollouts(
        py: Python<'_>,
        prompt_ids: &Bound<'_, PyAny>,
        rewards: &Bound<'_, PyAny>,
        base_policy: &str,
        reward: &str,
        sampling: &str,
    ) -> PyResult<Self> {
        let Ids::Each(ids) = Ids::new(prompt_ids)? else {
            return Err(PyValueError::new_err(
                "prompt_ids must be a list: one id per prompt",
            ));
        };
        let rows = rows(&ids, rewards)?;
        let lookup = py.detach(|| -> Result<Lookup> {
            let mut builder = TableBuilder::new([reward])?;
            for (id, row) in &rows {
                builder.insert(id, None, &[row], &[])?;
            }
            drop(rows);
            let table = builder.finish()?;
            Ok(Lookup::new(Stored::new(&table, 0, base_policy, sampling)?)?)
        })?;
        Ok(lookup.into())
    }

    /// Ĉ of raw rewards, in their shape: (prompts) or (prompts, n), one id for each entry of the first axis; or any shape with a single id.
    ///
    /// The result is a function of each pair (id, reward) alone, never of the batch. NaN for NaN. An id that is not known is a
    /// `KeyError`; with `unknown="pooled"` the reward is ranked among the rewards of all prompts instead.
    #[pyo3(signature = (prompt_ids, rewards, *, rule = "mid-rank", unknown = "error"))]
    fn quantiles<'py>(
        &self,
        prompt_ids: &Bound<'py, PyAny>,
        rewards: &Bound<'py, PyAny>,
        rule: &str,
        unknown: &str,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (py, rule) = (prompt_ids.py(), parse(rule)?);
        let pooled = pooling(unknown)?;
        let raw = singles(rewards)?;
        let shape = raw.shape().to_vec();
        let raw = slice(&raw)?;
        let ids = Ids::new(prompt_ids)?;
        let found = py.detach(|| self.all(&ids, raw, &shape, rule, pooled));
        match found {
            Ok(values) => shaped(py, values, &shape),
            Err(Fault::Unknown(id)) => Err(self.unknown(&id)),
            Err(Fault::Lengths(ids)) => Err(lengths(
                "prompt_ids",
                ids,
                "rewards",
                shape.first().copied().unwrap_or(1),
            )),
        }
    }

    /// K, the rollouts of a prompt; for a list of ids an array of them.
    #[pyo3(signature = (prompt_ids, *, unknown = "error"))]
    fn k<'py>(&self, prompt_ids: &Bound<'py, PyAny>, unknown: &str) -> PyResult<Bound<'py, PyAny>> {
        let (py, pooled) = (prompt_ids.py(), pooling(unknown)?);
        let k = |id: &str| match self.row(id, pooled) {
            Some(row) => Ok(row.len() as i64),
            None => Err(self.unknown(id)),
        };
        match Ids::new(prompt_ids)? {
            Ids::One(id) => Ok(k(&id)?.into_pyobject(py)?.into_any()),
            Ids::Each(ids) => {
                let each: Vec<i64> = ids.iter().map(|id| k(id)).collect::<PyResult<_>>()?;
                Ok(PyArray1::from_vec(py, each).into_any())
            }
        }
    }

    /// A prompt's raw rewards, ascending: (K).
    fn rewards<'py>(
        &self,
        py: Python<'py>,
        prompt_id: &str,
    ) -> PyResult<Bound<'py, PyArray1<f32>>> {
        let row = self
            .row(prompt_id, false)
            .ok_or_else(|| self.unknown(prompt_id))?;
        Ok(PyArray1::from_slice(py, row))
    }

    /// All ids, in order.
    #[getter]
    fn prompt_ids(&self) -> Vec<&str> {
        (0..self.lookup.prompts())
            .filter_map(|p| self.lookup.id(p))
            .collect()
    }

    #[getter]
    fn base_policy(&self) -> &str {
        &self.lookup.base_policy
    }

    #[getter]
    fn reward(&self) -> &str {
        &self.lookup.reward
    }

    #[getter]
    fn sampling(&self) -> &str {
        &self.lookup.sampling
    }

    /// Writes the program's calibration.parquet or, where `path` ends in .safetensors, the form that `load` maps. The file is there
    /// whole or not at all.
    fn save(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        py.detach(|| -> Result<()> {
            if path.extension().is_some_and(|e| e == "safetensors") {
                return Ok(self.lookup.write(&path)?);
            }
            Ok(write_calibration(&path, &self.stored()?)?)
        })?;
        Ok(())
    }

    fn __len__(&self) -> usize {
        self.lookup.prompts()
    }

    fn __contains__(&self, prompt_id: &Bound<'_, PyAny>) -> PyResult<bool> {
        Ok(match Ids::new(prompt_id)? {
            Ids::One(id) => self.lookup.find(&id).is_some(),
            Ids::Each(_) => false,
        })
    }

    fn __repr__(&self) -> String {
        let lookup = &self.lookup;
        format!(
            "Calibration({} prompts, {} rewards, reward='{}', base_policy='{}')",
            lookup.prompts(),
            lookup.responses(),
            lookup.reward,
            lookup.base_policy
        )
    }
}

impl From<Lookup> for Calibration {
    fn from(lookup: Lookup) -> Self {
        Self {
            lookup,
            pooled: OnceLock::new(),
        }
    }
}

/// Ids that are looked up in one go.
const BATCH: usize = 4096;

/// Threads for so many ids: one, unless each has enough to do.
fn threads(ids: usize) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    (ids / 16_384).clamp(1, cores.min(8))
}

/// Ids, `size` at a time, with the `width` rewards of each and where their quantiles go.
fn batches<'a, 'i>(
    size: usize,
    width: usize,
    ids: &'a [&'i str],
    raw: &'a [f32],
    out: &'a mut [f64],
) -> impl Iterator<Item = (&'a [&'i str], (&'a [f32], &'a mut [f64]))> {
    let rewards = raw.chunks(size * width).zip(out.chunks_mut(size * width));
    ids.chunks(size.max(1)).zip(rewards)
}

/// What is wrong with a batch.
enum Fault {
    Unknown(String),
    Lengths(usize),
}

impl Calibration {
    pub(crate) fn lookup(&self) -> &Lookup {
        &self.lookup
    }

    fn row(&self, id: &str, pooled: bool) -> Option<&[f32]> {
        let own = self.lookup.find(id).and_then(|p| self.lookup.row(p));
        own.or_else(|| pooled.then(|| self.pooled.get_or_init(|| self.lookup.pooled()).as_slice()))
    }

    fn all(
        &self,
        ids: &Ids,
        raw: &[f32],
        shape: &[usize],
        rule: RankRule,
        pooled: bool,
    ) -> std::result::Result<Vec<f64>, Fault> {
        let row = |id: &str| {
            self.row(id, pooled)
                .ok_or_else(|| Fault::Unknown(id.to_owned()))
        };
        match ids {
            Ids::One(id) => {
                let row = row(id)?;
                Ok(raw
                    .iter()
                    .map(|&r| calibrate_sorted(row, r, rule))
                    .collect())
            }
            Ids::Each(ids) => {
                if shape.first() != Some(&ids.len()) {
                    return Err(Fault::Lengths(ids.len()));
                }
                let width = raw.len() / ids.len().max(1);
                let texts: Vec<&str> = ids.iter().map(|id| &**id).collect();
                let mut out = vec![0.0; raw.len()];
                if width == 0 {
                    return Ok(out);
                }
                let part = texts.len().div_ceil(threads(texts.len())).max(1);
                let work = |(ids, (raw, out)): (&[&str], (&[f32], &mut [f64]))| {
                    for (ids, (raw, out)) in batches(BATCH, width, ids, raw, out) {
                        let prompts = self.lookup.find_all(ids);
                        for ((id, prompt), (raw, out)) in ids
                            .iter()
                            .zip(prompts)
                            .zip(raw.chunks(width).zip(out.chunks_mut(width)))
                        {
                            let known = prompt.and_then(|p| self.lookup.row(p));
                            let row = known.map_or_else(|| row(id), Ok)?;
                            for (&raw, out) in raw.iter().zip(out) {
                                *out = calibrate_sorted(row, raw, rule);
                            }
                        }
                    }
                    Ok(())
                };
                std::thread::scope(|scope| {
                    let parts = batches(part, width, &texts, raw, &mut out);
                    let running: Vec<_> =
                        parts.map(|each| scope.spawn(move || work(each))).collect();
                    running.into_iter().try_for_each(|part| {
                        part.join()
                            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
                    })
                })?;
                Ok(out)
            }
        }
    }

    fn unknown(&self, id: &str) -> PyErr {
        PyKeyError::new_err(format!(
            "prompt `{}` is not among the {} prompts of this calibration: calibrate it, or ask with unknown=\"pooled\"",
            id.chars().take(80).collect::<String>(),
            self.lookup.prompts()
        ))
    }

    fn stored(&self) -> Result<Stored> {
        let lookup = &self.lookup;
        let mut builder = TableBuilder::new(["rewards"])?;
        for prompt in 0..lookup.prompts() {
            if let (Some(id), Some(row)) = (lookup.id(prompt), lookup.row(prompt)) {
                builder.insert(id, None, &[row], &[])?;
            }
        }
        Ok(Stored {
            table: builder.finish()?,
            base_policy: lookup.base_policy.clone(),
            reward: lookup.reward.clone(),
            sampling: lookup.sampling.clone(),
        })
    }
}

fn pooling(unknown: &str) -> PyResult<bool> {
    match unknown {
        "error" => Ok(false),
        "pooled" => Ok(true),
        _ => Err(PyValueError::new_err(format!(
            "unknown=\"{unknown}\": it is \"error\" or \"pooled\""
        ))),
    }
}

/// The rewards of each prompt, prompts in the order of their first appearance.
fn rows<'a>(
    ids: &'a [pyo3::pybacked::PyBackedStr],
    rewards: &Bound<'_, PyAny>,
) -> PyResult<Vec<(&'a str, Vec<f32>)>> {
    let ragged = || -> PyResult<Vec<Vec<f32>>> {
        let lists = rewards
            .try_iter()?
            .map(|list| Ok(slice(&singles(&list?)?)?.to_vec()));
        lists.collect()
    };
    // NumPy refuses lists of unequal lengths; then each is an array of its own.
    let Ok(array) = singles(rewards) else {
        let lists = ragged()?;
        if lists.len() != ids.len() {
            return Err(lengths("prompt_ids", ids.len(), "rewards", lists.len()));
        }
        return Ok(ids.iter().map(|id| &**id).zip(lists).collect());
    };
    let shape = array.shape().to_vec();
    let values = slice(&array)?;
    if shape.first() != Some(&ids.len()) {
        return Err(lengths(
            "prompt_ids",
            ids.len(),
            "rewards",
            shape.first().copied().unwrap_or(1),
        ));
    }
    if shape.len() == 1 {
        return Ok(grouped(ids, values));
    }
    let (_, k) = two_dimensions("rewards", &shape)?;
    if k == 0 {
        return Ok(ids.iter().map(|id| (&**id, Vec::new())).collect());
    }
    let row = |(id, row): (&'a pyo3::pybacked::PyBackedStr, &[f32])| (&**id, row.to_vec());
    Ok(ids.iter().zip(values.chunks_exact(k)).map(row).collect())
}

fn grouped<'a>(
    ids: &'a [pyo3::pybacked::PyBackedStr],
    rewards: &[f32],
) -> Vec<(&'a str, Vec<f32>)> {
    let mut places = std::collections::BTreeMap::new();
    let mut rows: Vec<(&str, Vec<f32>)> = Vec::new();
    for (id, &reward) in ids.iter().zip(rewards) {
        let place = *places.entry(&**id).or_insert_with(|| {
            rows.push((id, Vec::new()));
            rows.len() - 1
        });
        rows[place].1.push(reward);
    }
    rows
}
