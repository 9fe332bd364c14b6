//! Ordered levels of reward with ties: every rank-based procedure, and those with thresholds, on atoms.
//!
//! Levels ℓ = 1..L of increasing reward have base masses `p_ℓ` with cumulative `P_ℓ`, policy masses `q_ℓ` with cumulative
//! `Q_ℓ`. A tie inside a level is broken uniformly: each draw is given a uniform place within its level, so that in quantile
//! space (see `deployment`) the density is constant within a level and F rises there in a straight line. Derived from that,
//! with `H_ℓ` the procedure's CDF at the upper edge of level ℓ under the policy and `H⁰_ℓ` the same under the base:
//!
//! ```text
//! T(π)(ℓ) = H_ℓ − H_{ℓ−1},   H_ℓ = H(Q_ℓ, a),
//! c_ℓ     = ½ (H⁰_ℓ + H⁰_{ℓ−1})                          half credit for a tie
//! W       = Σ_ℓ T(π)(ℓ) c_ℓ = c_L − Σ_{ℓ<L} H_ℓ Δ_ℓ,     Δ_ℓ = c_{ℓ+1} − c_ℓ   (by parts; H_0 = 0, H_L = 1)
//! ```
//!
//! A mass `q_j` moves `Q_ℓ` for ℓ ≥ j at the rate 1. It moves the anchor `a_k = F(τ_k)`, `τ_k` in level m at the share
//! `θ = (τ_k − P_{m−1})/p_m` of it, at the rate `ω_kj` = 1, θ, 0 for j <, =, > m. Hence, up to a constant in j,
//!
//! ```text
//! ∂W/∂q_j = −Σ_{ℓ=j}^{L−1} d_ℓ Δ_ℓ − Σ_k ω_kj Σ_{ℓ<L} (∂H_ℓ/∂a_k) Δ_ℓ,   d = ∂H/∂F   (g(Q_ℓ) if rank-based).
//! ```
//!
//! A threshold within a level passes that level's draws with probability 1 − θ; one at an edge is a plain comparison of
//! rewards. Transforms see a level's calibrated reward, its mid-quantile `½(P_ℓ + P_{ℓ−1})`.
//!
//! pass@N is the case of two levels under best-of-N: with pass rate q, `Q_1` = 1 − q and `Δ_1` = ½, so the reward of a
//! correct answer exceeds that of a wrong one by ½ N (1−q)^{N−1}.
//!
//! | input | answer |
//! |---|---|
//! | no levels; a mass that is not positive; a sum off 1 by more than 10⁻⁹ | error naming the level |
//! | one level | W = ½, gradient 0 |
//! | rewards with a NaN (in [`Levels::of_rewards`]) | error naming the place |

use std::sync::Arc;

use super::{
    policy::checked_masses,
    set::{FiniteProblem, FiniteProcedure, finite_or},
};
use crate::{
    Error, Quantile, Result,
    procedure::{At, Procedure, Shape},
};

/// Levels of increasing reward with their masses under the base policy.
#[derive(Debug, Clone, PartialEq)]
pub struct Levels {
    masses: Vec<f64>,
    /// `P_0` = 0, …, `P_L` = 1, from both ends.
    edges: Vec<Quantile>,
}

impl Levels {
    /// The levels with these base masses, the lowest reward first.
    ///
    /// # Errors
    /// [`Error::Empty`], [`Error::BadValue`] for a mass that is not positive and finite, [`Error::Masses`].
    pub fn new(masses: &[f64]) -> Result<Self> {
        let masses = checked_masses("level masses", masses, true)?;
        let edges = running(&masses);
        Ok(Self { masses, edges })
    }

    /// The levels of K equally likely rollouts, and the reward of each level: equal rewards share one.
    ///
    /// # Errors
    /// [`Error::Empty`]; [`Error::BadValue`] for a NaN.
    pub fn of_rewards(rewards: &[f64]) -> Result<(Self, Vec<f64>)> {
        finite_or("rewards", rewards, |r| !r.is_nan(), "a number, not NaN")?;
        if rewards.is_empty() {
            return Err(Error::Empty { name: "rewards" });
        }
        let mut sorted = rewards.to_vec();
        sorted.sort_unstable_by(f64::total_cmp);
        let (mut masses, mut values) = (Vec::new(), Vec::new());
        for group in sorted.chunk_by(|a, b| a == b) {
            masses.push(group.len() as f64 / rewards.len() as f64);
            values.push(group[0]);
        }
        Ok((Self::new(&masses)?, values))
    }

    /// `p_ℓ`, the base masses.
    #[must_use]
    pub fn masses(&self) -> &[f64] {
        &self.masses
    }

    /// `P_0` = 0, `P_1`, …, `P_L` = 1.
    #[must_use]
    pub fn edges(&self) -> &[Quantile] {
        &self.edges
    }

    /// The procedure on these levels.
    #[must_use]
    pub fn under(&self, procedure: Arc<dyn Procedure>) -> LevelProcedure {
        let anchors = procedure.anchors().iter();
        let holders = anchors
            .map(|&tau| {
                let first = self.edges[1..].partition_point(|edge| edge.below() < tau);
                let level = first.min(self.masses.len() - 1);
                let share = (tau - self.edges[level].below()) / self.masses[level];
                (level, share.clamp(0.0, 1.0))
            })
            .collect();
        LevelProcedure {
            levels: self.clone(),
            procedure,
            holders,
        }
    }

    /// These levels and a procedure as a finite problem: win rates, tilts, optima.
    ///
    /// # Errors
    /// [`Error::BadValue`] or [`Error::Masses`] where the procedure's CDF is none.
    pub fn problem(&self, procedure: Arc<dyn Procedure>) -> Result<FiniteProblem> {
        let rewards: Vec<f64> = (0..self.masses.len()).map(|level| level as f64).collect();
        FiniteProblem::new(&self.masses, &rewards, Arc::new(self.under(procedure)))
    }
}

/// A procedure of quantile space on levels with ties.
#[derive(Debug, Clone)]
pub struct LevelProcedure {
    levels: Levels,
    procedure: Arc<dyn Procedure>,
    /// For each anchor the level m that holds it (from zero) and θ, the share of that level below it.
    holders: Vec<(usize, f64)>,
}

impl LevelProcedure {
    /// The levels.
    #[must_use]
    pub const fn levels(&self) -> &Levels {
        &self.levels
    }

    /// Calls `visit` at the edges 1..L−1 under a policy.
    fn at_inner_edges<T>(&self, policy: &[f64], visit: impl Fn(&At<'_>) -> T) -> Vec<T> {
        let f = running(policy);
        let anchors: Vec<Quantile> = self
            .holders
            .iter()
            .map(|&(level, share)| {
                Quantile::from_masses(
                    f[level].below() + share * policy[level],
                    f[level + 1].above() + (1.0 - share) * policy[level],
                )
            })
            .collect();
        (1..policy.len())
            .map(|edge| {
                visit(&At {
                    u: self.levels.edges[edge],
                    f: f[edge],
                    anchors: &anchors,
                })
            })
            .collect()
    }
}

impl FiniteProcedure for LevelProcedure {
    fn apply(&self, policy: &[f64]) -> Vec<f64> {
        let inner = self.at_inner_edges(policy, |at| self.procedure.cdf(at));
        let mut last = Quantile::ZERO;
        let ends = inner.into_iter().chain([Quantile::ONE]);
        ends.map(|h| {
            // From the nearer end, so that small masses there keep their digits.
            let mass = if h.below() < 0.5 {
                h.below() - last.below()
            } else {
                last.above() - h.above()
            };
            last = h;
            mass.max(0.0)
        })
        .collect()
    }

    fn vjp(&self, policy: &[f64], cotangent: &[f64]) -> Vec<f64> {
        let rises: Vec<f64> = cotangent.windows(2).map(|c| c[1] - c[0]).collect();
        let density = self.at_inner_edges(policy, |at| self.procedure.density(at));
        let mut product = vec![0.0; policy.len()];
        for j in (0..rises.len()).rev() {
            product[j] = product[j + 1] - density[j] * rises[j];
        }
        for (k, &(level, share)) in self.holders.iter().enumerate() {
            let slopes = self.at_inner_edges(policy, |at| self.procedure.anchor_slope(k, at));
            let total: f64 = slopes.iter().zip(&rises).map(|(s, r)| s * r).sum();
            for below in &mut product[..level] {
                *below -= total;
            }
            product[level] -= share * total;
        }
        product
    }

    fn shape(&self) -> Shape {
        self.procedure.shape()
    }
}

/// Masses below and above each edge, L + 1 of them, each summed from its own end.
fn running(masses: &[f64]) -> Vec<Quantile> {
    let mut above = vec![0.0; masses.len() + 1];
    for (i, m) in masses.iter().enumerate().rev() {
        above[i] = above[i + 1] + m;
    }
    let mut below = 0.0;
    let mut edges = Vec::with_capacity(above.len());
    for (i, above) in above.iter().enumerate() {
        edges.push(Quantile::from_masses(below, *above));
        below += masses.get(i).copied().unwrap_or(0.0);
    }
    edges
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "levels and procedures are valid")]

    use super::*;
    use crate::{
        Deployment, TiltedPolicy,
        finite::vjp_error,
        procedure::{BestOf, Custom, ProcedureSpec, REGISTRY, Tabulated},
        transform::Exp,
    };

    fn procedure(text: &str) -> Arc<dyn Procedure> {
        match text.parse().unwrap() {
            ProcedureSpec::Ready(p) => p,
            other @ ProcedureSpec::Cdf(_) => unreachable!("{other} needs a file"),
        }
    }

    /// Every shipped procedure, with thresholds within a level and at its edges, alone and mixed.
    fn shipped() -> Vec<Arc<dyn Procedure>> {
        let examples = REGISTRY.iter().map(|entry| entry.example);
        let more = [
            "worst-of:1",
            "best-of:64",
            "worst-of:64",
            "order:3/7",
            "tilt:-4",
            "rewind:0.3/4",
            "rewind:0.35/1",
            "rewind:0.05/16",
            "rewind:0.99/3",
            "mixture:0.3*rewind:0.2/3+0.3*best-of:4+0.4*rewind:0.8/5",
        ];
        let mut all: Vec<Arc<dyn Procedure>> = examples
            .filter(|text| !text.starts_with("cdf"))
            .chain(more)
            .map(procedure)
            .collect();
        all.push(Arc::new(Custom::new("square", |u| u * u, |u| 2.0 * u)));
        let points = [(0.0, 0.0), (0.4, 0.1), (0.8, 0.7), (1.0, 1.0)];
        all.push(Arc::new(Tabulated::new("x", &points).unwrap()));
        all
    }

    #[test]
    fn levels_of_rollouts_merge_ties() {
        let (levels, values) = Levels::of_rewards(&[2.0, -1.0, 2.0, 0.0, -0.0]).unwrap();
        assert_eq!(values, vec![-1.0, 0.0, 2.0]);
        for (got, want) in levels.masses().iter().zip([0.2, 0.4, 0.4]) {
            assert!((got - want).abs() < 1e-15);
        }
    }

    #[test]
    fn scores_and_win_rate_follow_their_formulae() {
        // p = (¼, ½, ¼), best of 2: G(P) = 1/16, 9/16, 1.
        let levels = Levels::new(&[0.25, 0.5, 0.25]).unwrap();
        let problem = levels.problem(procedure("best-of:2")).unwrap();
        let scores: Vec<f64> = problem.scores().iter().map(|c| c.below()).collect();
        assert_eq!(scores, vec![1.0 / 32.0, 10.0 / 32.0, 25.0 / 32.0]);
        // q = (0, ½, ½): G(Q) = 0, ¼, 1.
        let policy = problem.policy(&[0.0, 0.5, 0.5]).unwrap();
        let want = 0.25 * 10.0 / 32.0 + 0.75 * 25.0 / 32.0;
        assert!((problem.win_rate(&policy) - want).abs() < 1e-15);
        let mid: Vec<f64> = problem.calibrated().iter().map(|c| c.below()).collect();
        assert_eq!(mid, vec![0.125, 0.5, 0.875]);
    }

    #[test]
    fn the_base_wins_half_the_time() {
        for p in shipped() {
            for masses in [&[1.0][..], &[0.7, 0.3], &[0.1, 0.2, 0.4, 0.3]] {
                let problem = Levels::new(masses)
                    .unwrap()
                    .problem(Arc::clone(&p))
                    .unwrap();
                let base = problem.policy(masses).unwrap();
                assert!((problem.win_rate(&base) - 0.5).abs() < 1e-14, "{p}");
            }
        }
    }

    #[test]
    fn derivatives_agree_with_difference_quotients() {
        // One threshold of `shipped`, 0.3, is the edge between two levels here.
        let levels = Levels::new(&[0.1, 0.2, 0.15, 0.35, 0.2]).unwrap();
        let cotangent = [0.3, -1.0, 2.0, 0.5, 0.9];
        for p in shipped() {
            let on_levels = levels.under(Arc::clone(&p));
            for policy in [&[0.1, 0.2, 0.15, 0.35, 0.2], &[0.05, 0.1, 0.3, 0.05, 0.5]] {
                let error = vjp_error(&on_levels, policy, &cotangent).unwrap();
                assert!(error < 2e-7, "{p}: {error}");
            }
        }
    }

    #[test]
    fn pass_at_n_rewards_a_correct_answer_while_it_is_rare() {
        let levels = Levels::new(&[0.9, 0.1]).unwrap();
        for n in [1, 2, 8, 64] {
            let problem = levels.problem(Arc::new(BestOf::new(n).unwrap())).unwrap();
            let pass = |q: f64| 1.0 - (1.0 - q).powi(n as i32);
            for q in [0.01, 0.1, 0.5, 0.9] {
                let policy = problem.policy(&[1.0 - q, q]).unwrap();
                let r = problem.gradient(&policy);
                let want = 0.5 * n as f64 * (1.0 - q).powi(n as i32 - 1);
                assert!(
                    (r[1] - r[0] - want).abs() < 1e-12 * (1.0 + want),
                    "N = {n}, q = {q}"
                );
                let w = 0.5 * (1.0 + pass(q) - pass(0.1));
                assert!((problem.win_rate(&policy) - w).abs() < 1e-14);
            }
        }
    }

    #[test]
    fn a_threshold_at_an_edge_compares_rewards() {
        // Redraw wrong answers, at most three draws: right with probability 1 − (1−q)³.
        let levels = Levels::new(&[0.8, 0.2]).unwrap();
        let on_levels = levels.under(procedure("rewind:0.8/3"));
        let output = on_levels.apply(&[0.6, 0.4]);
        assert!(
            (output[1] - (1.0 - 0.6f64.powi(3))).abs() < 1e-14,
            "{output:?}"
        );
    }

    #[test]
    fn many_levels_tend_to_quantile_space() {
        for text in [
            "best-of:4",
            "worst-of:4",
            "order:2/3",
            "rewind:0.7/4",
            "poisson:3",
        ] {
            let p = procedure(text);
            let exp: Arc<dyn crate::Transform> = Arc::new(Exp::new(5.0).unwrap());
            let policy = TiltedPolicy::at_beta(Arc::clone(&exp), 0.3).unwrap();
            let grid = Deployment::new(Arc::clone(&p), &[]);
            let tilt: Vec<f64> = grid
                .grid()
                .nodes()
                .iter()
                .map(|&u| policy.log_density(u))
                .collect();
            let law = crate::Law::from_log_tilt(Arc::clone(grid.grid()), &tilt);
            let want = grid.win_rate(&law);
            let errors = [250, 2000].map(|l| {
                let levels = Levels::new(&vec![1.0 / f64::from(l); l as usize]).unwrap();
                let problem = levels.problem(Arc::clone(&p)).unwrap();
                let tilted = problem.tilt(&problem.values(exp.as_ref()), 0.3).unwrap();
                let kl = (tilted.kl() - policy.kl()).abs();
                (problem.win_rate(&tilted) - want).abs().max(kl)
            });
            assert!(
                errors[1] < 1.0 / 2000.0 && errors[1] < 0.2 * errors[0],
                "{text}: {errors:?}"
            );
        }
    }

    #[test]
    fn bad_levels_are_named() {
        for (masses, part) in [
            (&[][..], "level masses is empty"),
            (&[0.5, 0.0, 0.5], "level masses[1] = 0"),
            (&[0.5, f64::NAN], "level masses[1] = NaN"),
            (&[0.5, f64::INFINITY], "level masses[1] = inf"),
            (&[0.5, 0.6], "sum to 1.1"),
        ] {
            let message = Levels::new(masses).unwrap_err().to_string();
            assert!(message.contains(part), "{message}");
        }
        assert!(Levels::of_rewards(&[]).is_err());
        assert!(Levels::of_rewards(&[1.0, f64::NAN]).is_err());
    }
}
