//! Simulated policies of known law against the theory: a perfect tilt, CTRL from few rollouts, rewards with ties.

use std::sync::Arc;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{Owned, names, policy, question, ready};
use crate::{
    Quantile, TiltedPolicy, Transform, Warning,
    design::{Budget, Question as DesignQuestion, design},
    estimate::Estimate,
    evaluation::{Basis, CalibratedPrompt, Samples, TrainedOn, evaluate},
    finite_k,
    raw::RawRewards,
    transform::{Exp, Identity},
};

fn uniform(prompts: usize, m: usize, rng: &mut ChaCha8Rng) -> Vec<Vec<f32>> {
    (0..prompts)
        .map(|_| (0..m).map(|_| rng.random()).collect())
        .collect()
}

/// Draws of an increasing tilt, by rejection, with their log densities.
fn tilted(prompts: usize, m: usize, policy: &TiltedPolicy, rng: &mut ChaCha8Rng) -> Owned {
    let top = policy.log_density(Quantile::new(1.0));
    let mut draw = || loop {
        let u: f32 = rng.random();
        let log_density = policy.log_density(Quantile::new(f64::from(u)));
        if rng.random::<f64>() < (log_density - top).exp() {
            return (u, log_density);
        }
    };
    let draws: Vec<Vec<(f32, f64)>> = (0..prompts)
        .map(|_| (0..m).map(|_| draw()).collect())
        .collect();
    let mut owned = Owned::new(
        &draws
            .iter()
            .map(|row| row.iter().map(|d| d.0).collect())
            .collect::<Vec<_>>(),
        &[&|u: f32| u.powi(3), &|u: f32| (u * 7919.0).fract()],
    );
    for row in &draws {
        owned
            .log_policy
            .push(row.iter().map(|d| d.1 - 40.0).collect());
        owned.log_base.push(vec![-40.0; m]);
        owned.exact.push(
            (0..m)
                .map(|i| policy.kl() + if i % 2 == 0 { 0.1 } else { -0.1 })
                .collect(),
        );
    }
    owned
}

/// Within four standard errors.
fn near(got: Estimate, want: f64, what: &str) {
    let off = (got.mean - want) / got.standard_error;
    assert!(
        off.abs() < 4.0,
        "{what}: {} ± {} not {want}",
        got.mean,
        got.standard_error
    );
}

const PROMPTS: usize = 300;
const M: usize = 64;

#[test]
fn a_simulated_tilt_is_what_design_says() {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let ids = names(PROMPTS);
    let transform: Arc<dyn Transform> = Arc::new(Exp::new(10.0).unwrap());
    let aim = TiltedPolicy::at_kl(Arc::clone(&transform), 0.5).unwrap();
    let judges: [&dyn Fn(f32) -> f32; 2] = [&|u: f32| u.powi(3), &|u: f32| (u * 7919.0).fract()];
    let base = Owned::new(&uniform(PROMPTS, M, &mut rng), &judges);
    let again = Owned::new(&uniform(PROMPTS, M, &mut rng), &judges);
    let ours = tilted(PROMPTS, M, &aim, &mut rng);
    let samples = Samples {
        prompts: ids.iter().map(String::as_str).collect(),
        base: base.responses(),
        policies: vec![
            policy("again", TrainedOn::Other("nothing".into()), None, &again),
            policy(
                "exp",
                TrainedOn::Transform(Arc::clone(&transform)),
                Some(0.5),
                &ours,
            ),
        ],
        calibration: Vec::new(),
    };
    let mut asked = question(
        &[
            "standard",
            "best-of:4",
            "worst-of:4",
            "mixture:0.5*best-of:2+0.5*best-of:8",
        ],
        &["u", "cubed", "noise"],
    );
    asked.judges[0].threshold = Some(0.1);
    let got = evaluate(&samples, &asked).unwrap();
    assert!(
        got.warnings
            .iter()
            .all(|w| matches!(w, Warning::NoCertificate { .. })),
        "{:?}",
        got.warnings
    );
    assert_eq!(
        (got.prompts, got.samples, got.base_samples),
        (PROMPTS, M, M)
    );

    let [again, exp] = got.policies.as_slice() else {
        unreachable!("two policies")
    };
    assert_eq!(
        (again.win_rates.len(), again.gap.len(), exp.gap.len()),
        (12, 0, 4)
    );
    for row in &again.win_rates {
        near(
            row.win_rate,
            0.5,
            &format!("{} by {}", row.procedure, row.judge),
        );
    }
    assert!(again.kl.is_none() && again.law.target.is_none());
    near(again.quantile_kl, 0.0, "quantile KL of the base");

    for (rows, gap) in exp.win_rates.chunks(3).zip(&exp.gap) {
        let row = design(&DesignQuestion {
            transforms: vec![Arc::clone(&transform).into()],
            ..DesignQuestion::new(ready(&rows[0].procedure), Budget::Kl(0.5))
        })
        .unwrap();
        let predicted = row.transforms[0].win_rate;
        assert!((rows[0].predicted.unwrap() - predicted).abs() < 1e-9);
        assert!((gap.optimum - row.optimum.win_rate).abs() < 1e-6);
        near(rows[0].win_rate, predicted, &rows[0].procedure);
        // An increasing function of the reward judges alike; noise sees no difference.
        assert!((rows[1].win_rate.mean - rows[0].win_rate.mean).abs() < 1e-12);
        near(rows[2].win_rate, 0.5, "noise");
        assert!(rows[1].predicted.is_none() && rows[1].optimum.is_none());
        let sum = gap.transform + gap.calibration + gap.kl_missed + gap.kl_wasted + gap.shape;
        assert!((sum - gap.total.mean).abs() < 1e-12 && gap.calibration == 0.0);
        assert!(gap.kl_missed.abs() < 1e-6 && gap.measured == rows[0].win_rate.mean);
    }

    let kl = exp.kl.unwrap();
    near(kl.k1, 0.5, "k1");
    assert!((kl.rao_blackwell.unwrap().mean - 0.5).abs() < 1e-9);
    assert!(
        (0.43..0.52).contains(&exp.quantile_kl.mean),
        "{:?}",
        exp.quantile_kl
    );
    let efficiency = exp.kl_efficiency.unwrap();
    assert!((efficiency.mean - 2.0 * exp.quantile_kl.mean).abs() < 1e-9);
    // The target itself shows this much through 64 responses: what is measured is near it, and nothing counts as wasted.
    let ceiling = exp.kl_efficiency_ceiling.unwrap();
    assert!((0.85..0.99).contains(&ceiling), "{ceiling}");
    near(efficiency, ceiling, "KL efficiency");
    assert!(
        exp.gap
            .iter()
            .all(|g| g.kl_wasted < 0.01 && g.shape.abs() < 0.02)
    );
    let (expected, law) = (exp.law.expected.as_ref().unwrap(), &exp.law);
    for (i, want) in expected.iter().enumerate() {
        let off = (law.density[i] - want) / law.standard_error[i];
        assert!(off.abs() < 4.5, "cell {i}: {} not {want}", law.density[i]);
    }
    for (behaviour, below) in [
        (&got.base_behaviour, 0.1),
        (&exp.behaviour, aim.cdf(Quantile::new(0.1)).below()),
    ] {
        for point in &behaviour.attacks[0].points {
            let want = 1.0 - (1.0 - below).powi(point.n as i32);
            near(point.success, want, &format!("attack by {}", point.n));
        }
        assert_eq!(behaviour.attacks[0].points.len(), 7);
        assert!((behaviour.truncated.mean - 1.0 / M as f64).abs() < 1e-12);
        assert!((behaviour.length.mean - 31.5).abs() < 1e-12);
    }
    near(got.base_behaviour.rewards[1].reward, 0.25, "E u³");

    assert_eq!(got.comparisons.len(), 12);
    for (row, c) in exp.win_rates.iter().zip(&got.comparisons) {
        assert_eq!((c.left.as_str(), c.right.as_str()), ("exp", "again"));
        let other = again
            .win_rates
            .iter()
            .find(|w| w.procedure == row.procedure && w.judge == row.judge);
        let difference = row.win_rate.mean - other.unwrap().win_rate.mean;
        assert!((c.difference.mean - difference).abs() < 1e-12);
    }
    // Both are measured against the same base, so the paired interval is the narrower.
    let (c, a, b) = (&got.comparisons[3], &exp.win_rates[3], &again.win_rates[3]);
    let apart = a.win_rate.standard_error.hypot(b.win_rate.standard_error);
    assert!(c.difference.standard_error < 0.9 * apart);
}

/// CTRL's own fixed point: Ĉ from 20 rollouts per prompt, π ∝ e^{Φ(Ĉ)/β}. What finite K costs is what the gap calls calibration.
#[test]
fn a_policy_calibrated_from_few_rollouts_is_what_finite_k_says() {
    let k = 20;
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    let prompts = 500;
    let ids = names(prompts);
    let transform: Arc<dyn Transform> = Arc::new(Exp::new(-10.0).unwrap());
    let worst = ready("worst-of:4");
    let beta = finite_k::beta_for_kl(transform.as_ref(), 0.4, k).unwrap();
    let base = Owned::new(&uniform(prompts, M, &mut rng), &[]);
    let rollouts = uniform(prompts, k, &mut rng);
    let mut ours = Owned::default();
    let mut rows = Vec::new();
    for row in &rollouts {
        let mut edges: Vec<f64> = row.iter().map(|r| f64::from(*r)).collect();
        edges.extend([0.0, 1.0]);
        edges.sort_by(f64::total_cmp);
        let e: Vec<f64> = (0..=k)
            .map(|b| (transform.gap(Quantile::new(b as f64 / k as f64)) / beta).exp())
            .collect();
        let widths: Vec<f64> = edges.windows(2).map(|w| w[1] - w[0]).collect();
        let z: f64 = widths.iter().zip(&e).map(|(d, e)| d * e).sum();
        let kl: f64 = widths
            .iter()
            .zip(&e)
            .map(|(d, e)| d * e / z * (e / z).max(1e-300).ln())
            .sum();
        let (mut rewards, mut logs) = (Vec::new(), Vec::new());
        for _ in 0..M {
            let mut rest = rng.random::<f64>() * z;
            let gap = (0..k).find(|b| {
                rest -= widths[*b] * e[*b];
                rest < 0.0
            });
            let b = gap.unwrap_or(k);
            rewards.push((edges[b] + widths[b] * rng.random::<f64>()) as f32);
            logs.push((e[b] / z).ln() - 30.0);
        }
        rows.push(rewards);
        ours.log_policy.push(logs);
        ours.log_base.push(vec![-30.0; M]);
        ours.exact.push(vec![kl; M]);
    }
    let owned = Owned::new(&rows, &[]);
    let ours = Owned {
        log_policy: ours.log_policy,
        log_base: ours.log_base,
        exact: ours.exact,
        ..owned
    };
    let base_rewards: Vec<&[f32]> = base.rewards.iter().map(|r| r[0].as_slice()).collect();
    let mut trained = policy(
        "exp",
        TrainedOn::Transform(Arc::clone(&transform)),
        Some(0.4),
        &ours,
    );
    trained.designed_for = Some(Arc::clone(&worst));
    let samples = Samples {
        prompts: ids.iter().map(String::as_str).collect(),
        base: base.responses(),
        policies: vec![trained],
        calibration: (0..prompts)
            .map(|x| CalibratedPrompt {
                id: &ids[x],
                rollouts: &rollouts[x],
                fresh: base_rewards[x],
            })
            .collect(),
    };
    let got = evaluate(&samples, &question(&["worst-of:4", "standard"], &["u"])).unwrap();
    let exp = &got.policies[0];
    near(exp.kl.unwrap().rao_blackwell.unwrap(), 0.4, "KL");
    near(exp.kl.unwrap().k1, 0.4, "k1");
    let (_, cost) = finite_k::cost_at_kl(worst.as_ref(), transform.as_ref(), 0.4, k).unwrap();
    let row = &exp.win_rates[0];
    assert!((row.predicted.unwrap() - cost.win_rate).abs() < 1e-9);
    near(row.win_rate, cost.win_rate, "worst-of:4 at K = 20");
    near(
        exp.win_rates[1].win_rate,
        cost.standard_win_rate,
        "standard at K = 20",
    );
    let gap = &exp.gap[0];
    assert_eq!(gap.basis, Basis::Continuous);
    assert!(gap.calibration > 0.005 && row.predicted.unwrap() + gap.calibration <= gap.optimum);
    assert!(row.win_rate.high < row.optimum.unwrap());
    // Part of the KL went into the noise of the tables; beside what K = 20 can do, nothing was lost.
    let (efficiency, ceiling) = (
        exp.kl_efficiency.unwrap(),
        exp.kl_efficiency_ceiling.unwrap(),
    );
    assert!(efficiency.high < 0.95);
    near(efficiency, ceiling, "KL efficiency at K = 20");
    for gap in &exp.gap {
        assert!(gap.kl_wasted < 0.01 && gap.shape.abs() < 0.015, "{gap:?}");
    }
    for (i, want) in exp.law.expected.as_ref().unwrap().iter().enumerate() {
        let (got, se) = (exp.law.density[i], exp.law.standard_error[i]);
        assert!(
            (got - want).abs() < 4.5 * se,
            "cell {i}: {got} ± {se} not {want}"
        );
    }

    let diagnostics = got.diagnostics.unwrap();
    assert_eq!(
        (
            diagnostics.k.median,
            diagnostics.held_out,
            diagnostics.prompts
        ),
        (k, M, prompts)
    );
    assert!(diagnostics.pit.kolmogorov_smirnov_p > 1e-3 && diagnostics.pit.chi_squared_p > 1e-3);
    let error = diagnostics.error.unwrap();
    // K = 20: predictions are off by Ĉ's own noise, √(u(1−u)/20), regressing to the middle at the ends.
    assert!(error.expected < 0.05 && error.expected > 0.0);
    for (d, se) in diagnostics
        .law
        .density
        .iter()
        .zip(&diagnostics.law.standard_error)
    {
        assert!((d - 1.0).abs() < 4.5 * se, "{d} ± {se}");
    }
    assert_eq!((diagnostics.tie_share, diagnostics.flat_prompts), (0.0, 0));
    assert!((diagnostics.spread.values[3] - 1.0 / 12f64.sqrt()).abs() < 0.01);
    let [needed] = diagnostics.needed_k.as_slice() else {
        unreachable!("one plan")
    };
    assert!((needed.cost.unwrap() - gap.calibration).abs() < 1e-6);
    assert!(needed.k.unwrap() > k, "{needed:?}");
}

/// Rewards on five levels: predictions come from the table, for CTRL and for raw-reward RLHF.
#[test]
fn ties_are_predicted_from_the_table() {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let (prompts, k) = (250, 400);
    let ids = names(prompts);
    let level = |u: f32| (u * u * 5.0).floor();
    let coarse = |rows: Vec<Vec<f32>>| -> Vec<Vec<f32>> {
        rows.into_iter()
            .map(|row| row.into_iter().map(level).collect())
            .collect()
    };
    let base = Owned::new(&coarse(uniform(prompts, M, &mut rng)), &[]);
    let rollouts = coarse(uniform(prompts, k, &mut rng));
    let table = RawRewards::new(rollouts.iter().map(Vec::as_slice)).unwrap();
    let masses: Vec<f64> = (0..5)
        .map(|l| (f64::from(l + 1) / 5.0).sqrt() - (f64::from(l) / 5.0).sqrt())
        .collect();
    let tilt = |table: &RawRewards, rng: &mut ChaCha8Rng| {
        let beta = table.beta_at_kl(0.3).unwrap();
        let (mut rows, mut ours) = (Vec::new(), Owned::default());
        for (levels, q) in table.tilted(beta) {
            // Density against the rollouts, applied to the true law of levels: all five occur among 400.
            let ratio: Vec<f64> = q.iter().zip(levels.masses()).map(|(q, p)| q / p).collect();
            assert_eq!(ratio.len(), 5);
            let z: f64 = ratio.iter().zip(&masses).map(|(r, p)| r * p).sum();
            let draw = |rng: &mut ChaCha8Rng| {
                let mut rest = rng.random::<f64>() * z;
                (0..4)
                    .find(|l| {
                        rest -= ratio[*l] * masses[*l];
                        rest < 0.0
                    })
                    .unwrap_or(4)
            };
            let drawn: Vec<usize> = (0..M).map(|_| draw(rng)).collect();
            rows.push(drawn.iter().map(|l| *l as f32).collect());
            ours.log_policy
                .push(drawn.iter().map(|l| (ratio[*l] / z).ln() - 30.0).collect());
            ours.log_base.push(vec![-30.0; M]);
        }
        Owned {
            log_policy: ours.log_policy,
            log_base: ours.log_base,
            ..Owned::new(&rows, &[])
        }
    };
    let raw = tilt(&table, &mut rng);
    let identity = tilt(&table.calibrated(&Identity).unwrap(), &mut rng);
    let samples = Samples {
        prompts: ids.iter().map(String::as_str).collect(),
        base: base.responses(),
        policies: vec![
            policy("raw", TrainedOn::Raw, Some(0.3), &raw),
            policy(
                "identity",
                TrainedOn::Transform(Arc::new(Identity)),
                Some(0.3),
                &identity,
            ),
        ],
        calibration: (0..prompts)
            .map(|x| CalibratedPrompt {
                id: &ids[x],
                rollouts: &rollouts[x],
                fresh: &[],
            })
            .collect(),
    };
    let got = evaluate(
        &samples,
        &question(&["best-of:4", "worst-of:2"], &["stars"]),
    )
    .unwrap();
    assert!(
        got.warnings
            .iter()
            .any(|w| matches!(w, Warning::Ties { share, .. } if *share > 0.2))
    );
    assert!(
        got.diagnostics.is_none(),
        "no fresh responses, nothing to hold the table against"
    );
    for policy in &got.policies {
        for (row, gap) in policy.win_rates.iter().zip(&policy.gap) {
            near(
                row.win_rate,
                row.predicted_at_measured_kl.unwrap(),
                &format!("{} {}", policy.name, row.procedure),
            );
            assert_eq!(gap.basis, Basis::Table);
            // Ties cost: the continuous theory promises more than levels can hold.
            assert_eq!(gap.calibration > 0.002, policy.reward == "identity");
            assert!(row.win_rate.low < row.optimum.unwrap());
        }
        assert_eq!(policy.kl.unwrap().rao_blackwell, None);
        let ceiling = policy.kl_efficiency_ceiling.unwrap();
        near(
            policy.kl_efficiency.unwrap(),
            ceiling,
            "KL efficiency of a target",
        );
        assert!(policy.gap.iter().all(|g| g.kl_wasted < 0.02));
        for (i, want) in policy.law.expected.as_ref().unwrap().iter().enumerate() {
            let (got, se) = (policy.law.density[i], policy.law.standard_error[i]);
            assert!(
                (got - want).abs() < 4.5 * se + 0.01,
                "{} cell {i}: {got} not {want}",
                policy.name
            );
        }
    }
}
