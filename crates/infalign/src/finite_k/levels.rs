//! What a calibration from K frozen rollouts costs where the reward has few values: expected win rates and KL with Ĉ in place of C.
//!
//! A prompt's K rollouts fall on levels ℓ = 1..L of base masses `p_ℓ` with multinomial counts `n_ℓ`; ties count half, so
//! `Ĉ_ℓ = (n_1 + ⋯ + n_{ℓ−1} + n_ℓ/2)/K`, also for a level that no rollout fell on. Training on Φ(Ĉ) leads that prompt to
//!
//! ```text
//! q_ℓ ∝ p_ℓ e^{Φ(Ĉ_ℓ)/β},   KL = E_q Φ/β − log Z,   dKL/dlog β = −Var_q(Φ)/β²
//! ```
//!
//! and the figures are means over tables of KL, W and the standard win rate at q (derived; the formulae of `finite`, table by
//! table). The mean is exact while there are at most 20,000 tables (two levels: every K up to 4096; three: K ≤ 198; five: K ≤ 24); beyond
//! that it is taken over 4096 tables drawn with a seed that depends on K alone. The standard error of a win rate is then its standard
//! deviation over tables divided by 64: at KL 0.5, 4 to 50 equal levels, best-of and worst-of-4, at most 0.0017 for K = 8 and 0.0013 for
//! K ≥ 32, with Φ = exp:±20; half of that for gentler Φ. β is solved on the same tables, so that they spend the budget exactly.
//!
//! On two levels Ĉ of the right answer exceeds that of the wrong one by ½ in every table: for Φ = identity any K is as good as perfect
//! calibration. K matters where Φ is curved or levels are many.
//!
//! | input | answer |
//! |---|---|
//! | K = 0, β or KL not positive and finite | error |
//! | Φ unbounded | clamped to \[1/(2K), 1−1/(2K)\], as training does |
//! | one level, or Φ(Ĉ) the same everywhere | the base policy: KL 0 |
//! | a KL beyond the mean of −log p(top set of Φ(Ĉ)) | [`Error::KlUnreachable`] with that mean |

use std::{collections::BTreeMap, sync::Arc};

use super::{FiniteK, check_k, check_wanted, search_k, tables::Tables};
use crate::{
    Error, Quantile, Result,
    finite::{FiniteProblem, Levels},
    numeric::root,
    procedure::Procedure,
    tilted::check_kl,
    transform::{Transform, clamp},
};

/// Costs of finite calibrations for one procedure on the same levels; tables are kept, since they depend on K alone.
#[derive(Debug, Clone)]
pub struct LevelCost {
    problem: FiniteProblem,
    tables: BTreeMap<usize, Tables>,
}

impl LevelCost {
    /// For this procedure on these levels.
    ///
    /// # Errors
    /// As [`Levels::problem`].
    pub fn new(levels: &Levels, procedure: Arc<dyn Procedure>) -> Result<Self> {
        let problem = levels.problem(procedure)?;
        let tables = BTreeMap::new();
        Ok(Self { problem, tables })
    }

    /// Figures of the tilt by Φ(Ĉ) at price β when Ĉ comes from `k` rollouts per prompt.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for a β that is not positive and finite, or k = 0.
    pub fn cost(&mut self, transform: &dyn Transform, beta: f64, k: usize) -> Result<FiniteK> {
        let ok = beta.is_finite() && beta > 0.0;
        Error::range("beta", beta, ok, "a finite number > 0")?;
        Ok(self.rewards(transform, k)?.figures(beta))
    }

    /// The β at which `k` rollouts per prompt spend `kl` nats on average, and the figures there.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for a KL that is not positive and finite, or k = 0; [`Error::KlUnreachable`].
    pub fn cost_at_kl(
        &mut self,
        transform: &dyn Transform,
        kl: f64,
        k: usize,
    ) -> Result<(f64, FiniteK)> {
        check_kl(kl)?;
        let rewards = self.rewards(transform, k)?;
        let beta = rewards.beta_for_kl(kl)?;
        Ok((beta, rewards.figures(beta)))
    }

    /// The smallest K up to [`super::MAX_K`] whose win rate at `kl` nats *spent* is within `wanted_loss` of `perfect`, the win rate of
    /// perfect calibration at that KL; `None` if there is none. Where tables are drawn, to within what their standard error decides.
    ///
    /// # Errors
    /// Those of [`Self::cost_at_kl`], except that a K which cannot spend `kl` counts as too small; [`Error::OutOfRange`] for a wanted
    /// loss that is not positive and finite.
    pub fn smallest_k(
        &mut self,
        transform: &dyn Transform,
        kl: f64,
        perfect: f64,
        wanted_loss: f64,
    ) -> Result<Option<usize>> {
        check_wanted(wanted_loss)?;
        check_kl(kl)?;
        search_k(wanted_loss, |k| match self.cost_at_kl(transform, kl, k) {
            Ok((_, at)) => Ok(perfect - at.win_rate),
            Err(Error::KlUnreachable { .. }) => Ok(f64::INFINITY),
            Err(other) => Err(other),
        })
    }

    fn rewards(&mut self, transform: &dyn Transform, k: usize) -> Result<Rewards<'_>> {
        check_k(k)?;
        let base = self.problem.base();
        let tables = self.tables.entry(k).or_insert_with(|| Tables::new(base, k));
        Ok(Rewards::new(&self.problem, tables, transform, k))
    }
}

/// Φ(Ĉ) of every level in every table.
struct Rewards<'a> {
    problem: &'a FiniteProblem,
    tables: &'a Tables,
    what: String,
    /// Φ(Ĉ) less its maximum in the table, table after table.
    gaps: Vec<f64>,
}

/// One table's policy.
struct Tilt {
    kl: f64,
    /// `Var_q(Φ)`.
    variance: f64,
}

impl<'a> Rewards<'a> {
    fn new(
        problem: &'a FiniteProblem,
        tables: &'a Tables,
        transform: &dyn Transform,
        k: usize,
    ) -> Self {
        let (low, high) = clamp(transform, k).unwrap_or((0.0, 1.0));
        let half_step = 0.5 / k as f64;
        let at = |rank: usize| {
            let u =
                Quantile::from_masses(rank as f64 * half_step, (2 * k - rank) as f64 * half_step);
            if u.below() < low {
                Quantile::new(low)
            } else if u.below() > high {
                Quantile::new(high)
            } else {
                u
            }
        };
        let mut gaps: Vec<f64> = Vec::new();
        for (_, ranks) in tables.iter() {
            let best = at(ranks[ranks.len() - 1]);
            let start = gaps.len();
            gaps.extend(ranks.iter().map(|&rank| -transform.rise(at(rank), best)));
            let top = gaps[start..]
                .iter()
                .copied()
                .fold(f64::NEG_INFINITY, f64::max);
            for gap in &mut gaps[start..] {
                *gap -= top;
            }
        }
        Self {
            problem,
            tables,
            what: format!("{transform} with K = {k}"),
            gaps,
        }
    }

    /// Each table's weight and Φ(Ĉ).
    fn iter(&self) -> impl Iterator<Item = (f64, &[f64])> {
        let weights = self.tables.iter().map(|(weight, _)| weight);
        weights.zip(self.gaps.chunks_exact(self.problem.base().len()))
    }

    /// Fills in q ∝ p e^{Φ/β}.
    fn tilt(&self, gaps: &[f64], beta: f64, masses: &mut [f64]) -> Tilt {
        let mut z = 0.0;
        for ((q, p), gap) in masses.iter_mut().zip(self.problem.base()).zip(gaps) {
            *q = p * (gap / beta).exp();
            z += *q;
        }
        let (mut mean, mut square) = (0.0, 0.0);
        for (q, gap) in masses.iter_mut().zip(gaps) {
            *q /= z;
            // A gap that has lost all mass may be infinite in units of β.
            if *q > 0.0 {
                mean += *q * gap;
                square += *q * gap * gap;
            }
        }
        Tilt {
            kl: (mean / beta - z.ln()).max(0.0),
            variance: (square - mean * mean).max(0.0),
        }
    }

    fn figures(&self, beta: f64) -> FiniteK {
        let mut sum = FiniteK {
            kl: 0.0,
            win_rate: 0.0,
            standard_win_rate: 0.0,
        };
        let mut masses = vec![0.0; self.problem.base().len()];
        for (weight, gaps) in self.iter() {
            sum.kl += weight * self.tilt(gaps, beta, &mut masses).kl;
            sum.win_rate += weight * self.problem.win_rate_of(&masses);
            sum.standard_win_rate += weight * self.problem.standard_win_rate_of(&masses);
        }
        sum
    }

    /// The mean KL as β → 0: that of the base given the top set of Φ(Ĉ).
    fn reach(&self) -> f64 {
        let log_top = |gaps: &[f64]| {
            let places = gaps.iter().zip(self.problem.base());
            let top: f64 = places.map(|(g, p)| if *g == 0.0 { *p } else { 0.0 }).sum();
            top.min(1.0).ln()
        };
        self.iter()
            .map(|(weight, gaps)| -weight * log_top(gaps))
            .sum()
    }

    /// Newton steps in (log β, log KL), as for perfect calibration.
    fn beta_for_kl(&self, kl: f64) -> Result<f64> {
        let max = self.reach();
        let unreachable = || Error::KlUnreachable {
            what: self.what.clone(),
            kl,
            max,
        };
        if kl >= max {
            return Err(unreachable());
        }
        let mut masses = vec![0.0; self.problem.base().len()];
        let mut spent = |beta: f64| {
            let (mut mean, mut variance) = (0.0, 0.0);
            for (weight, gaps) in self.iter() {
                let tilt = self.tilt(gaps, beta, &mut masses);
                mean += weight * tilt.kl;
                variance += weight * tilt.variance;
            }
            (mean, variance)
        };
        let (_, variance) = spent(f64::MAX);
        let start = (variance / (2.0 * kl)).sqrt().max(1e-290).ln();
        let root = root::decreasing(
            |log_beta| {
                let beta = log_beta.exp();
                let (mean, variance) = spent(beta);
                ((mean / kl).ln(), -variance / (beta * beta) / mean)
            },
            (-690.0, 600.0),
            start,
            1e-10,
        );
        if root.residual > 1e-6 {
            return Err(unreachable());
        }
        Ok(root.x.exp())
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "levels and parameters are valid")]

    use rand::{Rng, RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::{
        procedure::{BestOf, ProcedureSpec},
        transform::{Exp, Identity, Log, TransformSpec},
    };

    fn procedure(text: &str) -> Arc<dyn Procedure> {
        let ProcedureSpec::Ready(p) = text.parse().unwrap() else {
            unreachable!("{text} needs no file")
        };
        p
    }

    fn cost(text: &str, masses: &[f64]) -> LevelCost {
        LevelCost::new(&Levels::new(masses).unwrap(), procedure(text)).unwrap()
    }

    #[test]
    fn one_rollout_on_two_levels_by_hand() {
        // A wrong rollout: Ĉ = (½, 1); a right one: Ĉ = (0, ½).
        let (p, beta, n) = ([0.7, 0.3], 0.4, 4);
        let phi = Exp::new(3.0).unwrap();
        let value = |u: f64| (3.0 * u).exp_m1() / 3f64.exp_m1();
        let (mut kl, mut won, mut standard) = (0.0, 0.0, 0.0);
        for (weight, low, high) in [(0.7, 0.5, 1.0), (0.3, 0.0, 0.5)] {
            let odds = p[1] / p[0] * ((value(high) - value(low)) / beta).exp();
            let q = odds / (1.0 + odds);
            kl += weight * (q * (q / p[1]).ln() + (1.0 - q) * ((1.0 - q) / p[0]).ln());
            let pass = |q: f64| 1.0 - (1.0 - q).powi(n);
            won += weight * 0.5 * (1.0 + pass(q) - pass(p[1]));
            standard += weight * 0.5 * (1.0 + q - p[1]);
        }
        let got = cost("best-of:4", &p).cost(&phi, beta, 1).unwrap();
        assert!((got.kl - kl).abs() < 1e-14, "{} {kl}", got.kl);
        assert!((got.win_rate - won).abs() < 1e-14);
        assert!((got.standard_win_rate - standard).abs() < 1e-14);
    }

    /// Figures over tables of K rollouts drawn one by one, each evaluated as a finite problem.
    fn simulated(
        text: &str,
        masses: &[f64],
        phi: &dyn Transform,
        (beta, k): (f64, usize),
        rng: &mut dyn Rng,
    ) -> [(f64, f64); 3] {
        let problem = Levels::new(masses)
            .unwrap()
            .problem(procedure(text))
            .unwrap();
        let draws = 20_000;
        let mut sums = [(0.0, 0.0); 3];
        for _ in 0..draws {
            let rollouts: Vec<usize> = (0..k)
                .map(|_| {
                    let u: f64 = rng.random();
                    let edges = masses.iter().scan(0.0, |sum, p| {
                        *sum += p;
                        Some(*sum)
                    });
                    edges
                        .take_while(|edge| *edge <= u)
                        .count()
                        .min(masses.len() - 1)
                })
                .collect();
            let values: Vec<f64> = (0..masses.len())
                .map(|level| {
                    let wins = |z: &usize| match level.cmp(z) {
                        std::cmp::Ordering::Greater => 1.0,
                        std::cmp::Ordering::Equal => 0.5,
                        std::cmp::Ordering::Less => 0.0,
                    };
                    let c = rollouts.iter().map(wins).sum::<f64>() / k as f64;
                    crate::transform::reward(phi, c, k)
                })
                .collect();
            let policy = problem.tilt(&values, beta).unwrap();
            let figures = [
                policy.kl(),
                problem.win_rate(&policy),
                problem.standard_win_rate(&policy),
            ];
            for (sum, x) in sums.iter_mut().zip(figures) {
                *sum = (sum.0 + x, sum.1 + x * x);
            }
        }
        let n = f64::from(draws);
        sums.map(|(sum, square)| {
            let mean = sum / n;
            (mean, ((square / n - mean * mean).max(0.0) / n).sqrt())
        })
    }

    #[test]
    fn means_agree_with_rollouts_drawn_one_by_one() {
        let mut rng = ChaCha8Rng::seed_from_u64(11);
        let (three, many) = ([0.5, 0.3, 0.2], [0.3, 0.05, 0.25, 0.2, 0.1, 0.1]);
        for (text, masses, phi, k) in [
            ("best-of:4", &three[..], "exp:10", 8),
            ("worst-of:4", &three, "exp:-5", 20),
            ("rewind:0.7/4", &three, "identity", 3),
            ("best-of:4", &three, "log", 5),
            ("best-of:4", &many, "exp:10", 30),
            ("worst-of:8", &many, "logit", 60),
        ] {
            let TransformSpec::Ready(transform) = phi.parse().unwrap() else {
                unreachable!("{phi} needs no file")
            };
            let at = cost(text, masses).cost(transform.as_ref(), 0.3, k).unwrap();
            let simulated = simulated(text, masses, transform.as_ref(), (0.3, k), &mut rng);
            let got = [at.kl, at.win_rate, at.standard_win_rate];
            // Drawn tables have 5 times fewer draws than the simulation: their error is √5 of its.
            let factor = if masses.len() > 3 { 2.5 } else { 1.0 };
            for (got, (mean, error)) in got.iter().zip(simulated) {
                let slack = 4.0 * factor * error + 1e-12;
                assert!(
                    (got - mean).abs() < slack,
                    "{text} {phi} K = {k}: {got} {mean} ± {error}"
                );
            }
        }
    }

    #[test]
    fn the_identity_on_two_levels_needs_one_rollout() {
        let mut costs = cost("best-of:8", &[0.9, 0.1]);
        let problem = costs.problem.clone();
        let (beta, policy) = problem.tilt_to_kl(&problem.values(&Identity), 0.5).unwrap();
        let perfect = problem.win_rate(&policy);
        for k in [1, 7, 100, 4096] {
            let (at, figures) = costs.cost_at_kl(&Identity, 0.5, k).unwrap();
            assert!((at / beta - 1.0).abs() < 1e-8, "K = {k}: {at} {beta}");
            assert!((figures.win_rate - perfect).abs() < 1e-9);
        }
        let enough = costs.smallest_k(&Identity, 0.5, perfect, 0.01).unwrap();
        assert_eq!(enough, Some(1));
    }

    #[test]
    fn many_rollouts_tend_to_perfect_calibration() {
        for (phi, loss) in [("exp:10", 0.002), ("identity", 0.002), ("log", 0.002)] {
            let TransformSpec::Ready(phi) = phi.parse().unwrap() else {
                unreachable!("{phi} needs no file")
            };
            let mut costs = cost("best-of:4", &[0.4, 0.3, 0.2, 0.1]);
            let problem = costs.problem.clone();
            let (_, policy) = problem
                .tilt_to_kl(&problem.values(phi.as_ref()), 0.5)
                .unwrap();
            let perfect = problem.win_rate(&policy);
            let at = |costs: &mut LevelCost, k| {
                let (_, figures) = costs.cost_at_kl(phi.as_ref(), 0.5, k).unwrap();
                assert!((figures.kl - 0.5).abs() < 1e-9);
                perfect - figures.win_rate
            };
            let (few, many) = (at(&mut costs, 8), at(&mut costs, 2000));
            assert!(many.abs() < loss && few > many, "{phi}: {few} {many}");
        }
    }

    #[test]
    fn enough_rollouts_are_the_fewest() {
        let mut costs = cost("best-of:4", &[0.5, 0.3, 0.2]);
        let problem = costs.problem.clone();
        let phi = Exp::new(10.0).unwrap();
        let (_, policy) = problem.tilt_to_kl(&problem.values(&phi), 0.5).unwrap();
        let perfect = problem.win_rate(&policy);
        let k = costs.smallest_k(&phi, 0.5, perfect, 0.01).unwrap().unwrap();
        let mut loss = |k| perfect - costs.cost_at_kl(&phi, 0.5, k).unwrap().1.win_rate;
        assert!(k > 1 && loss(k) <= 0.01 && loss(k - 1) > 0.01, "K = {k}");
    }

    #[test]
    fn steep_rewards_keep_their_digits_below_the_top() {
        // Half of the mass on top: Ĉ stays near ¾, where 1 − exp:200 is 1 to sixteen digits.
        let phi = Exp::new(200.0).unwrap();
        let mut costs = cost("best-of:4", &[0.3, 0.2, 0.5]);
        let (_, at) = costs.cost_at_kl(&phi, 0.3, 50).unwrap();
        assert!((at.kl - 0.3).abs() < 1e-9 && at.win_rate > 0.5);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let mut costs = cost("best-of:4", &[0.9, 0.1]);
        for beta in [0.0, f64::NAN, -1.0] {
            assert!(costs.cost(&Identity, beta, 4).is_err());
        }
        assert!(costs.cost(&Identity, 1.0, 0).is_err());
        assert!(costs.cost_at_kl(&Identity, f64::NAN, 4).is_err());
        assert!(costs.smallest_k(&Identity, 0.5, 0.8, 0.0).is_err());
        let error = costs.cost_at_kl(&Identity, 3.0, 4).unwrap_err();
        let Error::KlUnreachable { max, .. } = error else {
            unreachable!("{error}")
        };
        assert!((max - 10f64.ln()).abs() < 1e-12);
        // With one rollout log is clamped at ½ everywhere: nothing is left to tell answers apart.
        let error = costs.cost_at_kl(&Log, 0.1, 1).unwrap_err();
        assert!(error.to_string().contains("log with K = 1"), "{error}");
        let mut one = LevelCost::new(
            &Levels::new(&[1.0]).unwrap(),
            Arc::new(BestOf::new(4).unwrap()),
        )
        .unwrap();
        let at = one.cost(&Identity, 0.1, 9).unwrap();
        assert!(at.kl == 0.0 && at.win_rate == 0.5);
        assert!(one.cost_at_kl(&Identity, 0.1, 9).is_err());
    }
}
