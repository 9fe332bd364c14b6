//! Where the distance to the optimum is lost: transform, calibration, KL missed, KL wasted, shape.
//!
//! With B the KL budget, s the measured sequence KL, q the part of s that went into the reward's quantiles, W* the optimum, V and P the
//! predictions with perfect and with the given calibration (`prediction.rs`), W the measured win rate,
//!
//! ```text
//! W*(B) − W = [W*(B) − V(B)] + [V(B) − P(B)] + [P(B) − P(s)] + [P(s) − P(q)] + [P(q) − W]
//!              transform        calibration     KL missed       KL wasted       shape
//! ```
//!
//! a telescope, so the terms sum to the whole. Only W has an interval; s and q are taken at their means.
//!
//! The quantile KL is measured through ranks among n responses, in cells, of one law for all prompts, and a table of K rollouts turns some
//! KL into its own noise: even a policy that does exactly what it was trained for shows only the share c of its KL there, c the KL
//! efficiency's ceiling (for `raw`, which spends unevenly over prompts by design, c is low). So
//!
//! ```text
//! q = min(s, measured quantile KL / c)
//! ```
//!
//! and such a policy loses nothing in the last two terms.
//!
//! | case | result |
//! |---|---|
//! | no budget, no log-probabilities, no prediction for the reward | no gap |
//! | q or s ≤ 0 by noise | P = ½ there |
//! | KL beyond what the reward can spend | the prediction at the nearest that it can |

use serde::{Deserialize, Serialize};

use super::prediction::{Predictor, Theory};
use crate::{Result, estimate::Estimate};

/// What a prediction of the theory rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// Rewards without ties: one law of u for all prompts, known exactly.
    Continuous,
    /// The calibration table's levels, prompt by prompt: for `raw`, and wherever rewards tie.
    Table,
}

/// Distance of a policy's win rate to the optimum's at the KL budget, in win rate (0.01 is a point), in five terms that sum to the whole.
///
/// With B the budget, s the measured sequence KL, q the part of s that went into the reward's quantiles (`quantile_kl` over
/// `kl_efficiency_ceiling`, at most s), W* the optimum, V the prediction of this reward with perfect calibration, P its prediction as
/// calibrated, and W the measured win rate by the training reward. A term may be negative.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Gap {
    /// The procedure, as typed.
    pub procedure: String,
    /// What V and P are computed from.
    pub basis: Basis,
    /// W*(B): the most that any policy wins with the budget.
    pub optimum: f64,
    /// P(B): what this reward was expected to win.
    pub predicted: f64,
    /// P(s): what it was expected to win with the KL that was spent.
    pub predicted_at_measured_kl: f64,
    /// W, measured.
    pub measured: f64,
    /// W*(B) − V(B): the reward is not the optimal one for this procedure.
    pub transform: f64,
    /// V(B) − P(B): Ĉ from K rollouts in place of C, and ties of the reward, which no calibration can part. 0 for `raw`.
    pub calibration: f64,
    /// P(B) − P(s): more or less KL was spent than asked for.
    pub kl_missed: f64,
    /// P(s) − P(q): KL that went elsewhere than into the reward's quantiles. At least 0, as P rises with KL.
    pub kl_wasted: f64,
    /// P(q) − W: as much useful KL as this, but a law of u of another shape than the target's.
    pub shape: f64,
    /// W*(B) − W, with the uncertainty of W: the sum of the five terms.
    pub total: Estimate,
}

/// The KLs of a policy, in nats.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spent {
    /// Asked for.
    pub(super) budget: f64,
    /// Measured per sequence.
    pub(super) sequence: f64,
    /// What of it went into the reward's quantiles.
    pub(super) useful: f64,
}

impl Gap {
    /// For a policy that wins `measured` under the procedure of `theory`.
    pub(super) fn new(
        theory: &mut Theory,
        predictor: &Predictor,
        spent: Spent,
        measured: Estimate,
    ) -> Result<Self> {
        let optimum = theory.optimum(spent.budget)?;
        let perfect = predictor.perfect(theory, spent.budget)?;
        let predicted = predictor.calibrated(theory, spent.budget)?;
        let at_sequence = predictor.calibrated(theory, spent.sequence)?;
        let at_useful = predictor.calibrated(theory, spent.useful)?;
        Ok(Self {
            procedure: theory.procedure().to_string(),
            basis: predictor.basis(),
            optimum,
            predicted,
            predicted_at_measured_kl: at_sequence,
            measured: measured.mean,
            transform: optimum - perfect,
            calibration: perfect - predicted,
            kl_missed: predicted - at_sequence,
            kl_wasted: at_sequence - at_useful,
            shape: at_useful - measured.mean,
            total: Estimate {
                mean: optimum - measured.mean,
                low: optimum - measured.high,
                high: optimum - measured.low,
                ..measured
            },
        })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed prediction is a failed test")]

    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::{
        evaluation::TrainedOn,
        procedure::{BestOf, Procedure},
        raw::RawRewards,
        transform::Exp,
    };

    fn table(levels: f32) -> RawRewards {
        let rows: Vec<Vec<f32>> = (0..4u8)
            .map(|x| {
                (0..40u8)
                    .map(|i| (f32::from(i) * 0.1 * (1.0 + f32::from(x)) * levels).floor())
                    .collect()
            })
            .collect();
        RawRewards::new(rows.iter().map(Vec::as_slice)).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn the_terms_sum_to_the_whole(
            budget in 0.05f64..2.0, sequence in -0.01f64..3.0, share in -0.1f64..1.1,
            won in 0.3f64..1.0, tied in any::<bool>(), raw in any::<bool>(),
        ) {
            let procedure: Arc<dyn Procedure> = Arc::new(BestOf::new(4).unwrap());
            let table = table(if tied { 1.0 } else { 1000.0 });
            let trained_on = if raw {
                TrainedOn::Raw
            } else {
                TrainedOn::Transform(Arc::new(Exp::new(10.0).unwrap()))
            };
            let predictor = Predictor::new(&trained_on, Some(&table)).unwrap();
            let measured = Estimate::from_values(&[won, won - 0.1, won + 0.05]).unwrap();
            let spent = Spent { budget, sequence, useful: share * sequence };
            let gap = Gap::new(&mut Theory::new(&procedure), &predictor, spent, measured).unwrap();
            let sum = gap.transform + gap.calibration + gap.kl_missed + gap.kl_wasted + gap.shape;
            prop_assert!((sum - gap.total.mean).abs() < 1e-12);
            prop_assert!((gap.optimum - gap.measured - gap.total.mean).abs() < 1e-12);
            prop_assert_eq!(gap.basis, if raw || tied { Basis::Table } else { Basis::Continuous });
            // No transform, and no calibration, does better than the optimum or perfect calibration.
            prop_assert!(gap.transform > -1e-6 && (gap.calibration >= -1e-6));
            prop_assert!(!raw || gap.calibration == 0.0);
        }
    }
}
