//! Tests of whole evaluations: what must not matter does not, faults are named; `simulated` holds policies of known law.
#![expect(clippy::unwrap_used, reason = "a failed evaluation is a failed test")]

mod simulated;

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::{
    Error, ProcedureSpec, Warning, estimate::LogProbsOf, procedure::Procedure, transform::Identity,
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
    fn new(rewards: &[Vec<f32>], judges: &[&dyn Fn(f32) -> f32]) -> Self {
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
        other @ ProcedureSpec::Cdf(_) => unreachable!("{other} is not ready"),
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

/// A small evaluation from any rewards.
fn small(base: &Owned, ours: &Owned, theirs: &Owned, answers: bool) -> crate::Result<Evaluation> {
    let ids = names(base.rewards.len());
    let mut samples = Samples {
        prompts: ids.iter().map(String::as_str).collect(),
        base: base.responses(),
        policies: vec![
            policy("a", TrainedOn::Other("x".into()), None, ours),
            policy("b", TrainedOn::Other("x".into()), None, theirs),
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
    let side = Owned::new(&rows, &[&mirrored]);
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
    let side = Owned::new(&[vec![0.0f32, 1.0, 2.0, 3.0]], &[&mirrored]);
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
            let mut owned = Owned::new(&rows.iter().map(cut).collect::<Vec<_>>(), &[&mirrored]);
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
    let side = |rows: &[&[f32]]| {
        Owned::new(
            &rows.iter().map(|r| r.to_vec()).collect::<Vec<_>>(),
            &[&mirrored],
        )
    };
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
    let side = Owned::new(&[vec![1.0f32, 2.0, 3.0], vec![0.0, 1.0, 1.0]], &[]);
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
