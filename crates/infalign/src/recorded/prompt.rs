//! One prompt: its two parts, what a procedure makes of the base there, and what a policy scores.

use std::sync::Arc;

use super::{PromptRewards, split::halves};
use crate::{
    Quantile, Result,
    calibration::{Calibrator, RankRule},
    finite::{FiniteProcedure, LevelProcedure, Levels},
    procedure::Procedure,
    transform::{Transform, clamp},
};

/// A prompt after its split.
#[derive(Debug, Clone)]
pub(super) struct Side {
    /// Training rewards of the calibration part.
    pub(super) calibration: Vec<f32>,
    /// Training rewards of the evaluation part, increasing.
    pub(super) evaluation: Vec<f64>,
    /// Ĉ of the evaluation part.
    calibrated: Vec<f64>,
    /// Every column's rewards of the evaluation part, in the same order.
    columns: Vec<Vec<f64>>,
    /// K of the calibration part.
    k: usize,
}

impl Side {
    pub(super) fn new(prompt: &PromptRewards<'_>, seed: u64) -> Result<Self> {
        let training = prompt.columns[0];
        let (first, mut second) = halves(training.len(), prompt.id, seed);
        second.sort_by(|&a, &b| training[a].total_cmp(&training[b]));
        let calibration: Vec<f32> = first.iter().map(|&i| training[i]).collect();
        let columns = prompt
            .columns
            .iter()
            .map(|column| second.iter().map(|&i| f64::from(column[i])).collect());
        Self::of_parts(calibration, columns.collect())
    }

    /// From a calibration part and the columns of an evaluation part that is sorted by the first.
    pub(super) fn of_parts(calibration: Vec<f32>, columns: Vec<Vec<f64>>) -> Result<Self> {
        let calibrator = Calibrator::new(&calibration, RankRule::MidRank)?;
        let evaluation = columns[0].clone();
        let calibrated = calibrator.calibrate_all(&evaluation)?;
        Ok(Self {
            k: calibration.len(),
            calibration,
            evaluation,
            calibrated,
            columns,
        })
    }
}

/// A policy that reweights responses: by Φ(Ĉ)/β, or by r/β where there is no transform.
#[derive(Debug, Clone, Copy)]
pub(super) struct Policy<'a> {
    pub(super) transform: Option<&'a dyn Transform>,
    pub(super) beta: f64,
}

impl Policy<'_> {
    /// Weights of a prompt's evaluation part, summing to 1.
    fn weights(&self, side: &Side) -> Vec<f64> {
        let logs: Vec<f64> = match self.transform {
            None => side.evaluation.iter().map(|r| r / self.beta).collect(),
            Some(transform) => {
                let (low, high) = clamp(transform, side.k).unwrap_or((0.0, 1.0));
                let gap = |c: &f64| transform.gap(Quantile::new(c.clamp(low, high))) / self.beta;
                side.calibrated.iter().map(gap).collect()
            }
        };
        let top = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let mut weights: Vec<f64> = logs.iter().map(|l| (l - top).exp()).collect();
        let z: f64 = weights.iter().sum();
        for w in &mut weights {
            *w /= z;
        }
        weights
    }
}

/// A procedure on one prompt: how often each response beats what the base deploys.
#[derive(Debug, Clone)]
pub(super) struct Evaluation<'a> {
    procedure: Arc<dyn Procedure>,
    side: &'a Side,
    /// Ranges of equal training reward.
    levels: Vec<std::ops::Range<usize>>,
    /// The procedure on these levels.
    on_levels: LevelProcedure,
    /// By judge: the chance to beat T(base), and to beat the base, for each response.
    credits: Vec<(Vec<f64>, Vec<f64>)>,
}

/// What a policy scores on a prompt.
#[derive(Debug, Clone)]
pub(super) struct Outcome {
    pub(super) kl: f64,
    pub(super) effective_samples: f64,
    /// By judge: inference-time and standard win rate.
    pub(super) judged: Vec<(f64, f64)>,
}

impl<'a> Evaluation<'a> {
    pub(super) fn new(procedure: Arc<dyn Procedure>, side: &'a Side) -> Result<Self> {
        let mut levels = Vec::new();
        let mut start = 0;
        for group in side.evaluation.chunk_by(|a, b| a == b) {
            levels.push(start..start + group.len());
            start += group.len();
        }
        let m = side.evaluation.len();
        let uniform = vec![1.0 / m as f64; m];
        let on_levels = Levels::of_rewards(&side.evaluation)?
            .0
            .under(Arc::clone(&procedure));
        let base = on_levels.levels().masses();
        let deployed = spread(&on_levels.apply(base), &levels, &uniform);
        let credits = side
            .columns
            .iter()
            .map(|column| (credit(column, &deployed), credit(column, &uniform)))
            .collect();
        Ok(Self {
            procedure,
            side,
            levels,
            on_levels,
            credits,
        })
    }

    pub(super) fn procedure(&self) -> &dyn Procedure {
        self.procedure.as_ref()
    }

    pub(super) const fn responses(&self) -> usize {
        self.side.evaluation.len()
    }

    pub(super) fn outcome(&self, policy: &Policy<'_>) -> Outcome {
        let weights = policy.weights(self.side);
        let m = weights.len() as f64;
        let masses: Vec<f64> = self
            .levels
            .iter()
            .map(|l| weights[l.clone()].iter().sum())
            .collect();
        let deployed = spread(&self.on_levels.apply(&masses), &self.levels, &weights);
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        Outcome {
            kl: weights
                .iter()
                .filter(|w| **w > 0.0)
                .map(|w| w * (w * m).ln())
                .sum::<f64>()
                .max(0.0),
            effective_samples: 1.0 / dot(&weights, &weights),
            judged: self
                .credits
                .iter()
                .map(|(under, plain)| (dot(&deployed, under), dot(&weights, plain)))
                .collect(),
        }
    }
}

/// Masses of levels given to their responses in proportion to the policy's weights.
fn spread(masses: &[f64], levels: &[std::ops::Range<usize>], weights: &[f64]) -> Vec<f64> {
    let mut out = vec![0.0; weights.len()];
    for (mass, level) in masses.iter().zip(levels) {
        let total: f64 = weights[level.clone()].iter().sum();
        if total > 0.0 {
            for i in level.clone() {
                out[i] = mass * weights[i] / total;
            }
        }
    }
    out
}

/// For each response, the mass of `opponents` that it beats by this judge, ties counting half.
fn credit(judge: &[f64], opponents: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..judge.len()).collect();
    order.sort_by(|&a, &b| judge[a].total_cmp(&judge[b]));
    let mut out = vec![0.0; judge.len()];
    let mut below = 0.0;
    for group in order.chunk_by(|&a, &b| judge[a] == judge[b]) {
        let mass: f64 = group.iter().map(|&i| opponents[i]).sum();
        for &i in group {
            out[i] = below + 0.5 * mass;
        }
        below += mass;
    }
    out
}
