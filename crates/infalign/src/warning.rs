//! Caveats that do not stop a computation: typed, collected, printed once and kept in the results.

use serde::{Deserialize, Serialize};

/// A caveat about a result, with what to do about it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Warning {
    /// The problem is not known to be concave for this procedure, so the optimum is the best of several starts.
    #[error(
        "{procedure}: the problem is not known to be concave, so no certificate of global optimality exists; the optimum is the best of {starts} starts, {agreeing} of which agree"
    )]
    NoCertificate {
        /// The procedure.
        procedure: String,
        /// Starting points tried.
        starts: usize,
        /// Of those, how many reached the best objective.
        agreeing: usize,
    },
    /// A transform cannot reach the KL that was asked for; its row shows the nearest it can.
    #[error("{transform} cannot spend {kl} nats: at most {reached:.4}; its row shows that point")]
    KlUnreachable {
        /// The transform.
        transform: String,
        /// The KL asked for.
        kl: f64,
        /// The KL of the row.
        reached: f64,
    },
    /// With K rollouts Φ(Ĉ) takes few values: not even β → 0 spends the budget.
    #[error("{transform} with K = {k} cannot spend {kl} nats: at most {max:.4}")]
    KlUnreachableAtK {
        /// The transform.
        transform: String,
        /// Rollouts per prompt.
        k: usize,
        /// The KL asked for.
        kl: f64,
        /// The most it can spend.
        max: f64,
    },
    /// A table transform that falls somewhere: allowed, but rarely meant.
    #[error(
        "{transform} decreases between u = {from} and u = {to}: better responses are rewarded less there"
    )]
    NonMonotone {
        /// The transform.
        transform: String,
        /// Start of the first falling piece.
        from: f64,
        /// End of it.
        to: f64,
    },
    /// K differs between prompts.
    #[error(
        "prompts hold between {min} and {max} rewards: calibration is coarser where there are fewer"
    )]
    UnevenK {
        /// Fewest rewards of a prompt.
        min: usize,
        /// Most rewards of a prompt.
        max: usize,
    },
    /// Few rollouts: the calibrated reward is coarse for the chosen transform.
    #[error(
        "{procedure} at KL {kl}: K = {k} rollouts per prompt cost {transform} {loss:.4} of win rate; {}", match enough { Some(enough) => format!("K ≥ {enough} keeps the loss within {wanted}"), None => format!("no K up to 4096 keeps the loss within {wanted}") }
    )]
    SmallK {
        /// The procedure.
        procedure: String,
        /// KL budget in nats.
        kl: f64,
        /// The transform.
        transform: String,
        /// Rollouts per prompt.
        k: usize,
        /// Win rate lost against perfect calibration.
        loss: f64,
        /// The smallest K within `wanted`, if one up to 4096 is.
        enough: Option<usize>,
        /// The loss that is taken as acceptable.
        wanted: f64,
    },
    /// Many equal rewards: the quantile law is far from uniform.
    #[error("{share:.0}% of reward pairs within a prompt tie ({column}): the continuous theory is an approximation; `--levels` is exact", share = 100.0 * share)]
    Ties {
        /// The reward column.
        column: String,
        /// Share of pairs of rewards of one prompt that are equal, in \[0,1\].
        share: f64,
    },
    /// Reweighting left few effective samples: its figures are coarse and biased.
    #[error(
        "{procedure}, {transform} at KL {kl}: {ess:.1} effective responses of {responses} per prompt; a table of this size shifts its win rate by about {shift:+.3}"
    )]
    LowEffectiveSamples {
        /// The procedure.
        procedure: String,
        /// The transform.
        transform: String,
        /// The KL asked for.
        kl: f64,
        /// Mean effective sample size per prompt.
        ess: f64,
        /// Responses in the evaluation part, per prompt.
        responses: usize,
        /// Expected win rate on a table of this size minus that of the theory.
        shift: f64,
    },
    /// The win rate has reached 1 to double precision before the budget was spent.
    #[error(
        "{procedure}: the optimal win rate is 1 to 12 digits already at KL {kl:.4}; more KL buys nothing"
    )]
    Saturated {
        /// The procedure.
        procedure: String,
        /// KL at which it saturates.
        kl: f64,
    },
    /// Prompts left out of a run, and why.
    #[error("{count} prompt(s) left out: {why}")]
    PromptsLeftOut {
        /// How many.
        count: usize,
        /// The reason, with the first prompt named.
        why: String,
    },
    /// A histogram has cells too thin for the χ² approximation.
    #[error(
        "a cell of the {bins}-cell histogram expects only {least:.1} values: below 5 the χ² p-value is coarse; use fewer cells"
    )]
    SparseHistogram {
        /// Number of cells.
        bins: usize,
        /// Values expected in the thinnest.
        least: f64,
    },
    /// Training ended at another KL than it was asked to spend.
    #[error(
        "{policy} spent {measured:.3} nats of a budget of {budget}: compare it with policies of the same measured KL"
    )]
    KlMissed {
        /// The policy.
        policy: String,
        /// KL budget in nats.
        budget: f64,
        /// Measured sequence KL in nats.
        measured: f64,
    },
    /// A measured win rate that the theory says no policy of this KL reaches.
    #[error(
        "{policy} wins {win_rate:.3} under {procedure}, its interval above the optimum {optimum:.3} at its measured KL: is the KL measured right?"
    )]
    AboveOptimum {
        /// The policy.
        policy: String,
        /// The procedure.
        procedure: String,
        /// Measured win rate.
        win_rate: f64,
        /// The optimum at the measured KL.
        optimum: f64,
    },
    /// Log-probabilities that are not of the distribution which was sampled from.
    #[error(
        "{policy}: its log-probabilities are not of the distribution that was sampled from; its KL is no estimate of KL(π‖p)"
    )]
    AnotherDistribution {
        /// The policy.
        policy: String,
    },
}
