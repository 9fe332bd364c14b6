//! Finite K against tables drawn or enumerated and evaluated one by one, against its limits, and against what is known exactly.
#![expect(clippy::unwrap_used, reason = "parameters are valid")]

use std::sync::Arc;

use rand::{RngExt, SeedableRng};

use super::*;
use crate::{
    Deployment, ProcedureSpec, TiltedPolicy, TransformSpec,
    procedure::{At, BestOf, Standard, WorstOf},
    transform::{Custom, Exp, Identity},
};

fn procedure(text: &str) -> Arc<dyn Procedure> {
    let ProcedureSpec::Ready(p) = text.parse().unwrap() else {
        unreachable!("{text} needs no file")
    };
    p
}

fn transform(text: &str) -> Arc<dyn Transform> {
    let TransformSpec::Ready(t) = text.parse().unwrap() else {
        unreachable!("{text} needs no file")
    };
    t
}

/// β, win rate and standard win rate of perfect calibration.
fn perfect(p: &str, t: &str, kl: f64) -> (f64, f64, f64) {
    let policy = TiltedPolicy::at_kl(transform(t), kl).unwrap();
    let deployment = Deployment::on_grid(procedure(p), Arc::clone(policy.law().grid()));
    let law = policy.law();
    (
        policy.beta(),
        deployment.win_rate(law),
        law.standard_win_rate(),
    )
}

/// The five-point Gauss–Legendre rule (Abramowitz & Stegun, table 25.4).
const GAUSS_5: [(f64, f64); 5] = [
    (-0.906_179_845_938_664, 0.236_926_885_056_189),
    (-0.538_469_310_105_683, 0.478_628_670_499_366),
    (0.0, 0.568_888_888_888_889),
    (0.538_469_310_105_683, 0.478_628_670_499_366),
    (0.906_179_845_938_664, 0.236_926_885_056_189),
];

/// The figures of one table with gaps d: by definition, on its step density. Exact where G·g has degree 9 at most.
fn of_table(procedure: &dyn Procedure, tilt: &Tilt, d: &[f64]) -> FiniteK {
    let at = |q: f64| At {
        u: Quantile::new(q),
        f: Quantile::new(q),
        anchors: &[],
    };
    let z: f64 = d.iter().zip(&tilt.e).map(|(d, e)| d * e).sum();
    let (mut kl, mut lost, mut lost_standard) = (-z.ln(), 0.0, 0.0);
    let (mut left, mut below) = (0.0, 0.0);
    for ((d, e), t) in d.iter().zip(&tilt.e).zip(&tilt.t) {
        let mass = d * e / z;
        kl += mass * t;
        lost_standard += d * (below + 0.5 * mass);
        for (x, w) in GAUSS_5 {
            let x = 0.5 * (1.0 + x);
            let g = procedure.density(&at(left + d * x));
            lost += 0.5 * w * d * procedure.cdf(&at(below + mass * x)).below() * g;
        }
        left += d;
        below += mass;
    }
    FiniteK {
        kl,
        win_rate: 1.0 - lost,
        standard_win_rate: 1.0 - lost_standard,
    }
}

#[test]
fn one_rollout_by_hand() {
    // Z = 1 + (c−1)x with x = D_1 uniform and c = e^{1/β}: E KL = 1 − c/(β²(c−1)²), by two elementary integrals.
    for beta in [0.05, 0.3, 1.0, 5.0] {
        let c = f64::exp(1.0 / beta);
        let want = 1.0 - c / f64::powi(beta * (c - 1.0), 2);
        let got = kl_at_beta(&Identity, beta, 1).unwrap();
        assert!((got - want).abs() < 1e-8, "β {beta}: {got} against {want}");
    }
    // c → ∞: all mass on the upper gap, uniform there: E W = E (1 − x/2) = 3/4 for plain samples, E KL = E −log x = 1.
    let got = cost(&Standard, &Identity, 1e-3, 1).unwrap();
    assert!((got.standard_win_rate - 0.75).abs() < 1e-9, "{got:?}");
    assert!((got.kl - 1.0).abs() < 1e-8, "{got:?}");
    assert!((got.win_rate - 0.75).abs() < 1e-3, "{got:?}");
}

#[test]
fn one_and_two_rollouts_against_every_table() {
    let steps = 300;
    let middle = |i: usize| (i as f64 + 0.5) / steps as f64;
    let best = BestOf::new(4).unwrap();
    let worst = WorstOf::new(4).unwrap();
    for (p, t) in [(&best as &dyn Procedure, 4.0), (&worst, -4.0)] {
        let phi = Exp::new(t).unwrap();
        for k in [1, 2] {
            let tilt = Ranks::new(&phi, k).unwrap().tilt(0.3);
            let mut tables = Vec::new();
            for i in 0..steps {
                if k == 1 {
                    tables.push(vec![middle(i), 1.0 - middle(i)]);
                } else {
                    // Two independent uniforms x < y: midpoints of the square's upper triangle.
                    let above = (i + 1..steps).step_by(3);
                    tables.extend(
                        above.map(|j| vec![middle(i), middle(j) - middle(i), 1.0 - middle(j)]),
                    );
                }
            }
            let all: Vec<FiniteK> = tables.iter().map(|d| of_table(p, &tilt, d)).collect();
            let mean = |f: fn(&FiniteK) -> f64| all.iter().map(f).sum::<f64>() / all.len() as f64;
            let got = cost(p, &phi, 0.3, k).unwrap();
            // The grid's own error is of the order of one over its steps for k = 2 (its diagonal), their square for k = 1.
            let tolerance = if k == 1 { 2e-4 } else { 3e-3 };
            for (got, want) in [
                (got.kl, mean(|f| f.kl)),
                (got.win_rate, mean(|f| f.win_rate)),
                (got.standard_win_rate, mean(|f| f.standard_win_rate)),
            ] {
                assert!(
                    (got - want).abs() < tolerance,
                    "{p} K {k}: {got} against {want}"
                );
            }
        }
    }
}

/// Solves A x = y for a small symmetric positive A.
fn solve(mut a: Vec<Vec<f64>>, mut y: Vec<f64>) -> Vec<f64> {
    let n = y.len();
    for i in 0..n {
        for j in i + 1..n {
            let factor = a[j][i] / a[i][i];
            let (upper, lower) = a.split_at_mut(j);
            for (x, pivot) in lower[0].iter_mut().zip(&upper[i]) {
                *x -= factor * pivot;
            }
            y[j] -= factor * y[i];
        }
    }
    for i in (0..n).rev() {
        let known: f64 = (i + 1..n).map(|j| a[i][j] * y[j]).sum();
        y[i] = (y[i] - known) / a[i][i];
    }
    y
}

/// Means and standard errors of (KL, W) over random tables. Linear statistics of the gaps, whose means are known, and their
/// squares' leading one take most of the variance (control variates by least squares).
fn simulate(p: &dyn Procedure, tilt: &Tilt, tables: usize) -> [(f64, f64); 2] {
    let n = tilt.e.len();
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(7);
    let statistics: Vec<Vec<f64>> = (0..8)
        .map(|s| {
            let value = |b: usize| {
                let u = b as f64 / (n - 1) as f64;
                if s < 5 {
                    tilt.e[b] * u.powi(s)
                } else {
                    u.powi(s - 4)
                }
            };
            (0..n).map(value).collect()
        })
        .collect();
    let means: Vec<f64> = statistics
        .iter()
        .map(|s| s.iter().sum::<f64>() / n as f64)
        .collect();
    // E Z² = (Σe² + (Σe)²)/(n(n+1)).
    let total: f64 = tilt.e.iter().sum();
    let squares: f64 = tilt.e.iter().map(|e| e * e).sum();
    let mean_square = (squares + total * total) / (n * (n + 1)) as f64;
    let rows: Vec<(Vec<f64>, [f64; 2])> = (0..tables)
        .map(|_| {
            let mut d: Vec<f64> = (0..n).map(|_| -(1.0 - rng.random::<f64>()).ln()).collect();
            let sum: f64 = d.iter().sum();
            for d in &mut d {
                *d /= sum;
            }
            let dot = |s: &Vec<f64>| s.iter().zip(&d).map(|(s, d)| s * d).sum::<f64>();
            let mut x = vec![1.0];
            x.extend(statistics.iter().zip(&means).map(|(s, m)| dot(s) - m));
            x.push(dot(&tilt.e).powi(2) - mean_square);
            let figures = of_table(p, tilt, &d);
            (x, [figures.kl, figures.win_rate])
        })
        .collect();
    let m = rows[0].0.len();
    let mut normal = vec![vec![0.0; m]; m];
    for (x, _) in &rows {
        for i in 0..m {
            for j in 0..m {
                normal[i][j] += x[i] * x[j];
            }
        }
    }
    [0, 1].map(|c| {
        let right = (0..m)
            .map(|i| rows.iter().map(|(x, y)| x[i] * y[c]).sum())
            .collect();
        let fit = solve(normal.clone(), right);
        let residual = |(x, y): &(Vec<f64>, [f64; 2])| {
            y[c] - x.iter().zip(&fit).map(|(x, f)| x * f).sum::<f64>()
        };
        let squares: f64 = rows.iter().map(|r| residual(r).powi(2)).sum();
        (fit[0], squares.sqrt() / tables as f64)
    })
}

#[test]
fn simulated_tables_agree() {
    for (p, t, k, tables, w_error, w_noise) in [
        ("best-of:4", "exp:10", 10, 40_000, 1e-3, 4e-4),
        ("worst-of:4", "exp:-10", 10, 40_000, 1e-3, 4e-4),
        ("best-of:4", "exp:10", 32, 100_000, 1e-4, 7e-5),
        ("worst-of:4", "exp:-10", 32, 20_000, 1e-4, 2e-5),
        ("best-of:4", "exp:10", 100, 10_000, 1e-4, 1e-4),
        ("order:3/5", "identity", 32, 4_000, 1e-4, 1e-4),
    ] {
        let (beta, ..) = perfect(p, t, 1.0);
        let (p, t) = (procedure(p), transform(t));
        let tilt = Ranks::new(t.as_ref(), k).unwrap().tilt(beta);
        let [(kl, kl_se), (w, w_se)] = simulate(p.as_ref(), &tilt, tables);
        let got = cost(p.as_ref(), t.as_ref(), beta, k).unwrap();
        let place = format!("{p} {t} K {k}: {got:?} against KL {kl} ± {kl_se}, W {w} ± {w_se}");
        assert!(w_se < w_noise && kl_se < 10.0 * w_noise, "{place}");
        assert!((got.kl - kl).abs() < 4.0 * kl_se, "{place}");
        assert!((got.win_rate - w).abs() < w_error + 3.0 * w_se, "{place}");
    }
}

#[test]
fn the_rank_sum_gives_the_exact_standard_win_rate() {
    // Two independent routes to one figure: rules for the means, and the integral of exponentials.
    for t in [
        "identity", "exp:10", "exp:-10", "exp:200", "exp:-200", "log", "probit", "power:3",
    ] {
        for beta in [1e-3, 0.05, 0.3, 5.0] {
            for k in [1, 2, 10, 32, 100, 1000] {
                let got = cost(&Standard, transform(t).as_ref(), beta, k).unwrap();
                let error = (got.win_rate - got.standard_win_rate).abs();
                let allowed = if k < 32 { 1e-3 } else { 1e-4 };
                assert!(error < allowed, "{t} β {beta} K {k}: {got:?}");
                assert!(
                    got.kl >= -1e-12 && got.kl.is_finite(),
                    "{t} β {beta} K {k}: {got:?}"
                );
            }
        }
    }
}

#[test]
fn best_of_mirrors_worst_of() {
    // u → 1 − u turns best-of into worst-of, Φ(u) into Φ(1−u), and W into 1 − W; both ends are then under test at any N.
    let mirrored = Custom::new("mirrored", (0.0, 1.0), &[], |u| {
        (10.0 * (1.0 - u)).exp_m1() / 10f64.exp_m1()
    });
    for n in [1, 4, 64, 4096] {
        for k in [5, 100] {
            let best = cost(
                &BestOf::new(n).unwrap(),
                transform("exp:10").as_ref(),
                0.3,
                k,
            );
            let worst = cost(&WorstOf::new(n).unwrap(), &mirrored, 0.3, k);
            let (best, worst) = (best.unwrap(), worst.unwrap());
            assert!(
                (best.win_rate + worst.win_rate - 1.0).abs() < 1e-5,
                "N {n} K {k}"
            );
            assert!((best.kl - worst.kl).abs() < 1e-12, "N {n} K {k}");
        }
    }
}

#[test]
fn many_rollouts_are_perfect_calibration() {
    for (p, t) in [
        ("best-of:4", "identity"),
        ("best-of:4", "exp:10"),
        ("worst-of:4", "exp:-10"),
        ("order:2/3", "exp:5"),
        ("poisson:3", "exp:10"),
        ("tilt:4", "log"),
        ("mixture:0.5*best-of:2+0.5*worst-of:3", "identity"),
    ] {
        let (beta, w, standard) = perfect(p, t, 0.5);
        let got = cost(procedure(p).as_ref(), transform(t).as_ref(), beta, MAX_K).unwrap();
        let place = format!("{p} {t}: {got:?} against {w}, {standard}");
        assert!((got.win_rate - w).abs() < 1e-4, "{place}");
        // At equal β the KL spent is a little more, and with it the plain samples win a little more.
        assert!((got.standard_win_rate - standard).abs() < 3e-4, "{place}");
        assert!((got.kl - 0.5).abs() < 2e-3, "{place}");
    }
}

#[test]
fn equal_kl_means_the_kl_that_is_spent_and_the_loss_falls_with_k() {
    // From an independent implementation of the same sums, in points: best-of:4 exp:10 and worst-of:4 exp:-10 at KL 0.5.
    for (p, t, at_10, at_50) in [
        ("best-of:4", "exp:10", 5.63, 1.58),
        ("worst-of:4", "exp:-10", 2.77, 0.58),
        ("best-of:4", "identity", 1.73, 0.37),
    ] {
        let (_, w, _) = perfect(p, t, 0.5);
        let mut last = f64::INFINITY;
        for k in [5, 10, 20, 50, 200, 1000, 4096] {
            let (beta, got) =
                cost_at_kl(procedure(p).as_ref(), transform(t).as_ref(), 0.5, k).unwrap();
            assert!((got.kl - 0.5).abs() < 1e-6);
            let again = beta_for_kl(transform(t).as_ref(), 0.5, k).unwrap();
            assert!((again / beta - 1.0).abs() < 1e-12);
            let loss = 100.0 * (w - got.win_rate);
            assert!(loss < last && loss > 0.0, "{p} {t} K {k}: {loss}");
            last = loss;
            for (of, want) in [(10, at_10), (50, at_50)] {
                assert!(
                    k != of || (loss - want).abs() < 0.011,
                    "{p} {t} K {k}: {loss}"
                );
            }
        }
    }
}

#[test]
fn the_smallest_k_is_enough_and_one_less_is_not() {
    for (p, t, wanted) in [
        ("best-of:4", "exp:10", 0.01),
        ("worst-of:4", "exp:-5", 0.003),
    ] {
        let (_, w, _) = perfect(p, t, 0.5);
        let (p, t) = (procedure(p), transform(t));
        let found = smallest_k(p.as_ref(), t.as_ref(), 0.5, w, wanted)
            .unwrap()
            .unwrap();
        let loss = |k| {
            w - cost_at_kl(p.as_ref(), t.as_ref(), 0.5, k)
                .unwrap()
                .1
                .win_rate
        };
        assert!(
            loss(found) <= wanted && loss(found - 1) > wanted,
            "{p} {t}: {found}"
        );
        assert_eq!(
            smallest_k(p.as_ref(), t.as_ref(), 0.5, w, 1e-6).unwrap(),
            None
        );
        // Ks that cannot spend the budget are too small; 1 + 1/2 + … + 1/30 < 4 < … + 1/31.
        let far = smallest_k(p.as_ref(), t.as_ref(), 4.0, 0.0, 1.0).unwrap();
        assert_eq!(far, Some(31));
    }
}

#[test]
fn the_steepest_tilt_keeps_the_top_gap_only() {
    // f is uniform on the top gap: E KL = E −log D_K = 1 + 1/2 + … + 1/K, plain samples win E(1 − D_K/2).
    for k in [1, 10, 100, 1000] {
        let got = cost(&Standard, transform("exp:200").as_ref(), 1e-9, k).unwrap();
        let harmonic: f64 = (1..=k).map(|i| 1.0 / i as f64).sum();
        assert!((got.kl - harmonic).abs() < 1e-8, "K {k}: {got:?}");
        assert!(
            (got.standard_win_rate - (1.0 - 0.5 / (k + 1) as f64)).abs() < 1e-9,
            "K {k}"
        );
    }
    let Err(Error::KlUnreachable { max, .. }) = beta_for_kl(&Identity, 3.0, 10) else {
        unreachable!("3 nats are more than ten rollouts can spend")
    };
    assert!((max - 2.928_968_25).abs() < 1e-6, "{max}");
}

#[test]
fn no_tilt_costs_nothing() {
    let flat = Custom::new("flat", (1.0, 1.0), &[], |_| 1.0);
    for k in [1, 50] {
        let got = cost(&BestOf::new(4).unwrap(), &flat, 0.3, k).unwrap();
        assert!(
            got.kl.abs() < 1e-9 && (got.standard_win_rate - 0.5).abs() < 1e-9,
            "{got:?}"
        );
        assert!((got.win_rate - 0.5).abs() < 1e-5, "{got:?}");
    }
    assert!(beta_for_kl(&flat, 0.5, 50).is_err());
    // A small KL keeps its digits: KL ≈ Var/(2β²) · K-dependent factor, and β ∝ KL^{−1/2}.
    let (a, b) = (
        beta_for_kl(&Identity, 1e-6, 50).unwrap(),
        beta_for_kl(&Identity, 4e-6, 50).unwrap(),
    );
    assert!((a / b - 2.0).abs() < 1e-3, "{a} {b}");
}

#[test]
fn inflation_of_exponential_rewards() {
    // MATH §5, at u = ½ and t = 10.
    for (k, want) in [(10, 3.3), (32, 1.48), (100, 1.13)] {
        let got = inflation(10.0, 0.5, k) / 5f64.exp();
        assert!((got - want).abs() < 0.02 * want, "K {k}: {got}");
    }
    assert!((inflation(3.0, 1.0, 7) - 3f64.exp()).abs() < 1e-12);
    // The binomial sum itself.
    let want: f64 = [(1.0, 0), (3.0, 1), (3.0, 2), (1.0, 3)]
        .iter()
        .map(|&(c, b)| c * 0.2f64.powi(b) * 0.8f64.powi(3 - b) * (2.0 * f64::from(b) / 3.0).exp())
        .sum();
    assert!((inflation(2.0, 0.2, 3) / want - 1.0).abs() < 1e-13);
}

#[test]
fn dkw_bound() {
    assert!((dkw(100, 0.95).unwrap() - 0.136).abs() < 5e-4);
    let epsilon = dkw(37, 0.9).unwrap();
    assert!((2.0 * (-2.0 * 37.0 * epsilon * epsilon).exp() - 0.1).abs() < 1e-12);
    for bad in [0.0, 1.0, f64::NAN] {
        assert!(dkw(10, bad).is_err());
    }
    assert!(dkw(0, 0.9).is_err());
}

#[test]
fn what_cannot_be_is_refused() {
    let best = BestOf::new(4).unwrap();
    for beta in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(cost(&best, &Identity, beta, 10).is_err());
    }
    assert!(cost(&best, &Identity, 0.3, 0).is_err());
    assert!(cost_at_kl(&best, &Identity, f64::NAN, 10).is_err());
    assert!(smallest_k(&best, &Identity, 0.5, 0.8, 0.0).is_err());
    for p in ["rewind:0.5/4", "mixture:0.5*best-of:2+0.5*rewind:0.5/4"] {
        let error = cost(procedure(p).as_ref(), &Identity, 0.3, 10).unwrap_err();
        assert!(matches!(error, Error::Unsupported { .. }), "{error}");
    }
}
