//! The coupled optimum of a finite problem, at a price of KL or at a KL budget, with the evidence for it.
//!
//! The optimum maximises J(q) = W(q) − β KL(q‖p). For concave W the tangent at q lies above W: a policy h has
//! J(h) ≤ W(q) + Σ R (h − q) − β KL(h‖p), whose maximum over h is at q̂ ∝ p e^{R/β}. Hence (derived; \[IA\], arXiv 2412.19792,
//! has the fixed point q = q̂ as its main theorem)
//!
//! ```text
//! J* − J(q) ≤ β log Σ p e^{R/β} − Σ R q + β KL(q‖p) = β KL(q‖q̂),
//! ```
//!
//! and the last form, a sum of non-negative terms, is the gap reported. At a budget k, β is the multiplier, and W* − W(q) ≤ gap
//! too, since W(h) ≤ J(h) + β k for every h with KL(h‖p) ≤ k. Where W is not concave the ascent starts from several policies,
//! and the certificate says how many agree.
//!
//! | input | answer |
//! |---|---|
//! | β or KL not positive and finite | error |
//! | a KL beyond what a concentration on the best responses spends | error with that largest KL |
//! | a budget that W cannot use up | its maximum; β is 0 to rounding and stationarity, relative to β, says nothing |
//! | one response, or equal rewards | at β the base, W = ½; every KL is out of reach |
//! | gradients by simulation | the optimum and its evidence are as good as they are |

use super::{
    climb::{Goal, State, climb},
    policy::FinitePolicy,
    set::{FiniteProblem, check_beta},
    starts,
};
use crate::{Error, Result, design::Certificate, procedure::Shape, tilted::check_kl};

/// Objectives within this of the best agree with it.
const AGREE: f64 = 1e-9;

/// The best policy of a finite problem.
#[derive(Debug, Clone)]
pub struct FiniteOptimum {
    /// The price of KL.
    pub beta: f64,
    /// KL(π‖p) in nats.
    pub kl: f64,
    /// Inference-time win rate W^T.
    pub win_rate: f64,
    /// Win rate of one plain sample.
    pub standard_win_rate: f64,
    /// The policy.
    pub policy: FinitePolicy,
    /// R at the policy, mean 0 under it: ordinary KL-regularised RL on this reward at `beta` leads to the same policy.
    pub reward: Vec<f64>,
    /// Why it is believed.
    pub certificate: Certificate,
}

impl FiniteOptimum {
    /// The optimum at price β.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for a β that is not positive and finite.
    pub fn at_beta(problem: &FiniteProblem, beta: f64) -> Result<Self> {
        check_beta(beta)?;
        best(problem, Goal::Price(beta))
    }

    /// The optimum that spends `kl` nats.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for a KL that is not positive and finite; [`Error::KlUnreachable`] where concentrating on the best
    /// responses spends less.
    pub fn at_kl(problem: &FiniteProblem, kl: f64) -> Result<Self> {
        check_kl(kl)?;
        best(problem, Goal::Budget(kl))
    }
}

fn best(problem: &FiniteProblem, goal: Goal) -> Result<FiniteOptimum> {
    let (policies, refused) = starts::policies(problem, goal);
    let states: Vec<State> = policies
        .into_iter()
        .map(|policy| climb(problem, policy, goal))
        .collect();
    let top = states
        .iter()
        .max_by(|a, b| a.objective(goal).total_cmp(&b.objective(goal)));
    match (top, refused) {
        (Some(top), _) => {
            let enough = top.objective(goal) - AGREE;
            let agreeing = states
                .iter()
                .filter(|s| s.objective(goal) >= enough)
                .count();
            Ok(finish(problem, top, goal, (states.len(), agreeing)))
        }
        (None, Some(error)) => Err(error),
        (None, None) => Err(Error::Empty { name: "starts" }),
    }
}

fn finish(
    problem: &FiniteProblem,
    state: &State,
    goal: Goal,
    (starts, agreeing): (usize, usize),
) -> FiniteOptimum {
    let beta = state.price(goal);
    let masses = state.policy.masses();
    let mean: f64 = masses.iter().zip(&state.reward).map(|(q, r)| q * r).sum();
    let reward: Vec<f64> = state.reward.iter().map(|r| r - mean).collect();
    let (gap, response) = state.gap(problem, beta);
    let logs = state.policy.log_ratio().iter().zip(response.log_ratio());
    let deviations = masses.iter().zip(logs).map(|(q, (l, m))| q * (l - m).abs());
    let stationarity = deviations.fold(0.0, f64::max);
    FiniteOptimum {
        beta,
        kl: state.policy.kl(),
        win_rate: state.win_rate,
        standard_win_rate: problem.standard_win_rate(&state.policy),
        policy: state.policy.clone(),
        reward,
        certificate: Certificate {
            gap: (problem.procedure().shape() == Shape::Concave).then_some(gap),
            stationarity,
            starts,
            agreeing,
        },
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "problems are valid")]

    use std::sync::Arc;

    use super::*;
    use crate::{
        finite::Levels,
        procedure::{Procedure, ProcedureSpec},
    };

    fn problem(text: &str, masses: &[f64]) -> FiniteProblem {
        let procedure: Arc<dyn Procedure> = match text.parse().unwrap() {
            ProcedureSpec::Ready(p) => p,
            other @ ProcedureSpec::Cdf(_) => unreachable!("{other} needs a file"),
        };
        Levels::new(masses).unwrap().problem(procedure).unwrap()
    }

    fn equal(l: usize) -> Vec<f64> {
        vec![1.0 / l as f64; l]
    }

    #[test]
    fn two_levels_by_a_scan() {
        for text in [
            "best-of:8",
            "worst-of:8",
            "order:2/3",
            "rewind:0.6/4",
            "standard",
        ] {
            for beta in [0.02, 0.1, 0.5, 2.0] {
                let problem = problem(text, &[0.7, 0.3]);
                let j = |q: f64| {
                    let policy = problem.policy(&[1.0 - q, q]).unwrap();
                    problem.win_rate(&policy) - beta * policy.kl()
                };
                let scan = (0..=100_000)
                    .map(|i| j(f64::from(i) * 1e-5))
                    .fold(0.0, f64::max);
                let found = FiniteOptimum::at_beta(&problem, beta).unwrap();
                let reached = found.win_rate - beta * found.kl;
                assert!(
                    reached > scan - 1e-12 && reached < scan + 1e-8,
                    "{text} at {beta}"
                );
            }
        }
    }

    #[test]
    fn clearing_out_the_bottom_is_found_from_afar() {
        // Worst-of-N with N large: nothing is won until the lowest level is gone, then all of it.
        for (text, beta) in [("worst-of:256", 0.5), ("worst-of:4096", 0.3)] {
            for l in [2, 3, 100] {
                let found = FiniteOptimum::at_beta(&problem(text, &equal(l)), beta).unwrap();
                let share = 1.0 / l as f64;
                assert!(found.win_rate > 0.99, "{text}, {l} levels: {found:?}");
                assert!(
                    (found.kl + (1.0 - share).ln()).abs() < 0.02,
                    "{text}, {l} levels"
                );
            }
        }
    }

    #[test]
    fn concave_optima_are_certified() {
        for text in [
            "standard",
            "best-of:4",
            "best-of:64",
            "best-of:256",
            "poisson:7",
            "tilt:9",
        ] {
            for masses in [equal(2), equal(50), vec![0.6, 0.3, 0.08, 0.015, 0.005]] {
                let problem = problem(text, &masses);
                let top = -masses[masses.len() - 1].ln();
                for beta in [1e-3, 0.05, 1.0] {
                    let found = FiniteOptimum::at_beta(&problem, beta).unwrap();
                    let Certificate {
                        gap, stationarity, ..
                    } = found.certificate;
                    assert!(
                        gap.unwrap() < 1e-10,
                        "{text} at β {beta}: {:?}",
                        found.certificate
                    );
                    assert!(stationarity < 1e-6, "{text} at β {beta}: {stationarity}");
                }
                for kl in [1e-4, 0.1, 0.5, 0.9, 0.99].map(|share| share * top) {
                    let found = FiniteOptimum::at_kl(&problem, kl).unwrap();
                    assert!((found.kl / kl - 1.0).abs() < 1e-9);
                    let gap = found.certificate.gap.unwrap();
                    assert!(gap < 1e-10, "{text} at KL {kl}: {:?}", found.certificate);
                }
            }
        }
    }

    #[test]
    fn price_and_budget_meet() {
        for text in ["best-of:4", "worst-of:4", "rewind:0.7/4"] {
            let problem = problem(text, &equal(20));
            let price = FiniteOptimum::at_beta(&problem, 0.2).unwrap();
            let budget = FiniteOptimum::at_kl(&problem, price.kl).unwrap();
            assert!((budget.beta - 0.2).abs() < 1e-5, "{text}: {}", budget.beta);
            assert!((budget.win_rate - price.win_rate).abs() < 1e-9, "{text}");
            // Ordinary training on the reward leads to the same policy.
            let tilt = problem.tilt(&price.reward, 0.2).unwrap();
            assert!(
                (problem.win_rate(&tilt) - price.win_rate).abs() < 1e-8,
                "{text}"
            );
        }
    }

    #[test]
    fn values_to_hold_with_many_levels() {
        // MATH §4: N = 4, β = 0.3. Ties cost O(1/L²), which two sizes extrapolate away.
        for (text, kl, win_rate) in [
            ("best-of:4", 0.3701, 0.8401),
            ("worst-of:4", 0.4089, 0.9250),
        ] {
            let at = |l| FiniteOptimum::at_beta(&problem(text, &equal(l)), 0.3).unwrap();
            let (coarse, fine) = (at(200), at(400));
            let limit = [
                (4.0 * fine.kl - coarse.kl) / 3.0,
                (4.0 * fine.win_rate - coarse.win_rate) / 3.0,
            ];
            assert!((limit[0] - kl).abs() < 1e-4, "{text}: {limit:?}");
            assert!((limit[1] - win_rate).abs() < 1e-4, "{text}: {limit:?}");
        }
    }

    #[test]
    fn plain_sampling_is_tilted_by_the_calibrated_reward() {
        let problem = problem("standard", &[0.5, 0.2, 0.3]);
        let found = FiniteOptimum::at_beta(&problem, 0.1).unwrap();
        let want = problem
            .tilt(&problem.values(&crate::transform::Identity), 0.1)
            .unwrap();
        for (a, b) in found.policy.masses().iter().zip(want.masses()) {
            assert!((a - b).abs() < 1e-13);
        }
    }

    #[test]
    fn without_concavity_the_starts_are_told() {
        let found = FiniteOptimum::at_kl(&problem("worst-of:16", &equal(30)), 0.5).unwrap();
        let Certificate {
            gap,
            stationarity,
            starts,
            agreeing,
        } = found.certificate;
        assert!(gap.is_none() && starts > 5 && agreeing >= 1 && stationarity < 1e-6);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let problem = problem("best-of:4", &[0.9, 0.1]);
        for beta in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(FiniteOptimum::at_beta(&problem, beta).is_err());
        }
        assert!(FiniteOptimum::at_kl(&problem, 0.0).is_err());
        let error = FiniteOptimum::at_kl(&problem, 3.0).unwrap_err();
        assert!(
            matches!(error, Error::KlUnreachable { max, .. } if (max - 10f64.ln()).abs() < 1e-12)
        );
    }

    #[test]
    fn one_level_leaves_nothing_to_choose() {
        let problem = problem("best-of:4", &[1.0]);
        let found = FiniteOptimum::at_beta(&problem, 0.1).unwrap();
        assert_eq!((found.win_rate, found.kl), (0.5, 0.0));
        assert!(FiniteOptimum::at_kl(&problem, 0.1).is_err());
    }
}
