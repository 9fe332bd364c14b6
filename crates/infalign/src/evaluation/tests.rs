//! Tests of whole evaluations: simulated policies of known law against the theory, and invariances.
#![expect(clippy::unwrap_used, reason = "a failed evaluation is a failed test")]

use std::sync::Arc;

use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::{
    Error, ProcedureSpec, Quantile, TiltedPolicy, Transform, Warning,
    design::{Budget, Question as DesignQuestion, design},
    estimate::{Estimate, LogProbsOf},
    finite_k,
    procedure::Procedure,
    raw::RawRewards,
    transform::{Exp, Identity},
};

/// One side's responses, owned: rewards by prompt and judge, log-ratios, exact KLs.
#[derive(Debug, Clone, Default)]
struct Owned {
    rewards: Vec<Vec<Vec<f32>>>,
    log_policy: Vec<Vec<f64>>,
    log_base: Vec<Vec<f64>>,
    exact: Vec<Vec<f64>>,
    lengths: Vec<u32>,
    truncated: Vec<bool>,
}

impl Owned {
    /// From one judge's rewards by prompt; other judges are functions of them.
    fn new(rewards: Vec<Vec<f32>>, judges: &[&dyn Fn(f32) -> f32]) -> Self {
        let m = rewards[0].len();
        let all = |row: &Vec<f32>| {
            let by = |judge: &&dyn Fn(f32) -> f32| row.iter().map(|r| judge(*r)).collect();
            std::iter::once(row.clone())
                .chain(judges.iter().map(by))
                .collect()
        };
        Self {
            rewards: rewards.iter().map(all).collect(),
            lengths: (0..m as u32).collect(),
            truncated: (0..m).map(|i| i == 0).collect(),
            ..Self::default()
        }
    }

    fn responses(&self) -> Vec<Responses<'_>> {
        let mut all = Vec::new();
        for (x, rewards) in self.rewards.iter().enumerate() {
            all.push(Responses {
                rewards: rewards.iter().map(Vec::as_slice).collect(),
                log_probs: self.log_policy.get(x).map(|policy| LogProbs {
                    policy,
                    base: &self.log_base[x],
                    exact_kl: self.exact.get(x).map(Vec::as_slice),
                }),
                lengths: &self.lengths,
                truncated: &self.truncated,
                answers: None,
            });
        }
        all
    }
}

fn policy<'a>(
    name: &str,
    trained_on: TrainedOn,
    kl: Option<f64>,
    from: &'a Owned,
) -> PolicySamples<'a> {
    PolicySamples {
        name: name.to_owned(),
        trained_on,
        designed_for: None,
        seed: None,
        kl_budget: kl,
        beta: None,
        log_probs_of: LogProbsOf::Sampler,
        responses: from.responses(),
    }
}

fn ready(text: &str) -> Arc<dyn Procedure> {
    match text.parse().unwrap() {
        ProcedureSpec::Ready(procedure) => procedure,
        other => unreachable!("{other} is not ready"),
    }
}

fn question(procedures: &[&str], judges: &[&str]) -> Question {
    let judge = |(i, name): (usize, &&str)| Judge {
        name: (*name).to_owned(),
        training: i == 0,
        threshold: None,
    };
    Question {
        base: "base".to_owned(),
        judges: judges.iter().enumerate().map(judge).collect(),
        procedures: procedures
            .iter()
            .map(|p| Deployed::Ranked(ready(p)))
            .collect(),
        comparisons: Pairs::All,
        duels: Pairs::None,
        seed: 0,
    }
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|i| format!("prompt {i}")).collect()
}

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
        draws
            .iter()
            .map(|row| row.iter().map(|d| d.0).collect())
            .collect(),
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
    let base = Owned::new(uniform(PROMPTS, M, &mut rng), &judges);
    let again = Owned::new(uniform(PROMPTS, M, &mut rng), &judges);
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
    let base = Owned::new(uniform(prompts, M, &mut rng), &[]);
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
    let owned = Owned::new(rows, &[]);
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
    // Part of the KL went into the noise of the tables.
    assert!(exp.kl_efficiency.unwrap().high < 0.95);

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
    let base = Owned::new(coarse(uniform(prompts, M, &mut rng)), &[]);
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
            ..Owned::new(rows, &[])
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

/// A small evaluation from any rewards.
fn small(base: &Owned, ours: &Owned, theirs: &Owned, answers: bool) -> crate::Result<Evaluation> {
    let ids = names(base.rewards.len());
    let with = |owned: &'static str| owned;
    let mut samples = Samples {
        prompts: ids.iter().map(String::as_str).collect(),
        base: base.responses(),
        policies: vec![
            policy(with("a"), TrainedOn::Other("x".into()), None, ours),
            policy(with("b"), TrainedOn::Other("x".into()), None, theirs),
        ],
        calibration: Vec::new(),
    };
    let mut asked = question(&["standard", "best-of:2", "worst-of:3"], &["r", "other"]);
    asked.duels = Pairs::Of(vec![("b".into(), "a".into()), ("a".into(), "b".into())]);
    if answers {
        asked.procedures.push(Deployed::Voting(3));
        let sides = samples.policies.iter_mut().map(|p| &mut p.responses);
        for responses in sides.chain([&mut samples.base]).flatten() {
            let give = |r: &f32| if *r > 0.0 { "yes" } else { "no" };
            responses.answers = Some(responses.rewards[0].iter().map(give).collect());
        }
    }
    evaluate(&samples, &asked)
}

fn mirrored(r: f32) -> f32 {
    (r * 3.0).rem_euclid(4.0)
}

#[test]
fn the_same_responses_tie_and_differ_by_nothing() {
    let rows = vec![
        vec![0.0f32, 1.0, 1.0, 3.0, -2.0],
        vec![2.0, 2.0, 0.5, 1.0, -1.0],
    ];
    let side = Owned::new(rows, &[&mirrored]);
    let got = small(&side, &side, &side, true).unwrap();
    assert_eq!((got.duels.len(), got.comparisons.len()), (16, 8));
    for row in got.policies.iter().flat_map(|p| &p.win_rates) {
        assert!((row.win_rate.mean - 0.5).abs() < 1e-14, "{row:?}");
    }
    assert!(
        got.duels
            .iter()
            .all(|d| (d.win_rate.mean - 0.5).abs() < 1e-14)
    );
    assert!(
        got.comparisons
            .iter()
            .all(|c| c.difference.mean == 0.0 && c.difference.standard_error == 0.0)
    );
}

#[test]
fn the_answer_survives_json_with_unbounded_intervals() {
    let side = Owned::new(vec![vec![0.0f32, 1.0, 2.0, 3.0]], &[&mirrored]);
    let got = small(&side, &side, &side, true).unwrap();
    assert!(got.policies[0].law.standard_error[0].is_infinite());
    let text = serde_json::to_string(&got).unwrap();
    assert!(text.contains("\"standard_error\":null"));
    let back: Evaluation = serde_json::from_str(&text).unwrap();
    assert_eq!(back, got);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn order_and_scale_of_rewards_do_not_matter_and_duels_mirror(
        rows in prop::collection::vec(prop::collection::vec(-4i8..5, 15), 2..6),
        turn in 0usize..5,
    ) {
        let part = |from: usize, turn: usize, map: &dyn Fn(f32) -> f32| {
            let cut = |row: &Vec<i8>| {
                let mut row: Vec<f32> = row[from..from + 5].iter().map(|r| f32::from(*r)).collect();
                row.rotate_left(turn);
                row
            };
            let mut owned = Owned::new(rows.iter().map(cut).collect(), &[&mirrored]);
            for row in &mut owned.rewards {
                row[0].iter_mut().for_each(|r| *r = map(*r));
            }
            owned
        };
        let plain = |from| part(from, 0, &|r| r);
        let moved = |from| part(from, turn, &|r| r * r * r + 0.5 * r);
        let one = small(&plain(0), &plain(5), &plain(10), false).unwrap();
        let two = small(&moved(0), &moved(5), &moved(10), false).unwrap();
        for (p, q) in one.policies.iter().zip(&two.policies) {
            for (a, b) in p.win_rates.iter().zip(&q.win_rates) {
                prop_assert!((a.win_rate.mean - b.win_rate.mean).abs() < 1e-12);
                prop_assert!((0.0..=1.0).contains(&a.win_rate.mean));
            }
            for (a, b) in p.law.density.iter().zip(&q.law.density) {
                prop_assert!((a - b).abs() < 1e-12);
            }
        }
        let (left, right) = one.duels.split_at(6);
        for (l, r) in left.iter().zip(right) {
            prop_assert!((l.win_rate.mean + r.win_rate.mean - 1.0).abs() < 1e-12);
        }
    }
}

#[test]
fn faults_name_policy_prompt_and_remedy() {
    let side =
        |rows: &[&[f32]]| Owned::new(rows.iter().map(|r| r.to_vec()).collect(), &[&mirrored]);
    let good = side(&[&[1.0, 2.0, 3.0], &[0.0, 1.0, 1.0]]);
    let say = |error: crate::Result<Evaluation>| error.unwrap_err().to_string();
    let nan = say(small(
        &good,
        &side(&[&[1.0, 2.0, 3.0], &[0.0, f32::NAN, 1.0]]),
        &good,
        false,
    ));
    assert!(
        nan.contains("policy `a`, prompt `prompt 1`, response 1: reward by `r` = NaN"),
        "{nan}"
    );
    let uneven = say(small(
        &good,
        &good,
        &side(&[&[1.0, 2.0, 3.0], &[0.0, 1.0]]),
        false,
    ));
    assert!(
        uneven.contains("policy `b`, prompt `prompt 1`: 2 rewards where 3"),
        "{uneven}"
    );
    let missing = say(small(&good, &side(&[&[1.0, 2.0, 3.0]]), &good, false));
    assert!(
        missing.contains("policy `a`") && missing.contains("1 prompts where 2"),
        "{missing}"
    );
    let few = say(small(
        &side(&[&[1.0, 2.0], &[1.0, 2.0]]),
        &good,
        &good,
        false,
    ));
    assert!(
        few.contains("worst-of:3") && few.contains("`base`: raise `--samples` to at least 3"),
        "{few}"
    );

    let ids = names(2);
    let samples = |policies| Samples {
        prompts: ids.iter().map(String::as_str).collect(),
        base: good.responses(),
        policies,
        calibration: Vec::new(),
    };
    let other = || policy("a", TrainedOn::Other("x".into()), None, &good);
    let asked = question(&["standard"], &["r", "other"]);
    let twice = evaluate(&samples(vec![other(), other()]), &asked);
    assert!(matches!(
        twice,
        Err(Error::Duplicate { kind: "policy", .. })
    ));
    assert!(matches!(
        evaluate(&samples(vec![]), &asked),
        Err(Error::Empty { .. })
    ));
    let pairs = Question {
        comparisons: Pairs::Of(vec![("a".into(), "aa".into())]),
        ..asked.clone()
    };
    let unknown = say(evaluate(&samples(vec![other()]), &pairs));
    assert!(
        unknown.contains("unknown policy `aa`: did you mean `a`?"),
        "{unknown}"
    );
    let same = Question {
        judges: vec![asked.judges[0].clone(); 2],
        ..asked.clone()
    };
    assert!(matches!(
        evaluate(&samples(vec![other()]), &same),
        Err(Error::Duplicate { kind: "judge", .. })
    ));
    let nothing = Question {
        procedures: vec![],
        ..asked.clone()
    };
    assert!(matches!(
        evaluate(&samples(vec![other()]), &nothing),
        Err(Error::Empty { .. })
    ));

    let mut half = other();
    half.responses[0].log_probs = Some(LogProbs {
        policy: &[-1.0; 3],
        base: &[-1.0; 3],
        exact_kl: None,
    });
    let half = say(evaluate(&samples(vec![half]), &asked));
    assert!(
        half.contains("prompt `prompt 1`: 0 log-probabilities where 3"),
        "{half}"
    );
}

/// A KL that misses its budget, and log-probabilities of another distribution, are said.
#[test]
fn caveats_are_kept() {
    let side = Owned::new(vec![vec![1.0f32, 2.0, 3.0], vec![0.0, 1.0, 1.0]], &[]);
    let ids = names(2);
    let mut ours = policy(
        "a",
        TrainedOn::Transform(Arc::new(Identity)),
        Some(1.0),
        &side,
    );
    for responses in &mut ours.responses {
        responses.log_probs = Some(LogProbs {
            policy: &[-1.0; 3],
            base: &[-1.5; 3],
            exact_kl: None,
        });
    }
    ours.log_probs_of = LogProbsOf::AnotherDistribution;
    let samples = Samples {
        prompts: ids.iter().map(String::as_str).collect(),
        base: side.responses(),
        policies: vec![ours],
        calibration: Vec::new(),
    };
    let got = evaluate(&samples, &question(&["best-of:2"], &["r"])).unwrap();
    let missed = |w: &Warning| matches!(w, Warning::KlMissed { budget, measured, .. } if *budget == 1.0 && (*measured - 0.5).abs() < 1e-12);
    assert!(got.warnings.iter().any(missed));
    assert!(
        got.warnings
            .iter()
            .any(|w| matches!(w, Warning::AnotherDistribution { .. }))
    );
    let gap = &got.policies[0].gap[0];
    assert!(gap.kl_missed > 0.01 && gap.kl_wasted > 0.01);
}
