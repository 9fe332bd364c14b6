//! The procedure test kit: is this procedure what it says it is? For ours and for anyone's.
//!
//! | check | compared | tolerance |
//! |---|---|---|
//! | CDF | H(0) = 0, H(1) = 1, H never falls, the two masses sum to 1 | 1e-9 |
//! | density | ∂H/∂F against a central difference of H | 1e-5 of its scale |
//! | slope | ∂²H/∂F² against a difference of ∂H/∂F | 1e-3 of its scale |
//! | thresholds | ∂H/∂a against a central difference of H | 1e-5 of its scale |
//! | half | W = ½ at π = p | 1e-9 |
//! | derivative | ⟨Φ, h − f⟩ against (W(f + ε(h−f)) − W(f − ε(h−f)))/2ε for mixtures of policies | 1e-5; 1e-3 where g has kinks |
//! | execution | the share of wins when the procedure *runs* on draws of π and of p, against W | 4.5 standard errors |
//! | output | the empirical CDF of what it returns against H (Kolmogorov–Smirnov) | p > 1e-5 |
//!
//! ```
//! use infalign::procedure::{BestOf, kit};
//! let report = kit::check(&(std::sync::Arc::new(BestOf::new(4)?) as _), &kit::Options::default())?;
//! assert!(report.checks.iter().all(|c| c.error <= c.tolerance));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::sync::Arc;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::{At, Procedure};
use crate::{
    Quantile, TiltedPolicy,
    deployment::Deployment,
    law::Law,
    transform::{Exp, Transform},
};

/// How much work to do.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Executions of the procedure per side and policy; 0 leaves execution out.
    pub executions: usize,
    /// Seed of the executions.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            executions: 20_000,
            seed: 0,
        }
    }
}

/// One comparison that was made.
#[derive(Debug, Clone, PartialEq)]
pub struct Check {
    /// What was compared.
    pub name: &'static str,
    /// The largest deviation found.
    pub error: f64,
    /// The largest that is allowed.
    pub tolerance: f64,
}

/// Every check made, all passed.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// The procedure.
    pub procedure: String,
    /// The checks in order.
    pub checks: Vec<Check>,
    /// Whether the procedure could be executed; where only G is known it cannot.
    pub executed: bool,
}

/// The first check that failed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{procedure} fails the check `{}`: off by {:e} where {:e} is allowed ({place})", check.name, check.error, check.tolerance)]
pub struct Failure {
    /// The procedure.
    pub procedure: String,
    /// The check.
    pub check: Check,
    /// Where the deviation was largest.
    pub place: String,
}

/// Puts a procedure through every check.
///
/// # Errors
/// [`Failure`] at the first check that does not hold.
pub fn check(procedure: &Arc<dyn Procedure>, options: &Options) -> Result<Report, Failure> {
    let mut report = Report {
        procedure: procedure.to_string(),
        checks: Vec::new(),
        executed: false,
    };
    let deployment = Deployment::new(Arc::clone(procedure), &[]);
    let policies = policies(&deployment);
    for policy in &policies {
        pointwise(&mut report, procedure.as_ref(), policy.law())?;
    }
    let half = (deployment.win_rate(&Law::uniform(Arc::clone(deployment.grid()))) - 0.5).abs();
    report.pass("half", half, 1e-9, "π = p")?;
    derivative(&mut report, &deployment, &policies)?;
    if options.executions > 0 {
        execution(&mut report, &deployment, &policies, options)?;
    }
    Ok(report)
}

impl Report {
    fn pass(
        &mut self,
        name: &'static str,
        error: f64,
        tolerance: f64,
        place: impl Into<String>,
    ) -> Result<(), Failure> {
        let check = Check {
            name,
            error,
            tolerance,
        };
        // A NaN passes no check.
        if error <= tolerance {
            self.checks.push(check);
            return Ok(());
        }
        Err(Failure {
            procedure: self.procedure.clone(),
            check,
            place: place.into(),
        })
    }
}

/// Policies that favour the middle, the top and the bottom, on the deployment's grid.
fn policies(deployment: &Deployment) -> Vec<Policy> {
    let mut policies = vec![Policy::new(deployment, None)];
    for (t, beta) in [(3.0, 0.5), (-12.0, 0.2), (8.0, 0.15)] {
        policies.extend(
            Exp::new(t)
                .ok()
                .map(|e| Policy::new(deployment, Some((Arc::new(e), beta)))),
        );
    }
    policies
}

struct Policy {
    law: Law,
    /// For drawing; the base needs none.
    tilted: Option<TiltedPolicy>,
}

impl Policy {
    fn new(deployment: &Deployment, tilt: Option<(Arc<dyn Transform>, f64)>) -> Self {
        let grid = deployment.grid();
        let Some((transform, beta)) = tilt else {
            return Self {
                law: Law::uniform(Arc::clone(grid)),
                tilted: None,
            };
        };
        let tilts: Vec<f64> = grid
            .nodes()
            .iter()
            .map(|&u| transform.gap(u) / beta)
            .collect();
        let law = Law::from_log_tilt(Arc::clone(grid), &tilts);
        Self {
            law,
            tilted: TiltedPolicy::at_beta(transform, beta).ok(),
        }
    }

    const fn law(&self) -> &Law {
        &self.law
    }
}

/// CDF, density, slope and threshold derivatives at a policy.
fn pointwise(report: &mut Report, procedure: &dyn Procedure, law: &Law) -> Result<(), Failure> {
    let anchors: Vec<Quantile> = procedure
        .anchors()
        .iter()
        .map(|&tau| law.cdf_at(Quantile::new(tau)))
        .collect();
    let end = |q: Quantile| {
        procedure.cdf(&At {
            u: q,
            f: q,
            anchors: &anchors,
        })
    };
    report.pass("CDF", end(Quantile::ZERO).below().abs(), 1e-9, "u = 0")?;
    report.pass("CDF", end(Quantile::ONE).above().abs(), 1e-9, "u = 1")?;
    let nodes = law.grid().nodes().iter().zip(law.cdf());
    let inside: Vec<At<'_>> = nodes
        .map(|(&u, &f)| At {
            u,
            f,
            anchors: &anchors,
        })
        .filter(|at| at.f.below() > 1e-4 && at.f.above() > 1e-4)
        .collect();
    let scale = inside
        .iter()
        .map(|at| procedure.density(at).abs())
        .fold(1.0, f64::max);
    let bend = inside
        .iter()
        .map(|at| procedure.density_slope(at).abs())
        .fold(scale, f64::max);
    let place = |at: &At<'_>| format!("u = {:.6}, F = {:.6}", at.u.below(), at.f.below());
    let mut last = 0.0;
    for at in &inside {
        let h = procedure.cdf(at);
        report.pass("CDF", (last - h.below()).max(0.0), 1e-9, place(at))?;
        report.pass("CDF", (h.below() + h.above() - 1.0).abs(), 1e-9, place(at))?;
        last = h.below();
    }
    let step = 1e-6;
    for at in &inside {
        let place = place(at);
        let moved = |d: f64| At {
            f: Quantile::from_masses(at.f.below() + d, at.f.above() - d),
            ..*at
        };
        let quotient = (procedure.cdf(&moved(step)).below() - procedure.cdf(&moved(-step)).below())
            / (2.0 * step);
        // The quotient's own error: rounding of H and the third derivative.
        let error = (quotient - procedure.density(at)).abs();
        report.pass(
            "density",
            error / scale,
            1e-5 + 1e-12 * bend / scale,
            place.clone(),
        )?;
        let quotient =
            (procedure.density(&moved(step)) - procedure.density(&moved(-step))) / (2.0 * step);
        report.pass(
            "slope",
            (quotient - procedure.density_slope(at)).abs() / bend,
            1e-3,
            place.clone(),
        )?;
        for k in 0..anchors.len() {
            let with = |d: f64| {
                let mut shifted = anchors.clone();
                shifted[k] = Quantile::from_masses(anchors[k].below() + d, anchors[k].above() - d);
                procedure
                    .cdf(&At {
                        anchors: &shifted,
                        ..*at
                    })
                    .below()
            };
            let quotient = (with(step) - with(-step)) / (2.0 * step);
            let error = (quotient - procedure.anchor_slope(k, at)).abs();
            report.pass("thresholds", error / scale, 1e-5, place.clone())?;
        }
    }
    Ok(())
}

/// The functional derivative along mixtures of policies.
fn derivative(
    report: &mut Report,
    deployment: &Deployment,
    policies: &[Policy],
) -> Result<(), Failure> {
    let grid = deployment.grid();
    // A kink of g(F) falls between the nodes, wherever F puts it.
    let smooth = deployment.procedure().breakpoints().is_empty();
    let tolerance = if smooth { 1e-5 } else { 1e-3 };
    for (i, from) in policies.iter().enumerate() {
        let phi = deployment.gradient(from.law());
        for (j, to) in policies.iter().enumerate().filter(|(j, _)| *j != i) {
            let change: Vec<f64> = to
                .law()
                .density()
                .iter()
                .zip(from.law().density())
                .map(|(h, f)| h - f)
                .collect();
            let along = grid.inner(&phi, &change);
            let at = |epsilon: f64| {
                let mixed: Vec<f64> = from
                    .law()
                    .density()
                    .iter()
                    .zip(&change)
                    .map(|(f, c)| (f + epsilon * c).max(f64::MIN_POSITIVE).ln())
                    .collect();
                deployment.win_rate(&Law::from_log_tilt(Arc::clone(grid), &mixed))
            };
            // Fourth-order central difference: curvature of best-of-4096 is of order N².
            let e = 1e-4;
            let quotient = (8.0 * (at(e) - at(-e)) - (at(2.0 * e) - at(-2.0 * e))) / (12.0 * e);
            report.pass(
                "derivative",
                (quotient - along).abs() / along.abs().max(1.0),
                tolerance,
                format!("from policy {i} towards policy {j}: {quotient} against {along}"),
            )?;
        }
    }
    Ok(())
}

/// Runs the procedure on draws.
fn execution(
    report: &mut Report,
    deployment: &Deployment,
    policies: &[Policy],
    options: &Options,
) -> Result<(), Failure> {
    use rand::RngExt;
    let procedure = deployment.procedure();
    let n = options.executions;
    for (i, policy) in policies.iter().enumerate() {
        let mut rng = ChaCha8Rng::seed_from_u64(options.seed.wrapping_add(i as u64));
        let mut draws = ChaCha8Rng::seed_from_u64(!options.seed.wrapping_add(i as u64));
        let table = policy.tilted.as_ref().map(InverseTable::new);
        let mut outputs = Vec::with_capacity(n);
        let mut wins = 0.0;
        for _ in 0..n {
            let mut draw = || {
                let q = draws.random::<f64>();
                table.as_ref().map_or(q, |t| t.quantile(q))
            };
            let Some(mine) = procedure.execute(&mut draw, &mut rng) else {
                return Ok(());
            };
            let mut plain = || draws.random::<f64>();
            let Some(theirs) = procedure.execute(&mut plain, &mut rng) else {
                return Ok(());
            };
            wins += if mine > theirs {
                1.0
            } else if mine == theirs {
                0.5
            } else {
                0.0
            };
            outputs.push(mine);
        }
        report.executed = true;
        let share = wins / n as f64;
        let want = deployment.win_rate(policy.law());
        let error = (want * (1.0 - want) / n as f64).sqrt().max(1.0 / n as f64);
        let place = format!("policy {i}: {share} won, {want} in theory");
        report.pass("execution", (share - want).abs() / error, 4.5, place)?;
        outputs.sort_by(f64::total_cmp);
        let anchors: Vec<Quantile> = procedure
            .anchors()
            .iter()
            .map(|&tau| policy.law().cdf_at(Quantile::new(tau)))
            .collect();
        let mut distance: f64 = 0.0;
        for (rank, &u) in outputs.iter().enumerate() {
            let u = Quantile::new(u);
            let h = procedure
                .cdf(&At {
                    u,
                    f: policy.law().cdf_at(u),
                    anchors: &anchors,
                })
                .below();
            distance = distance.max((h - rank as f64 / n as f64).abs());
            distance = distance.max((h - (rank + 1) as f64 / n as f64).abs());
        }
        // √n D = 2.5 has probability 7·10⁻⁶ (Kolmogorov's law).
        report.pass(
            "output",
            distance * (n as f64).sqrt(),
            2.5,
            format!("policy {i}"),
        )?;
    }
    Ok(())
}

/// The inverse CDF of a tilted policy on a fine table: fast enough to draw millions.
struct InverseTable {
    us: Vec<f64>,
    cdf: Vec<f64>,
}

impl InverseTable {
    fn new(policy: &TiltedPolicy) -> Self {
        let us: Vec<f64> = (0..=8192).map(|i| f64::from(i) / 8192.0).collect();
        let cdf = us
            .iter()
            .map(|&u| policy.cdf(Quantile::new(u)).below())
            .collect();
        Self { us, cdf }
    }

    fn quantile(&self, q: f64) -> f64 {
        let right = self
            .cdf
            .partition_point(|&c| c <= q)
            .clamp(1, self.us.len() - 1);
        let (a, b) = (self.cdf[right - 1], self.cdf[right]);
        let t = if b > a { (q - a) / (b - a) } else { 0.5 };
        self.us[right - 1] + t * (self.us[right] - self.us[right - 1])
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "parameters are valid")]

    use super::*;
    use crate::procedure::{Custom, ProcedureSpec, Tabulated};

    fn ready(text: &str) -> Arc<dyn Procedure> {
        let ProcedureSpec::Ready(p) = text.parse().unwrap() else {
            unreachable!("{text} needs no file")
        };
        p
    }

    #[test]
    fn every_shipped_procedure_passes() {
        for text in [
            "standard",
            "best-of:1",
            "best-of:2",
            "best-of:4",
            "best-of:33",
            "worst-of:4",
            "order:1/4",
            "order:2/3",
            "order:7/20",
            "poisson:0",
            "poisson:3.5",
            "tilt:4",
            "tilt:-4",
            "rewind:0.7/4",
            "rewind:0.1/1",
            "rewind:0.95/30",
            "mixture:0.5*best-of:2+0.5*best-of:8",
            "mixture:0.25*standard+0.5*rewind:0.4/3+0.25*rewind:0.8/5",
        ] {
            let report = check(&ready(text), &Options::default()).unwrap();
            assert!(report.executed, "{text}");
        }
    }

    #[test]
    fn large_n_passes_without_execution() {
        let options = Options {
            executions: 0,
            seed: 0,
        };
        for text in [
            "best-of:4096",
            "worst-of:4096",
            "order:2048/4096",
            "tilt:300",
            "poisson:2000",
        ] {
            check(&ready(text), &options).unwrap();
        }
    }

    #[test]
    fn a_users_own_procedure_passes_as_closure_and_as_table() {
        let closure = Custom::new("best-of-3 by closure", |u| u.powi(3), |u| 3.0 * u * u)
            .executed_by(|draw, _| draw().max(draw()).max(draw()));
        assert!(
            check(&(Arc::new(closure) as _), &Options::default())
                .unwrap()
                .executed
        );
        let points: Vec<(f64, f64)> = (0..=64)
            .map(|i| f64::from(i) / 64.0)
            .map(|u| (u, u * u))
            .collect();
        let table = Tabulated::new("square.csv", &points).unwrap();
        assert!(
            !check(&(Arc::new(table) as _), &Options::default())
                .unwrap()
                .executed
        );
    }

    #[test]
    fn each_kind_of_fault_is_found() {
        let faulty = |name, cdf: fn(f64) -> f64, density: fn(f64) -> f64| {
            let custom = Custom::new("faulty", cdf, density).executed_by(|draw, _| draw());
            let failure = check(&(Arc::new(custom) as _), &Options::default()).unwrap_err();
            assert_eq!(failure.check.name, name, "{failure}");
        };
        faulty("CDF", |u| 0.9 * u, |_| 0.9);
        faulty(
            "CDF",
            |u| u + 0.3 * (std::f64::consts::TAU * u).sin(),
            |_| 1.0,
        );
        faulty("density", |u| u * u, |_| 1.0);
        faulty("output", |u| u * u, |u| 2.0 * u);
    }
}
