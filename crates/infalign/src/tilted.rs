//! Tilted policies f ∝ e^{Φ/β}: density, CDF, quantiles, samples, Z, KL; and β ↔ KL both ways.
//!
//! f(u) = e^{Φ(u)/β}/Z, Z = ∫₀¹ e^{Φ/β}, KL(π‖p) = `E_f[Φ]/β − log Z`, and (derived) `dKL/dβ = −Var_f(Φ)/β³`: KL falls from
//! its supremum at β → 0 to 0 at β → ∞, so β ↔ KL is one-to-one. The solver takes Newton steps in (log β, log KL), where the
//! relation is nearly a straight line of slope −2 for small KL, and stops at a relative error of 10⁻¹² in KL.

use std::sync::Arc;

use rand::{Rng, RngExt};

use crate::{
    Error, Quantile, Result,
    law::Law,
    numeric::{grid::Grid, root},
    transform::Transform,
};

/// Relative tolerance of KL when β is solved for.
pub const KL_TOLERANCE: f64 = 1e-12;

/// The policy that KL-regularised RL on Φ(C) at price β leads to, in quantile space.
#[derive(Debug, Clone)]
pub struct TiltedPolicy {
    transform: Arc<dyn Transform>,
    beta: f64,
    law: Law,
}

impl TiltedPolicy {
    /// The tilt of the base by Φ at price β.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for a β that is not positive and finite; [`Error::BetaTooSmall`] where e^{Φ/β} has no integral.
    pub fn at_beta(transform: Arc<dyn Transform>, beta: f64) -> Result<Self> {
        check_beta(transform.as_ref(), beta)?;
        let grid = starting_grid(transform.as_ref());
        let mut family = Family::new(transform, Arc::new(grid));
        let law = family.resolved(beta);
        Ok(Self {
            transform: family.transform,
            beta,
            law,
        })
    }

    /// The tilt of the base by Φ that spends `kl` nats.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for a KL that is not positive and finite; [`Error::KlUnreachable`] where Φ is flat at its top.
    pub fn at_kl(transform: Arc<dyn Transform>, kl: f64) -> Result<Self> {
        check_kl(kl)?;
        let grid = starting_grid(transform.as_ref());
        let mut family = Family::new(transform, Arc::new(grid));
        let (beta, law) = family.at_kl(kl, None)?;
        Ok(Self {
            transform: family.transform,
            beta,
            law,
        })
    }

    /// The transform.
    #[must_use]
    pub const fn transform(&self) -> &Arc<dyn Transform> {
        &self.transform
    }

    /// The price of KL.
    #[must_use]
    pub const fn beta(&self) -> f64 {
        self.beta
    }

    /// The law of u, on a grid that resolves it.
    #[must_use]
    pub const fn law(&self) -> &Law {
        &self.law
    }

    /// KL(π‖p) in nats.
    #[must_use]
    pub fn kl(&self) -> f64 {
        self.law.kl()
    }

    /// log Z = log ∫ e^{Φ/β}.
    #[must_use]
    pub fn log_z(&self) -> f64 {
        self.law.log_normaliser() + reference(self.transform.as_ref()) / self.beta
    }

    /// log f(u).
    #[must_use]
    pub fn log_density(&self, u: Quantile) -> f64 {
        self.transform.gap(u) / self.beta - self.law.log_normaliser()
    }

    /// F(u) and 1 − F(u).
    #[must_use]
    pub fn cdf(&self, u: Quantile) -> Quantile {
        self.law.cdf_at(u)
    }

    /// The u with F(u) = q, by bisection in log-odds to the last digit.
    #[must_use]
    pub fn quantile(&self, q: Quantile) -> Quantile {
        let (mut low, mut high) = (-700.0, 700.0);
        for _ in 0..80 {
            let middle = 0.5 * (low + high);
            let f = self.cdf(Quantile::from_logit(middle));
            let before = if q.below() < 0.5 {
                f.below() < q.below()
            } else {
                f.above() > q.above()
            };
            if before {
                low = middle;
            } else {
                high = middle;
            }
        }
        Quantile::from_logit(0.5 * (low + high))
    }

    /// One draw of u.
    pub fn sample(&self, rng: &mut dyn Rng) -> Quantile {
        self.quantile(Quantile::new(rng.random()))
    }
}

fn reference(transform: &dyn Transform) -> f64 {
    let top = transform.bounds().1;
    if top.is_finite() { top } else { 0.0 }
}

fn starting_grid(transform: &dyn Transform) -> Grid {
    if transform.bounds().1.is_finite() {
        Grid::new(transform.breakpoints())
    } else {
        Grid::wide(transform.breakpoints())
    }
}

pub(crate) fn check_kl(kl: f64) -> Result<f64> {
    Error::range(
        "KL",
        kl,
        kl.is_finite() && kl > 0.0,
        "a finite number > 0 (nats)",
    )
}

pub(crate) fn check_beta(transform: &dyn Transform, beta: f64) -> Result<()> {
    Error::range(
        "beta",
        beta,
        beta.is_finite() && beta > 0.0,
        "a finite number > 0",
    )?;
    let (floor, why) = transform.beta_floor();
    if beta <= floor {
        return Err(Error::BetaTooSmall {
            transform: transform.to_string(),
            beta,
            floor,
            why,
        });
    }
    Ok(())
}

/// All tilts by one Φ on a grid that is refined as they need it: what a sweep over KLs reuses.
#[derive(Debug, Clone)]
pub(crate) struct Family {
    pub(crate) transform: Arc<dyn Transform>,
    grid: Arc<Grid>,
    gaps: Vec<f64>,
}

impl Family {
    pub(crate) fn new(transform: Arc<dyn Transform>, grid: Arc<Grid>) -> Self {
        let gaps = gaps(transform.as_ref(), &grid);
        Self {
            transform,
            grid,
            gaps,
        }
    }

    /// Moves to another grid.
    pub(crate) fn move_to(&mut self, grid: Arc<Grid>) {
        self.gaps = gaps(self.transform.as_ref(), &grid);
        self.grid = grid;
    }

    /// The law at β on the present grid.
    pub(crate) fn law(&self, beta: f64) -> Law {
        let tilt: Vec<f64> = self.gaps.iter().map(|g| g / beta).collect();
        Law::from_log_tilt(Arc::clone(&self.grid), &tilt)
    }

    /// The law at β on the present grid, refined until it resolves the density.
    pub(crate) fn resolved(&mut self, beta: f64) -> Law {
        loop {
            let law = self.law(beta);
            match self.grid.halved_where_coarse(law.density()) {
                Some(finer) if finer.len() < MOST_NODES => self.move_to(Arc::new(finer)),
                _ => return law,
            }
        }
    }

    /// β and law that spend `kl` nats, from a guess of β where there is one.
    pub(crate) fn at_kl(&mut self, kl: f64, mut guess: Option<f64>) -> Result<(f64, Law)> {
        let floor = self.transform.beta_floor().0;
        loop {
            let (beta, law, miss) = tilt_to_kl(&self.grid, &self.gaps, floor, kl, guess);
            match self.grid.halved_where_coarse(law.density()) {
                Some(finer) if finer.len() < MOST_NODES => {
                    self.move_to(Arc::new(finer));
                    guess = Some(beta);
                }
                _ if miss > 1e-9 => {
                    let what = self.transform.to_string();
                    return Err(Error::KlUnreachable {
                        what,
                        kl,
                        max: law.kl(),
                    });
                }
                _ => return Ok((beta, law)),
            }
        }
    }
}

/// Nodes past which a grid is not refined further.
const MOST_NODES: usize = 200_000;

/// β > `floor` and the law ∝ e^{y/β} that spends `kl` nats, for values y at the nodes, and the relative error left in KL.
pub(crate) fn tilt_to_kl(
    grid: &Arc<Grid>,
    y: &[f64],
    floor: f64,
    kl: f64,
    guess: Option<f64>,
) -> (f64, Law, f64) {
    let tilt = |beta: f64| {
        Law::from_log_tilt(
            Arc::clone(grid),
            &y.iter().map(|y| y / beta).collect::<Vec<f64>>(),
        )
    };
    // For small KL, KL ≈ Var(y)/(2β²) under the base.
    let guess =
        guess.unwrap_or_else(|| (variance(&Law::uniform(Arc::clone(grid)), y) / (2.0 * kl)).sqrt());
    // In t = log(β − floor), d log KL/dt = −Var_f(y)/β³ · (β − floor)/KL.
    let root = root::decreasing(
        |t| {
            let beta = floor + t.exp();
            let law = tilt(beta);
            let spent = law.kl();
            (
                (spent / kl).ln(),
                -variance(&law, y) / beta.powi(3) * t.exp() / spent,
            )
        },
        (-690.0, 600.0),
        (guess - floor).max(1e-300).ln(),
        0.5 * KL_TOLERANCE,
    );
    let beta = floor + root.x.exp();
    (beta, tilt(beta), root.residual)
}

fn gaps(transform: &dyn Transform, grid: &Grid) -> Vec<f64> {
    grid.nodes().iter().map(|&u| transform.gap(u)).collect()
}

/// `Var_f(y)`, summed about the mean.
fn variance(law: &Law, y: &[f64]) -> f64 {
    let mean = law.mean(y);
    let weights = law.grid().weights().iter().zip(law.density());
    weights
        .zip(y)
        .map(|((w, f), y)| w * f * (y - mean) * (y - mean))
        .sum()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "parameters are valid")]

    use super::*;
    use crate::{
        deployment::Deployment,
        procedure::ProcedureSpec,
        transform::{Exp, Identity, Log, Logit, Power, Probit, TransformSpec},
    };

    fn transform(text: &str) -> Arc<dyn Transform> {
        match text.parse().unwrap() {
            TransformSpec::Ready(t) => t,
            other => unreachable!("{other} is not ready"),
        }
    }

    fn win_rate(procedure: &str, law: &Law) -> f64 {
        let ProcedureSpec::Ready(p) = procedure.parse().unwrap() else {
            unreachable!("{procedure}")
        };
        Deployment::on_grid(p, Arc::clone(law.grid())).win_rate(law)
    }

    #[test]
    fn closed_forms_over_eight_decades_of_beta() {
        let cases: [(Arc<dyn Transform>, &[f64]); 9] = [
            (Arc::new(Identity), &[1e-5, 1e-3, 0.1, 1.0, 30.0, 1e3]),
            (Arc::new(Log), &[1e-5, 1e-3, 0.1, 1.0, 30.0, 1e3]),
            (Arc::new(Logit), &[1.061, 1.1, 2.0, 30.0, 1e3]),
            (Arc::new(Probit), &[0.05, 0.2, 1.0, 30.0, 1e3]),
            (Arc::new(Power::new(0.5).unwrap()), &[0.01, 0.1, 1.0, 3.0]),
            (Arc::new(Exp::new(5.0).unwrap()), &[0.01, 0.3, 1.0, 3.0]),
            (Arc::new(Exp::new(-5.0).unwrap()), &[0.01, 0.3, 1.0, 3.0]),
            (Arc::new(Exp::new(200.0).unwrap()), &[1e-4, 0.01, 0.3]),
            (Arc::new(Exp::new(-200.0).unwrap()), &[1e-4, 0.01, 0.3]),
        ];
        for (t, betas) in cases {
            for &beta in betas {
                let Some(want) = t.closed_form(beta) else {
                    continue;
                };
                let policy = TiltedPolicy::at_beta(Arc::clone(&t), beta).unwrap();
                let scale = 1.0 + 1.0 / beta;
                assert!(
                    (policy.log_z() - want.log_z).abs() < 1e-12 * scale,
                    "{t} at {beta}: log Z {} against {}",
                    policy.log_z(),
                    want.log_z
                );
                if let Some(w) = want.standard_win_rate {
                    let got = policy.law().standard_win_rate();
                    assert!(
                        (got - w).abs() < 1e-12,
                        "{t} at {beta}: W {got} against {w}"
                    );
                }
                if let Some(kl) = want.kl {
                    let got = policy.kl();
                    assert!(
                        (got - kl).abs() < 1e-11 * kl.max(1e-3 * scale),
                        "{t} at {beta}: KL {got} against {kl}"
                    );
                }
            }
        }
    }

    #[test]
    fn log_wins_alike_for_every_n() {
        // \[IA\] and MATH §4: Φ = log gives M/(M+1) for best-of-N whatever N.
        for beta in [0.05, 0.3, 2.0] {
            let m = 1.0 + 1.0 / beta;
            let policy = TiltedPolicy::at_beta(Arc::new(Log), beta).unwrap();
            for n in [1, 2, 4, 64, 4096] {
                let w = win_rate(&format!("best-of:{n}"), policy.law());
                assert!((w - m / (m + 1.0)).abs() < 1e-11, "β {beta}, N {n}: {w}");
            }
        }
    }

    #[test]
    fn kl_and_beta_invert_each_other_over_the_whole_range() {
        for text in [
            "identity", "log", "exp:200", "exp:-200", "exp:10", "exp:-10", "probit", "logit",
            "power:3",
        ] {
            for kl in [1e-6, 1e-3, 0.1, 1.0, 4.0, 8.0] {
                let policy = TiltedPolicy::at_kl(transform(text), kl).unwrap();
                let again = TiltedPolicy::at_beta(transform(text), policy.beta()).unwrap();
                assert!(
                    (again.kl() / kl - 1.0).abs() < 1e-9,
                    "{text} at KL {kl}: {}",
                    again.kl()
                );
            }
        }
    }

    #[test]
    fn values_to_hold() {
        // MATH §4: N = 4, KL of the optimum at β = 0.3.
        for (procedure, kl, rows) in [
            (
                "best-of:4",
                0.3701,
                [
                    ("identity", 0.7685),
                    ("log", 0.7317),
                    ("exp:5", 0.8259),
                    ("exp:10", 0.8393),
                ]
                .as_slice(),
            ),
            (
                "worst-of:4",
                0.4089,
                &[
                    ("identity", 0.8557),
                    ("exp:-5", 0.9207),
                    ("exp:-10", 0.9245),
                ],
            ),
        ] {
            for &(text, want) in rows {
                let policy = TiltedPolicy::at_kl(transform(text), kl).unwrap();
                let got = win_rate(procedure, policy.law());
                assert!(
                    (got - want).abs() < 1e-4,
                    "{procedure} {text}: {got} against {want}"
                );
            }
        }
    }

    #[test]
    fn quantiles_and_samples_follow_the_cdf() {
        use rand::SeedableRng;
        let policy = TiltedPolicy::at_kl(transform("exp:10"), 0.5).unwrap();
        for q in [1e-12, 0.01, 0.5, 0.99] {
            let u = policy.quantile(Quantile::new(q));
            assert!((policy.cdf(u).below() / q - 1.0).abs() < 1e-9);
        }
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
        let mean = (0..4000)
            .map(|_| policy.sample(&mut rng).below())
            .sum::<f64>()
            / 4000.0;
        assert!((mean - policy.law().standard_win_rate()).abs() < 0.02);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        assert!(TiltedPolicy::at_kl(transform("identity"), 0.0).is_err());
        assert!(TiltedPolicy::at_kl(transform("identity"), f64::NAN).is_err());
        assert!(TiltedPolicy::at_beta(transform("logit"), 1.0).is_err());
        let flat =
            crate::transform::Table::new("x", &[(0.0, 0.0), (0.5, 1.0), (1.0, 1.0)]).unwrap();
        let error = TiltedPolicy::at_kl(Arc::new(flat), 1.0).unwrap_err();
        let Error::KlUnreachable { max, .. } = error else {
            unreachable!("{error}")
        };
        assert!((max - 2f64.ln()).abs() < 1e-3, "{max}");
    }
}
