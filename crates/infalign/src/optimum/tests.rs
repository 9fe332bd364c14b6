//! The optimum against its known values, its certificate, and the plain alternation that fails.

#![expect(clippy::unwrap_used, reason = "parameters are valid")]

use std::sync::Arc;

use super::*;
use crate::{
    TiltedPolicy, numeric::grid::Grid, procedure::ProcedureSpec, tilted::tilt_to_kl,
    transform::TransformSpec,
};

fn deployment(text: &str) -> Deployment {
    let ProcedureSpec::Ready(p) = text.parse().unwrap() else {
        unreachable!("{text} needs no file")
    };
    Deployment::new(p, &[])
}

fn solver(text: &str) -> Solver {
    Solver::new(deployment(text))
}

#[test]
fn values_to_hold() {
    for (text, kl, w) in [
        ("best-of:4", 0.3701, 0.8401),
        ("worst-of:4", 0.4089, 0.9250),
    ] {
        let o = solver(text).at_beta(0.3).unwrap();
        assert!(
            (o.kl - kl).abs() < 1e-4 && (o.win_rate - w).abs() < 1e-4,
            "{} {}",
            o.kl,
            o.win_rate
        );
        let again = solver(text).at_kl(o.kl).unwrap();
        assert!((again.beta - 0.3).abs() < 1e-8, "{}", again.beta);
    }
}

#[test]
fn standard_sampling_is_won_by_the_identity() {
    // \[IA\]: T = identity gives R = C.
    let o = solver("standard").at_kl(0.7).unwrap();
    let TransformSpec::Ready(identity) = "identity".parse().unwrap() else {
        unreachable!("the identity needs no file")
    };
    let tilt = TiltedPolicy::at_kl(identity, 0.7).unwrap();
    assert!(
        (o.beta - tilt.beta()).abs() < 1e-9
            && (o.win_rate - tilt.law().standard_win_rate()).abs() < 1e-11
    );
}

#[test]
fn the_gap_certifies_best_of_n_to_256_and_kl_4() {
    for n in [1, 2, 4, 16, 64, 256] {
        let mut solver = solver(&format!("best-of:{n}"));
        for kl in [1e-3, 0.1, 0.5, 1.0, 2.0, 4.0] {
            let o = solver.at_kl(kl).unwrap();
            let saturated = 1.0 - o.win_rate < SATURATION;
            assert!(
                saturated || (o.kl / kl - 1.0).abs() < 1e-9,
                "N {n} KL {kl}: {}",
                o.kl
            );
            assert!(
                o.certificate.gap.unwrap() < 1e-8,
                "N {n} KL {kl}: {:?}",
                o.certificate
            );
            assert!(
                o.certificate.stationarity < 1e-7,
                "N {n} KL {kl}: {:?}",
                o.certificate
            );
        }
    }
}

#[test]
fn the_gap_is_the_formula_that_it_says() {
    // β log∫e^{Φ/β} − ∫Φf + βKL, at a policy that is not optimal, against the sum of squares form.
    let d = deployment("best-of:4");
    let tilt: Vec<f64> = d.grid().nodes().iter().map(|u| 2.0 * u.below()).collect();
    let state = State::new(&d, Law::from_log_tilt(Arc::clone(d.grid()), &tilt));
    let beta = 0.3;
    let response: Vec<f64> = state.phi.iter().map(|p| (p / beta).exp()).collect();
    let plain =
        beta * d.grid().integrate(&response).ln() - state.law.mean(&state.phi) + beta * state.kl;
    let gap = certificate::density_gap(&state, beta);
    assert!((plain - gap).abs() < 1e-12 && gap > 1e-3, "{plain} {gap}");
    let best = solver("best-of:4").at_beta(beta).unwrap();
    let loss = best.win_rate - beta * best.kl - state.objective(beta);
    assert!(loss > 0.0 && loss <= gap, "{loss} {gap}");
}

#[test]
fn nothing_beats_the_optimum_and_a_doubled_grid_agrees() {
    for text in [
        "best-of:4",
        "worst-of:4",
        "order:2/3",
        "poisson:3",
        "tilt:-4",
        "rewind:0.7/4",
        "mixture:0.5*best-of:2+0.5*best-of:8",
    ] {
        let o = solver(text).at_kl(0.5).unwrap();
        for t in [
            "identity", "log", "exp:5", "exp:10", "exp:20", "exp:-5", "exp:-10", "exp:-20",
            "probit",
        ] {
            let TransformSpec::Ready(t) = t.parse().unwrap() else {
                unreachable!("these need no file")
            };
            let policy = TiltedPolicy::at_kl(t, 0.5).unwrap();
            let ProcedureSpec::Ready(p) = text.parse().unwrap() else {
                unreachable!("{text} needs no file")
            };
            let w = Deployment::on_grid(p, Arc::clone(policy.law().grid())).win_rate(policy.law());
            assert!(
                w <= o.win_rate + 1e-9,
                "{text}: {} wins {w} against {}",
                policy.transform(),
                o.win_rate
            );
        }
        // Every panel halved.
        let rough: Vec<f64> = o
            .law
            .grid()
            .nodes()
            .iter()
            .enumerate()
            .map(|(i, _)| f64::from(i as u32 % 2))
            .collect();
        let finer = Arc::new(o.law.grid().halved_where_coarse(&rough).unwrap());
        let ProcedureSpec::Ready(p) = text.parse().unwrap() else {
            unreachable!("{text} needs no file")
        };
        let doubled = Deployment::on_grid(p, Arc::clone(&finer));
        let again = Solver::new(doubled).at_kl(0.5).unwrap();
        assert!(
            (again.win_rate - o.win_rate).abs() < 1e-9 && (again.beta / o.beta - 1.0).abs() < 1e-7,
            "{text}: {} {}",
            again.win_rate,
            o.win_rate
        );
    }
}

#[test]
fn training_on_the_optimal_transform_gives_the_optimum() {
    let o = solver("best-of:4").at_kl(0.5).unwrap();
    let policy = TiltedPolicy::at_beta(Arc::new(o.transform.clone()), o.beta).unwrap();
    assert!((policy.kl() - 0.5).abs() < 1e-9);
}

/// Φ from F, then F from Φ at the same β, over and over.
fn plain_alternation(d: &Deployment, beta: f64, rounds: usize) -> Vec<f64> {
    let mut law = Law::uniform(Arc::clone(d.grid()));
    (0..rounds)
        .map(|_| {
            let tilt: Vec<f64> = d.gradient(&law).iter().map(|p| p / beta).collect();
            law = Law::from_log_tilt(Arc::clone(d.grid()), &tilt);
            law.kl()
        })
        .collect()
}

#[test]
fn plain_alternation_oscillates_with_period_two_and_ours_does_not() {
    for (n, beta) in [(2, 0.2), (4, 0.5), (32, 2.0)] {
        let text = format!("best-of:{n}");
        let kls = plain_alternation(&deployment(&text), beta, 200);
        let [.., a, b, c, d] = kls[..] else {
            unreachable!("many rounds were run")
        };
        assert!(
            (a - c).abs() < 1e-6 && (b - d).abs() < 1e-6,
            "N {n}: not of period 2: {a} {b} {c} {d}"
        );
        assert!((a - b).abs() > 1e-2, "N {n}: it settles: {a} {b}");
        let o = solver(&text).at_beta(beta).unwrap();
        assert!(
            o.certificate.gap.unwrap() < 1e-12,
            "N {n}: {:?}",
            o.certificate
        );
    }
}

#[test]
fn worst_of_n_is_certified_in_quantile_functions_and_every_start_agrees() {
    for text in ["worst-of:2", "worst-of:4", "worst-of:16", "tilt:-4"] {
        let mut solver = solver(text);
        for kl in [0.01, 0.5, 1.0] {
            let o = solver.at_kl(kl).unwrap();
            assert!(
                o.certificate.gap.unwrap() < 1e-8,
                "{text} KL {kl}: {:?}",
                o.certificate
            );
            assert_eq!(o.certificate.agreeing, o.certificate.starts);
            assert!(o.certificate.starts >= 3 && solver.warnings(&o).is_empty());
        }
    }
}

#[test]
fn the_quantile_gap_bounds_what_is_lost_away_from_the_optimum() {
    let d = deployment("worst-of:4");
    let beta = 0.2;
    let best = solver("worst-of:4").at_beta(beta).unwrap();
    let best = best.win_rate - beta * best.kl;
    for strength in [0.5, 2.0, 4.0, 8.0] {
        let tilt: Vec<f64> = d
            .grid()
            .nodes()
            .iter()
            .map(|u| strength * u.below())
            .collect();
        let state = State::new(&d, Law::from_log_tilt(Arc::clone(d.grid()), &tilt));
        let (loss, gap) = (
            best - state.objective(beta),
            certificate::quantile_gap(&state, beta),
        );
        assert!(
            loss > 0.0 && loss <= gap && gap < 100.0 * loss,
            "{strength}: {loss} {gap}"
        );
    }
}

#[test]
fn density_at_the_end_gives_the_win_rate() {
    // Derived by parts from (log f)′ = g(F)g(u)/β: W* = (β/N)(f*(1) − 1) for best-of-N, 1 − (β/N)(1 − f*(0)) for worst-of-N.
    for n in [2, 4, 16] {
        for kl in [0.1, 0.5, 1.0] {
            let best = solver(&format!("best-of:{n}")).at_kl(kl).unwrap();
            let end = best.law.density()[best.law.density().len() - 1];
            assert!((best.beta / f64::from(n) * (end - 1.0) - best.win_rate).abs() < 1e-9);
            let worst = solver(&format!("worst-of:{n}")).at_kl(kl).unwrap();
            let start = worst.law.density()[0];
            assert!(
                (1.0 - worst.beta / f64::from(n) * (1.0 - start) - worst.win_rate).abs() < 1e-9
            );
        }
    }
}

#[test]
fn where_nothing_is_known_several_starts_stand_in_and_it_is_said() {
    let mut solver = solver("order:2/3");
    let o = solver.at_kl(1.0).unwrap();
    assert_eq!(o.certificate.gap, None);
    assert_eq!(o.certificate.agreeing, o.certificate.starts);
    assert!(o.certificate.starts >= 5 && o.certificate.stationarity < 1e-8);
    assert!(matches!(
        solver.warnings(&o)[..],
        [Warning::NoCertificate { .. }]
    ));
}

#[test]
fn saturation_ends_the_path_early_and_is_said() {
    let mut solver = solver("best-of:4096");
    let o = solver.at_kl(4.0).unwrap();
    assert!(o.kl <= 4.0 && 1.0 - o.win_rate < 1e-11);
    assert!(
        solver
            .warnings(&o)
            .iter()
            .any(|w| matches!(w, Warning::Saturated { .. }))
    );
}

#[test]
fn a_tilt_to_a_budget_meets_it() {
    let grid = Arc::new(Grid::new(&[]));
    let y: Vec<f64> = grid.nodes().iter().map(|u| u.below()).collect();
    let (_, law, miss) = tilt_to_kl(&grid, &y, 0.0, 0.5, None);
    assert!(miss < 1e-11 && (law.kl() - 0.5).abs() < 1e-11);
}
