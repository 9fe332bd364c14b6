//! The reference file as types.

use std::{collections::BTreeMap, sync::LazyLock};

use serde::Deserialize;

/// The whole file, read once.
pub(crate) static REFERENCE: LazyLock<Reference> =
    LazyLock::new(|| serde_json::from_str(include_str!("../data/reference.json")).unwrap());

#[derive(Debug, Deserialize)]
pub(crate) struct Reference {
    pub(crate) tilts: Vec<Tilt>,
    pub(crate) extreme_tilts: Vec<ExtremeTilt>,
    pub(crate) optima: Vec<Optimum>,
    pub(crate) finite_levels: Vec<FiniteLevels>,
    pub(crate) finite_k: Vec<FiniteK>,
    pub(crate) estimators: Vec<Estimator>,
    pub(crate) printed: Vec<Printed>,
}

/// A transform at a KL, and its win rate under every procedure.
#[derive(Debug, Deserialize)]
pub(crate) struct Tilt {
    pub(crate) transform: String,
    pub(crate) kl: f64,
    pub(crate) beta: f64,
    pub(crate) log_z: f64,
    pub(crate) win_rate: BTreeMap<String, f64>,
}

/// The same where β or KL is extreme; losses beside the win rates, which round to 1.
#[derive(Debug, Deserialize)]
pub(crate) struct ExtremeTilt {
    pub(crate) transform: String,
    /// `beta` or `kl`.
    pub(crate) given: String,
    pub(crate) beta: f64,
    pub(crate) kl: f64,
    pub(crate) log_z: f64,
    pub(crate) win_rate: BTreeMap<String, f64>,
    pub(crate) one_minus_win_rate: BTreeMap<String, f64>,
}

/// The coupled optimum of a procedure.
#[derive(Debug, Deserialize)]
pub(crate) struct Optimum {
    pub(crate) procedure: String,
    pub(crate) beta: f64,
    pub(crate) kl: f64,
    pub(crate) win_rate: f64,
    pub(crate) standard_win_rate: f64,
    pub(crate) objective: f64,
}

/// The optimum on levels with ties, best first among the local maxima.
#[derive(Debug, Deserialize)]
pub(crate) struct FiniteLevels {
    pub(crate) procedure: String,
    pub(crate) base: Vec<f64>,
    pub(crate) beta: f64,
    pub(crate) q: Vec<f64>,
    pub(crate) win_rate: f64,
    pub(crate) kl: f64,
    pub(crate) objective: f64,
    pub(crate) other_local_maxima: Vec<LocalMaximum>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct LocalMaximum {
    pub(crate) objective: f64,
    pub(crate) q: Vec<f64>,
}

/// Averages over frozen tables of K rollouts; the win rate is known to `uncertainty`.
#[derive(Debug, Deserialize)]
pub(crate) struct FiniteK {
    pub(crate) procedure: String,
    pub(crate) transform: String,
    pub(crate) beta: f64,
    pub(crate) k: usize,
    pub(crate) win_rate: f64,
    pub(crate) standard_win_rate: f64,
    pub(crate) kl: f64,
    pub(crate) uncertainty: f64,
}

/// Two samples, their win rate and the mean reward that the procedure selects, by enumeration.
#[derive(Debug, Deserialize)]
pub(crate) struct Estimator {
    pub(crate) a: Vec<f64>,
    pub(crate) b: Vec<f64>,
    pub(crate) procedure: String,
    pub(crate) win_rate: f64,
    pub(crate) mean_of_a: f64,
}

/// A value printed with four digits in the project's description, and the value itself.
#[derive(Debug, Deserialize)]
pub(crate) struct Printed {
    #[serde(rename = "where")]
    pub(crate) budget: String,
    pub(crate) procedure: String,
    pub(crate) what: String,
    pub(crate) printed: f64,
    pub(crate) value: f64,
}
