//! `evaluate`: policies measured under procedures, from arrays to the program's `results.json`.

use std::sync::Arc;

use infalign::{
    estimate::LogProbsOf,
    evaluation::{
        CalibratedPrompt, Deployed, Judge, LogProbs, Pairs, PolicySamples, Question, Responses,
        Samples, TrainedOn, evaluate as measure,
    },
};
use numpy::{PyReadonlyArray2, PyUntypedArrayMethods};
use pyo3::{exceptions::PyValueError, prelude::*, pybacked::PyBackedStr};

use crate::{calibration::Calibration, error::Result, procedure::Procedure, transform::Transform};

/// A policy's responses, as `infalign._samples` has made them ready: every array (prompts, responses).
#[derive(FromPyObject)]
pub(crate) struct Side<'py> {
    name: String,
    rewards: Vec<PyReadonlyArray2<'py, f32>>, // one per judge
    lengths: PyReadonlyArray2<'py, u32>,
    truncated: PyReadonlyArray2<'py, bool>,
    log_probs: Option<LogProbArrays<'py>>,
    answers: Option<Vec<Vec<PyBackedStr>>>,
    transform: Option<Bound<'py, PyAny>>,
    procedure: Option<Procedure>,
    kl: Option<f64>,
    beta: Option<f64>,
    seed: Option<u64>,
}

/// log π(y), log p(y), and the exact KLs where these were computed.
type LogProbArrays<'py> = (
    PyReadonlyArray2<'py, f64>,
    PyReadonlyArray2<'py, f64>,
    Option<PyReadonlyArray2<'py, f64>>,
);

/// Win rates, KL, laws of u.
#[pyfunction]
#[pyo3(signature = (base, policies, *, procedures, judges, prompt_ids, calibration, comparisons, duels, seed))]
#[expect(clippy::too_many_arguments, reason = "they are Python's keywords")]
pub(crate) fn evaluate(
    py: Python<'_>,
    base: Side<'_>,
    policies: Vec<Side<'_>>,
    procedures: Vec<Bound<'_, PyAny>>,
    judges: Vec<(String, Option<f64>)>,
    prompt_ids: Vec<PyBackedStr>,
    calibration: Option<&Bound<'_, Calibration>>,
    comparisons: bool,
    duels: bool,
    seed: u64,
) -> PyResult<String> {
    let judge = |(i, (name, threshold)): (usize, (String, Option<f64>))| Judge {
        name,
        training: i == 0,
        threshold,
    };
    let pairs = |all| if all { Pairs::All } else { Pairs::None };
    let question = Question {
        base: base.name.clone(),
        judges: judges.into_iter().enumerate().map(judge).collect(),
        procedures: procedures.iter().map(deployed).collect::<PyResult<_>>()?,
        comparisons: pairs(comparisons),
        duels: pairs(duels),
        seed,
    };
    let table = calibration.map(|c| c.get().lookup());
    let rows = table
        .into_iter()
        .flat_map(|t| (0..t.prompts()).map(move |p| (t.id(p), t.row(p))));
    let samples = Samples {
        prompts: prompt_ids.iter().map(|id| &**id).collect(),
        base: base.responses(prompt_ids.len())?,
        policies: policies
            .iter()
            .map(|side| side.policy(prompt_ids.len()))
            .collect::<PyResult<_>>()?,
        calibration: rows
            .filter_map(|(id, row)| {
                Some(CalibratedPrompt {
                    id: id?,
                    rollouts: row?,
                    fresh: &[],
                })
            })
            .collect(),
    };
    let json = py.detach(|| -> Result<String> {
        Ok(serde_json::to_string(&measure(&samples, &question)?)?)
    })?;
    Ok(json)
}

/// A procedure that selects by rank, or `voting:N`.
fn deployed(any: &Bound<'_, PyAny>) -> PyResult<Deployed> {
    let votes = any.extract::<String>().ok();
    match votes
        .as_deref()
        .and_then(|text| text.strip_prefix("voting:"))
    {
        Some(n) => match n.parse() {
            Ok(n) => Ok(Deployed::Voting(n)),
            Err(_) => Err(PyValueError::new_err(format!(
                "procedure `voting:{n}`: `{n}` is not a whole number; write it like `voting:5`"
            ))),
        },
        None => Ok(Deployed::Ranked(any.extract::<Procedure>()?.0)),
    }
}

impl Side<'_> {
    fn responses(&self, prompts: usize) -> PyResult<Vec<Responses<'_>>> {
        let rewards: Vec<Vec<&[f32]>> = self.rewards.iter().map(rows).collect::<PyResult<_>>()?;
        let (lengths, truncated) = (rows(&self.lengths)?, rows(&self.truncated)?);
        let log_probs = match &self.log_probs {
            None => None,
            Some((policy, base, exact)) => {
                let exact = exact.as_ref().map(rows).transpose()?;
                Some((rows(policy)?, rows(base)?, exact))
            }
        };
        let missing = |what: &str| {
            PyValueError::new_err(format!(
                "{}: {what} of {prompts} prompts are needed",
                self.name
            ))
        };
        let one = |p: usize| -> PyResult<Responses<'_>> {
            let log_probs = match &log_probs {
                None => None,
                Some((policy, base, exact)) => Some(LogProbs {
                    policy: policy.get(p).ok_or_else(|| missing("log-probabilities"))?,
                    base: base.get(p).ok_or_else(|| missing("log-probabilities"))?,
                    exact_kl: exact
                        .as_ref()
                        .map(|all| all.get(p).copied().ok_or_else(|| missing("exact KLs")))
                        .transpose()?,
                }),
            };
            let answers = self
                .answers
                .as_ref()
                .map(|all| {
                    let own = all.get(p).ok_or_else(|| missing("answers"))?;
                    Ok::<_, PyErr>(own.iter().map(|a| &**a).collect())
                })
                .transpose()?;
            Ok(Responses {
                rewards: rewards
                    .iter()
                    .map(|all| all.get(p).copied().ok_or_else(|| missing("rewards")))
                    .collect::<PyResult<_>>()?,
                log_probs,
                lengths: lengths.get(p).ok_or_else(|| missing("lengths"))?,
                truncated: truncated.get(p).ok_or_else(|| missing("truncated"))?,
                answers,
            })
        };
        (0..prompts).map(one).collect()
    }

    fn policy(&self, prompts: usize) -> PyResult<PolicySamples<'_>> {
        let trained_on = match &self.transform {
            None => TrainedOn::Other("not said".to_owned()),
            Some(any)
                if any
                    .extract::<PyBackedStr>()
                    .is_ok_and(|text| &*text == "raw") =>
            {
                TrainedOn::Raw
            }
            Some(any) => {
                let transform = any.py().get_type::<Transform>().call1((any,))?;
                TrainedOn::Transform(Arc::clone(&transform.cast::<Transform>()?.get().0))
            }
        };
        Ok(PolicySamples {
            name: self.name.clone(),
            trained_on,
            designed_for: self.procedure.as_ref().map(|p| Arc::clone(&p.0)),
            seed: self.seed,
            kl_budget: self.kl,
            beta: self.beta,
            log_probs_of: LogProbsOf::Sampler,
            responses: self.responses(prompts)?,
        })
    }
}

/// The rows of an array.
fn rows<'a, T: numpy::Element>(array: &'a PyReadonlyArray2<'_, T>) -> PyResult<Vec<&'a [T]>> {
    let width = array.shape()[1].max(1);
    Ok(array.as_slice()?.chunks_exact(width).collect())
}
