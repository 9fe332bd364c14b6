//! Plurality voting over N answers (self-consistency): the answer that most of N draws give, ties broken uniformly.
//!
//! T(π)(z) is the chance that z has most votes among N draws of π. No rank of the answers says who wins, so this is the case
//! that quantile space cannot express. Exactly in `ballots`; by simulation here, from S polls κ of N − 1 votes each. Since T is
//! homogeneous of degree N in π (derived; the second line is Euler's identity),
//!
//! ```text
//! ∂T(π)(z)/∂π(y) = N E[z wins κ and one vote for y],
//! T(π)(z)        = Σ_y π(y) E[z wins κ and one vote for y].
//! ```
//!
//! Both are means over S independent polls, hence unbiased, and the last vote is averaged over instead of drawn. Every call
//! draws the same stream of uniforms from the seed, so that differences between policies are of the policies (common random
//! numbers). A win rate multiplies T̂(π) with scores from T̂(p): it is ½ at π = p exactly, and elsewhere biased by their
//! covariance, O(1/S).
//!
//! N = 1 and N = 2 are plain sampling: of two votes z wins both with π(z)², and half of the 2π(z)(1−π(z)) split ones.
//!
//! | input | answer |
//! |---|---|
//! | N = 0, N > 512 exactly, N > 4096 simulated | error |
//! | samples = 0 | error |
//! | samples = 1 | one poll says nothing of its spread: standard errors are infinite |
//! | an answer of mass 0 | never drawn; its derivative is still right |

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{
    ballots::{self, MAX_VOTES},
    set::FiniteProcedure,
};
use crate::{
    Error, Result,
    procedure::{MAX_DRAWS, Shape},
};

/// Plurality voting over N answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Voting {
    votes: usize,
    simulation: Option<Simulation>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Simulation {
    samples: usize,
    seed: u64,
}

impl Voting {
    /// Voting over `votes` answers, exactly: for A answers the work is of the order of A·votes³.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] unless 1 ≤ votes ≤ 512.
    pub fn exact(votes: usize) -> Result<Self> {
        let ok = (1..=MAX_VOTES).contains(&votes);
        let allowed = "a whole number between 1 and 512 (simulate beyond)";
        Error::range("N of voting", votes as f64, ok, allowed)?;
        Ok(Self {
            votes,
            simulation: None,
        })
    }

    /// Voting over `votes` answers by simulation: work of the order of samples·(votes·log A + A).
    ///
    /// # Errors
    /// [`Error::OutOfRange`] unless 1 ≤ votes ≤ 4096 and samples ≥ 1.
    pub fn simulated(votes: usize, samples: usize, seed: u64) -> Result<Self> {
        let ok = (1..=MAX_DRAWS).contains(&votes);
        let allowed = "a whole number between 1 and 4096";
        Error::range("N of voting", votes as f64, ok, allowed)?;
        Error::range("samples", samples as f64, samples > 0, "at least 1")?;
        Ok(Self {
            votes,
            simulation: Some(Simulation { samples, seed }),
        })
    }

    /// T(π) with the standard error of each chance: zero where voting is exact.
    #[must_use]
    pub fn with_standard_errors(&self, policy: &[f64]) -> Vec<(f64, f64)> {
        let Some(simulation) = self.simulation else {
            let exact = ballots::winners(policy, self.votes);
            return exact.into_iter().map(|win| (win, 0.0)).collect();
        };
        let mut sums = vec![(0.0, 0.0); policy.len()];
        let mut wins = vec![0.0; policy.len()];
        self.polls(simulation, policy, |poll| {
            poll.wins(policy, &mut wins);
            for ((sum, squares), win) in sums.iter_mut().zip(&wins) {
                *sum += win;
                *squares += win * win;
            }
        });
        let s = simulation.samples as f64;
        sums.iter()
            .map(|(sum, squares)| {
                let mean = sum / s;
                let variance = (squares / s - mean * mean).max(0.0);
                let error = if s > 1.0 {
                    (variance / (s - 1.0)).sqrt()
                } else {
                    f64::INFINITY
                };
                (mean, error)
            })
            .collect()
    }

    /// Calls `visit` with every simulated poll of N − 1 votes.
    fn polls(&self, simulation: Simulation, policy: &[f64], mut visit: impl FnMut(&Poll)) {
        let mut rng = ChaCha8Rng::seed_from_u64(simulation.seed);
        let mut cumulative = Vec::with_capacity(policy.len());
        let mut sum = 0.0;
        for mass in policy {
            sum += mass;
            cumulative.push(sum);
        }
        let mut poll = Poll::new(policy.len());
        for _ in 0..simulation.samples {
            poll.counts.fill(0);
            for _ in 1..self.votes {
                let point = rng.random::<f64>() * sum;
                let answer = cumulative.partition_point(|c| *c <= point);
                poll.counts[answer.min(policy.len() - 1)] += 1;
            }
            poll.most = poll.counts.iter().copied().max().unwrap_or(0);
            visit(&poll);
        }
    }
}

/// Counts of N − 1 votes; the last vote is yet to come.
struct Poll {
    counts: Vec<usize>,
    most: usize,
}

impl Poll {
    fn new(answers: usize) -> Self {
        Self {
            counts: vec![0; answers],
            most: 0,
        }
    }

    /// How many answers lead.
    fn leaders(&self) -> f64 {
        self.counts.iter().filter(|c| **c == self.most).count() as f64
    }

    /// Each answer's chance to win once the last vote is drawn from π.
    fn wins(&self, policy: &[f64], wins: &mut [f64]) {
        let leaders = self.leaders();
        // Votes that change nothing, votes that make one more leader, votes for a leader.
        let (mut idle, mut joining) = (0.0, 0.0);
        for (count, mass) in self.counts.iter().zip(policy) {
            if count + 1 < self.most {
                idle += mass;
            } else if count + 1 == self.most {
                joining += mass;
            }
        }
        let shared = idle / leaders + joining / (leaders + 1.0);
        for ((win, count), mass) in wins.iter_mut().zip(&self.counts).zip(policy) {
            *win = if *count == self.most {
                shared + mass
            } else if count + 1 == self.most {
                mass / (leaders + 1.0)
            } else {
                0.0
            };
        }
    }

    /// Adds the cotangent of the winner after one vote for each answer.
    fn credit(&self, cotangent: &[f64], product: &mut [f64]) {
        let places = self.counts.iter().zip(cotangent);
        let lead: f64 = places
            .filter(|(c, _)| **c == self.most)
            .map(|(_, v)| v)
            .sum();
        let leaders = self.leaders();
        for ((out, count), c) in product.iter_mut().zip(&self.counts).zip(cotangent) {
            *out += if *count == self.most {
                *c
            } else if count + 1 == self.most {
                (lead + c) / (leaders + 1.0)
            } else {
                lead / leaders
            };
        }
    }
}

impl FiniteProcedure for Voting {
    fn apply(&self, policy: &[f64]) -> Vec<f64> {
        let wins = self.with_standard_errors(policy);
        wins.into_iter().map(|(win, _)| win).collect()
    }

    fn vjp(&self, policy: &[f64], cotangent: &[f64]) -> Vec<f64> {
        let Some(simulation) = self.simulation else {
            return ballots::product(policy, self.votes, cotangent);
        };
        let mut product = vec![0.0; policy.len()];
        self.polls(simulation, policy, |poll| {
            poll.credit(cotangent, &mut product);
        });
        let scale = self.votes as f64 / simulation.samples as f64;
        product.iter_mut().for_each(|p| *p *= scale);
        product
    }

    fn shape(&self) -> Shape {
        // One vote and two are plain sampling, linear in π.
        if self.votes <= 2 && self.simulation.is_none() {
            Shape::Concave
        } else {
            Shape::Unknown
        }
    }

    fn is_exact(&self) -> bool {
        self.simulation.is_none()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "numbers of votes are valid")]

    use std::sync::Arc;

    use super::*;
    use crate::finite::{FiniteOptimum, FiniteProblem, vjp_error};

    const POLICY: [f64; 4] = [0.4, 0.3, 0.2, 0.1];

    #[test]
    fn one_vote_and_two_votes_are_plain_sampling() {
        for n in [1, 2] {
            for (got, want) in Voting::exact(n).unwrap().apply(&POLICY).iter().zip(POLICY) {
                assert!((got - want).abs() < 1e-15, "N = {n}");
            }
            let vjp = Voting::exact(n)
                .unwrap()
                .vjp(&POLICY, &[1.0, 0.0, 0.0, 0.0]);
            assert!(
                vjp[1..].iter().all(|v| (vjp[0] - v - 1.0).abs() < 1e-14),
                "N = {n}: {vjp:?}"
            );
        }
    }

    #[test]
    fn a_majority_grows_as_condorcet_says() {
        // Two answers, N odd: P(more than half) of a binomial.
        for n in [3, 11, 101] {
            let got = Voting::exact(n).unwrap().apply(&[0.6, 0.4])[0];
            let (mut term, mut want) = (0.6f64.powi(n as i32), 0.0);
            for lost in 0..=n / 2 {
                want += term;
                term *= (n - lost) as f64 / (lost + 1) as f64 * 0.4 / 0.6;
            }
            assert!((got - want).abs() < 1e-13, "N = {n}: {got} not {want}");
        }
        assert!(Voting::exact(101).unwrap().apply(&[0.6, 0.4])[0] > 0.97);
    }

    #[test]
    fn votes_know_no_order_of_answers() {
        let order = [2, 0, 3, 1];
        let turn = |v: &[f64]| order.map(|i| v[i]);
        let c = [0.1, 0.9, 0.4, -1.0];
        for voting in [5, 8].map(|n| Voting::exact(n).unwrap()) {
            let (a, b) = (turn(&voting.apply(&POLICY)), voting.apply(&turn(&POLICY)));
            let (r, s) = (
                turn(&voting.vjp(&POLICY, &c)),
                voting.vjp(&turn(&POLICY), &turn(&c)),
            );
            for i in 0..4 {
                assert!((a[i] - b[i]).abs() < 1e-14 && (r[i] - s[i]).abs() < 1e-13);
            }
        }
    }

    #[test]
    fn the_product_is_the_derivative() {
        for n in [1, 2, 3, 4, 7, 16, 40] {
            let voting = Voting::exact(n).unwrap();
            let error = vjp_error(&voting, &POLICY, &[0.1, 0.9, 0.4, -1.0]).unwrap();
            assert!(error < 1e-8 * (n * n) as f64, "N = {n}: {error}");
        }
    }

    #[test]
    fn simulation_lies_within_its_standard_error() {
        let c = [0.1, 0.9, 0.4, -1.0];
        for n in [1, 2, 5, 12] {
            let exact = Voting::exact(n).unwrap();
            let simulated = Voting::simulated(n, 20_000, 7).unwrap();
            let wins = simulated.with_standard_errors(&POLICY);
            for ((got, error), want) in wins.iter().zip(exact.apply(&POLICY)) {
                assert!(
                    (got - want).abs() <= 4.0 * error + 1e-12,
                    "N = {n}: {got} not {want}"
                );
                assert!(*error < 0.004);
            }
            // A poll's credit lies within N·max|c|, so its standard error within N/√S.
            let products = simulated
                .vjp(&POLICY, &c)
                .into_iter()
                .zip(exact.vjp(&POLICY, &c));
            for (got, want) in products {
                assert!(
                    (got - want).abs() < 4.0 * n as f64 / 20_000f64.sqrt(),
                    "N = {n}"
                );
            }
        }
    }

    #[test]
    fn simulation_is_unbiased_over_seeds() {
        let exact = Voting::exact(5).unwrap().apply(&POLICY)[0];
        let runs = 400;
        let means: Vec<f64> = (0..runs)
            .map(|seed| Voting::simulated(5, 50, seed).unwrap().apply(&POLICY)[0])
            .collect();
        let mean = means.iter().sum::<f64>() / runs as f64;
        let variance = means.iter().map(|m| (m - mean).powi(2)).sum::<f64>() / (runs - 1) as f64;
        assert!((mean - exact).abs() < 4.0 * (variance / runs as f64).sqrt());
    }

    /// A correct answer that is not the base's first choice.
    fn rare(voting: Voting) -> FiniteProblem {
        FiniteProblem::new(&[0.3, 0.45, 0.25], &[1.0, 0.0, 0.0], Arc::new(voting)).unwrap()
    }

    #[test]
    fn the_coupled_optimum_divides_the_wrong_answers() {
        let problem = rare(Voting::exact(9).unwrap());
        let beta = 0.2;
        let found = FiniteOptimum::at_beta(&problem, beta).unwrap();
        let mut scan = 0.0f64;
        for i in 1..200 {
            for j in 1..200 - i {
                let (a, b) = (f64::from(i) / 200.0, f64::from(j) / 200.0);
                let policy = problem.policy(&[a, b, 1.0 - a - b]).unwrap();
                scan = scan.max(problem.win_rate(&policy) - beta * policy.kl());
            }
        }
        let reached = found.win_rate - beta * found.kl;
        assert!(
            reached > scan && reached < scan + 1e-4,
            "{reached} against {scan}"
        );
        assert!(found.certificate.stationarity < 1e-8);
        // Reward is the same for both wrong answers, but the favourite of them is the rival to beat: no tilt by the calibrated
        // reward takes more from it than from the other.
        let q = found.policy.masses();
        assert!(q[1] / q[2] < 0.95 * 0.45 / 0.25, "{q:?}");
        let plain = problem.tilt_to_kl(&[1.0, 0.0, 0.0], found.kl).unwrap().1;
        assert!(found.win_rate > problem.win_rate(&plain) + 1e-4);
    }

    #[test]
    fn simulated_gradients_come_close() {
        let exact = FiniteOptimum::at_kl(&rare(Voting::exact(9).unwrap()), 0.2).unwrap();
        let problem = rare(Voting::simulated(9, 4000, 3).unwrap());
        let found = FiniteOptimum::at_kl(&problem, 0.2).unwrap();
        let policy = found.policy.masses();
        let truth = rare(Voting::exact(9).unwrap());
        let win_rate = truth.win_rate(&truth.policy(policy).unwrap());
        assert!(
            win_rate > exact.win_rate - 0.005,
            "{win_rate} against {}",
            exact.win_rate
        );
    }

    #[test]
    fn bad_numbers_are_refused() {
        for error in [
            Voting::exact(0).unwrap_err(),
            Voting::exact(513).unwrap_err(),
            Voting::simulated(0, 10, 1).unwrap_err(),
            Voting::simulated(5000, 10, 1).unwrap_err(),
        ] {
            assert!(error.to_string().contains("N of voting"), "{error}");
        }
        assert!(Voting::simulated(5, 0, 1).is_err());
        let single = Voting::simulated(5, 1, 1).unwrap();
        let errors = single.with_standard_errors(&POLICY);
        assert!(errors.iter().all(|(_, error)| error.is_infinite()));
    }
}
