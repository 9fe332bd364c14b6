//! Diagnostics of a calibration: is Ĉ uniform for fresh responses of the base, is it right, and are K rollouts enough?
//!
//! | question | figure |
//! |---|---|
//! | is Ĉ of the base uniform? | [`Pit`] of one response per prompt (independent, so that its p-values hold), and [`LawOfU`] of all |
//! | does u = Ĉ(y) win with probability u? | [`calibration_error`] over disjoint pairs (y, z) of fresh responses: outcome w(y, z) |
//! | do prompts differ in spread? | quantiles over prompts of the standard deviation √(Σ(r − r̄)²/K) |
//! | do rewards tie? | Σ n(n−1)/ΣK(K−1) over groups of n equal rewards of a prompt |
//! | are K rollouts enough? | the smallest K with V − P ≤ 0.005 at the KL budget ([`finite_k::smallest_k`]) |
//!
//! | case | result |
//! |---|---|
//! | no table | [`Error::Empty`] |
//! | no prompt with fresh responses | `None`: nothing to hold the table against |
//! | one fresh response per prompt | no calibration error |
//! | NaN or infinite reward | [`Error::BadReward`] |

use std::sync::Arc;

use rand::RngExt;
use serde::{Deserialize, Serialize};

use super::{LawOfU, samples::CalibratedPrompt};
use crate::{
    Deployment, Error, Result,
    calibration::{Calibrator, RankRule},
    design::rows,
    estimate::{CalibrationError, Pit, Resolution, calibration_error},
    finite_k,
    procedure::Procedure,
    raw::RawRewards,
    recorded::split::stream,
    transform::{Clamped, Transform},
};

/// Cost in win rate below which K is enough.
const WANTED: f64 = 0.005;
/// Cells of the histogram and of the reliability diagram.
const CELLS: usize = 10;
/// Levels of the quantiles over prompts.
const LEVELS: [f64; 7] = [0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0];

/// A transform that is to be trained on, and for what.
#[derive(Debug, Clone)]
pub struct Planned {
    /// Φ.
    pub transform: Arc<dyn Transform>,
    /// T.
    pub procedure: Arc<dyn Procedure>,
    /// KL budget in nats.
    pub kl: f64,
}

/// A calibration table against fresh responses of the base.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CalibrationDiagnostics {
    /// Prompts in both the table and the fresh responses.
    pub prompts: usize,
    /// Rollouts per prompt of the table.
    pub k: Rollouts,
    /// Fresh responses per prompt.
    pub held_out: usize,
    /// Histogram of Ĉ of one fresh response per prompt, ties broken at random, with the tests that need independent values: χ² and
    /// Kolmogorov–Smirnov.
    pub pit: Pit,
    /// The same histogram of all fresh responses, with standard errors over prompts: the smoother picture.
    pub law: LawOfU,
    /// Does a response of calibrated reward u beat the base with probability u? Over disjoint pairs of fresh responses. Absent with fewer
    /// than two per prompt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<CalibrationError>,
    /// How the spread of raw rewards differs between prompts: what makes `raw` spend its KL unevenly.
    pub spread: Spread,
    /// Share of pairs of rewards of one prompt that are equal, in \[0,1\].
    pub tie_share: f64,
    /// Prompts whose rewards are all equal: nothing can be learnt from them.
    pub flat_prompts: usize,
    /// The rollouts that each design needs.
    pub needed_k: Vec<NeededK>,
}

/// Rollouts per prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Rollouts {
    /// The fewest of a prompt.
    pub fewest: usize,
    /// The median over prompts.
    pub median: usize,
    /// The most of a prompt.
    pub most: usize,
}

/// Quantiles over prompts of the standard deviation of a prompt's raw rewards.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Spread {
    /// Levels: 0 (the least), 0.1, 0.25, 0.5, 0.75, 0.9, 1 (the most).
    pub levels: Vec<f64>,
    /// The quantile at each, in units of the raw reward.
    pub values: Vec<f64>,
}

/// The rollouts per prompt that a transform needs for a procedure at a KL.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NeededK {
    /// The transform, as typed.
    pub transform: String,
    /// The procedure, as typed.
    pub procedure: String,
    /// KL budget in nats.
    pub kl: f64,
    /// The smallest K that costs less than `wanted` in win rate, if one up to 4096 does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub k: Option<usize>,
    /// The cost that is taken as acceptable.
    pub wanted: f64,
    /// Win rate that the table's median K costs; absent where that K cannot spend the KL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<f64>,
}

/// Diagnoses a calibration table by fresh responses of the base; `None` where no prompt has any.
///
/// # Errors
/// [`Error::Empty`] without prompts, [`Error::NoRewards`] for one without rollouts, [`Error::BadReward`] for a reward that is not finite.
pub fn diagnose(
    table: &[CalibratedPrompt<'_>],
    planned: &[Planned],
    seed: u64,
) -> Result<Option<CalibrationDiagnostics>> {
    let all = RawRewards::new(table.iter().map(|p| p.rollouts))?;
    let held: Vec<&CalibratedPrompt<'_>> = table.iter().filter(|p| !p.fresh.is_empty()).collect();
    if held.is_empty() {
        return Ok(None);
    }
    for (prompt, held) in held.iter().enumerate() {
        if let Some(index) = held.fresh.iter().position(|r| !r.is_finite()) {
            let value = f64::from(held.fresh[index]);
            return Err(Error::BadReward {
                prompt,
                index,
                value,
            });
        }
    }
    let (mut first, mut sorted) = (Vec::new(), Vec::new());
    let (mut predicted, mut outcomes) = (Vec::new(), Vec::new());
    for prompt in &held {
        let calibrator = Calibrator::new(prompt.rollouts, RankRule::MidRank)?;
        let mut rng = stream(prompt.id, seed);
        first.push(calibrator.randomised(f64::from(prompt.fresh[0]), rng.random()));
        for pair in prompt.fresh.chunks_exact(2) {
            predicted.push(calibrator.calibrate(f64::from(pair[0])));
            outcomes.push(0.5 * (f64::from(pair[0] > pair[1]) + f64::from(pair[0] >= pair[1])));
        }
        let mut row = prompt.rollouts.to_vec();
        row.sort_unstable_by(f32::total_cmp);
        sorted.push(row);
    }
    let law = LawOfU::measured(
        held.iter()
            .map(|p| p.fresh)
            .zip(sorted.iter().map(Vec::as_slice)),
    )?;
    let error = if predicted.is_empty() {
        None
    } else {
        Some(calibration_error(&predicted, &outcomes, CELLS)?)
    };
    let (fewest, median, most) = all.k();
    let (spread, flat_prompts) = spread(table);
    Ok(Some(CalibrationDiagnostics {
        prompts: held.len(),
        k: Rollouts {
            fewest,
            median,
            most,
        },
        held_out: held.iter().map(|p| p.fresh.len()).min().unwrap_or(0),
        pit: Pit::new(&first, CELLS, Resolution::Continuous)?,
        law,
        error,
        spread,
        tie_share: all.tie_share(),
        flat_prompts,
        needed_k: needed(planned, median)?,
    }))
}

/// Quantiles of the standard deviation of a prompt's rewards, and how many prompts have none.
fn spread(table: &[CalibratedPrompt<'_>]) -> (Spread, usize) {
    let deviation = |p: &CalibratedPrompt<'_>| {
        let k = p.rollouts.len() as f64;
        let mean = p.rollouts.iter().map(|r| f64::from(*r)).sum::<f64>() / k;
        let square = p.rollouts.iter().map(|r| (f64::from(*r) - mean).powi(2));
        (square.sum::<f64>() / k).sqrt()
    };
    let mut deviations: Vec<f64> = table.iter().map(deviation).collect();
    deviations.sort_unstable_by(f64::total_cmp);
    let flat = |p: &&CalibratedPrompt<'_>| p.rollouts.windows(2).all(|w| w[0] == w[1]);
    let at = |level: &f64| {
        let place = level * (deviations.len() - 1) as f64;
        let (low, high) = (place.floor() as usize, place.ceil() as usize);
        deviations[low] + (place - place.floor()) * (deviations[high] - deviations[low])
    };
    let spread = Spread {
        levels: LEVELS.to_vec(),
        values: LEVELS.iter().map(at).collect(),
    };
    (spread, table.iter().filter(flat).count())
}

/// The K that each plan needs, each plan once; none for procedures without a finite-K theory.
fn needed(planned: &[Planned], k: usize) -> Result<Vec<NeededK>> {
    let mut table: Vec<NeededK> = Vec::new();
    for plan in planned {
        let (transform, procedure) = (plan.transform.to_string(), plan.procedure.to_string());
        let same =
            |r: &NeededK| (&r.transform, &r.procedure, r.kl) == (&transform, &procedure, plan.kl);
        if table.iter().any(same) {
            continue;
        }
        let deployment = Deployment::new(Arc::clone(&plan.procedure), &[]);
        let perfect = match rows::at_kl(&deployment, &plan.transform, plan.kl) {
            Ok((_, law)) => rows::win_rate(&deployment, &law),
            Err(Error::KlUnreachable { .. }) => continue,
            Err(other) => return Err(other),
        };
        let at = plan.procedure.as_ref();
        let enough =
            match finite_k::smallest_k(at, plan.transform.as_ref(), plan.kl, perfect, WANTED) {
                Err(Error::Unsupported { .. }) => continue,
                other => other?,
            };
        let clamped = Clamped::for_k(Arc::clone(&plan.transform), k);
        let cost = match finite_k::cost_at_kl(at, clamped.as_ref(), plan.kl, k) {
            Err(Error::KlUnreachable { .. }) => None,
            other => Some(perfect - other?.1.win_rate),
        };
        table.push(NeededK {
            transform,
            procedure,
            kl: plan.kl,
            k: enough,
            wanted: WANTED,
            cost,
        });
    }
    Ok(table)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed diagnosis is a failed test")]

    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::{
        procedure::{BestOf, Rewind},
        transform::Exp,
    };

    fn rows(prompts: usize, k: usize, seed: u64, map: impl Fn(f32) -> f32) -> Vec<Vec<f32>> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut row = || (0..k).map(|_| map(rng.random())).collect();
        (0..prompts).map(|_| row()).collect()
    }

    fn against(table: &[Vec<f32>], fresh: &[Vec<f32>]) -> CalibrationDiagnostics {
        let ids: Vec<String> = (0..table.len()).map(|i| i.to_string()).collect();
        let prompts: Vec<CalibratedPrompt<'_>> = ids
            .iter()
            .zip(table.iter().zip(fresh))
            .map(|(id, (rollouts, fresh))| CalibratedPrompt {
                id,
                rollouts,
                fresh,
            })
            .collect();
        diagnose(&prompts, &[], 1).unwrap().unwrap()
    }

    #[test]
    fn a_right_calibration_passes_and_another_base_fails() {
        let table = rows(400, 200, 1, |u| u);
        let right = against(&table, &rows(400, 20, 2, |u| u));
        assert!(right.pit.kolmogorov_smirnov_p > 0.01 && right.pit.chi_squared_p > 0.01);
        let error = right.error.unwrap();
        // 4000 pairs in 10 cells: floor near √(2/π)·0.41/20 = 0.016.
        assert!(error.floor < 0.025 && error.expected < 1.6 * error.floor);
        // Fresh responses of a worse base: too many in the lowest cell; they still beat one another with another chance.
        let wrong = against(&table, &rows(400, 20, 2, |u| u * u));
        assert!(wrong.pit.kolmogorov_smirnov_p < 1e-6 && wrong.law.density[0] > 2.0);
        assert!(wrong.error.unwrap().expected > 0.1);
    }

    #[test]
    fn ties_do_not_fail_a_right_calibration() {
        let coarse = |u: f32| (3.0 * u).floor();
        let got = against(&rows(400, 60, 3, coarse), &rows(400, 8, 4, coarse));
        assert!(got.pit.kolmogorov_smirnov_p > 0.01, "{:?}", got.pit);
        assert!((got.tie_share - 1.0 / 3.0).abs() < 0.01);
        for (d, se) in got.law.density.iter().zip(&got.law.standard_error) {
            assert!((d - 1.0).abs() < 4.5 * se);
        }
    }

    #[test]
    fn spread_and_flat_prompts_by_hand() {
        let table = [vec![1.0, 3.0], vec![5.0, 5.0], vec![0.0, 8.0]];
        let got = against(&table, &[vec![2.0], vec![5.0], vec![]]);
        assert_eq!((got.prompts, got.held_out, got.flat_prompts), (2, 1, 1));
        // Deviations 0, 1, 4.
        for (got, want) in got
            .spread
            .values
            .iter()
            .zip([0.0, 0.2, 0.5, 1.0, 2.5, 3.4, 4.0])
        {
            assert!((got - want).abs() < 1e-12);
        }
        assert!(got.error.is_none());
        assert_eq!((got.k.fewest, got.k.median, got.k.most), (2, 2, 2));
    }

    #[test]
    fn every_plan_once_and_only_what_finite_k_knows() {
        let table = rows(3, 50, 5, |u| u);
        let prompts: Vec<CalibratedPrompt<'_>> = table
            .iter()
            .map(|row| CalibratedPrompt {
                id: "x",
                rollouts: row,
                fresh: &row[..1],
            })
            .collect();
        let transform: Arc<dyn Transform> = Arc::new(Exp::new(10.0).unwrap());
        let plan = |procedure: Arc<dyn Procedure>| Planned {
            transform: Arc::clone(&transform),
            procedure,
            kl: 0.5,
        };
        let best: Arc<dyn Procedure> = Arc::new(BestOf::new(4).unwrap());
        let rewind: Arc<dyn Procedure> = Arc::new(Rewind::new(0.5, 4).unwrap());
        let plans = [plan(Arc::clone(&best)), plan(rewind), plan(best)];
        let got = diagnose(&prompts, &plans, 0).unwrap().unwrap().needed_k;
        let [row] = got.as_slice() else {
            unreachable!("one plan that finite K knows")
        };
        assert!(row.cost.unwrap() > WANTED && row.k.unwrap() > 50, "{row:?}");
    }

    #[test]
    fn edges() {
        assert!(matches!(diagnose(&[], &[], 0), Err(Error::Empty { .. })));
        let one = |rollouts, fresh| {
            let prompt = CalibratedPrompt {
                id: "x",
                rollouts,
                fresh,
            };
            diagnose(&[prompt], &[], 0)
        };
        assert_eq!(one(&[1.0, 2.0], &[]), Ok(None));
        assert!(matches!(
            one(&[], &[1.0]),
            Err(Error::NoRewards { prompt: 0 })
        ));
        let nan = one(&[1.0, 2.0], &[1.0, f32::NAN]);
        assert!(matches!(nan, Err(Error::BadReward { index: 1, .. })));
    }
}
