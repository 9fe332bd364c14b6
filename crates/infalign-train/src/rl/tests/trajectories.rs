//! Runs that must end alike: computed in parts, interrupted and resumed, under a reward that only orders as another does.

use std::{collections::BTreeMap, fs, path::Path, sync::Arc};

use infalign::{Transform, transform::Exp};
use infalign_lm::{AdamWConfig, Decoder};

use super::tiny::{Tiny, bent, bits, done, metrics, reward, settings, weights};
use crate::{
    Outcome, Schedule,
    rl::{ObjectiveSpec, Settings},
};

/// Every objective, each with settings that use all of it.
fn objectives() -> [ObjectiveSpec; 4] {
    ["rloo", "ppo", "grpo", "projection"].map(|name| ObjectiveSpec::named(name).unwrap())
}

/// The usual settings with every objective, and with a warm start.
fn every() -> Vec<Settings> {
    let of = |objective| Settings {
        objective,
        ..settings()
    };
    let mut every: Vec<Settings> = objectives().map(of).into();
    for name in ["rloo", "ppo"] {
        every.push(Settings {
            warm_start: 2,
            ..of(ObjectiveSpec::named(name).unwrap())
        });
    }
    every
}

fn calibrated() -> Option<Arc<dyn Transform>> {
    Some(Arc::new(Exp::new(-10.0).unwrap()))
}

/// ‖a − b‖ over all weights.
fn distance(a: &Decoder, b: &Decoder) -> f64 {
    let square = |(a, b): (f32, f32)| f64::from(a - b).powi(2);
    weights(a)
        .into_iter()
        .zip(weights(b))
        .map(square)
        .sum::<f64>()
        .sqrt()
}

/// The files under a folder, by their path in it.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut left = vec![folder.to_owned()];
    while let Some(at) = left.pop() {
        for entry in fs::read_dir(at).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                left.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().display().to_string();
                found.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    found
}

#[test]
fn parts_of_a_step_have_its_gradient() {
    let tiny = Tiny::new();
    for objective in objectives() {
        let run = |accumulate| {
            let settings = Settings {
                steps: 2,
                accumulate,
                objective,
                // With so large an ε an update is in proportion to the gradient; at the usual one, where a gradient is nothing but
                // rounding, its sign alone would decide a whole step. Clipping would hide a wrong scale.
                schedule: Schedule {
                    peak: 0.05,
                    ..settings().schedule
                },
                adamw: AdamWConfig {
                    eps: 1.0,
                    clip: None,
                    ..settings().adamw
                },
                ..settings()
            };
            tiny.whole(&settings, (reward, None)).1
        };
        let (one, two) = (run(1), run(2));
        let apart = distance(one.policy(), two.policy());
        let moved = distance(one.policy(), one.base());
        assert!(moved > 0.05, "{}: {moved}", objective.name());
        // Sums of a few hundred rows in f32 in another order, and weights of about 1 that are rounded.
        assert!(
            apart <= 2e-6 * moved,
            "{}: {apart} of {moved}",
            objective.name()
        );
    }
}

#[test]
fn resumed_is_uninterrupted_bit_for_bit() {
    let tiny = Tiny::new();
    for settings in every() {
        let objective = settings.objective;
        let (whole, expected) = tiny.whole(&settings, (reward, calibrated()));
        let parts = tempfile::tempdir().unwrap();
        let go = |stop| {
            tiny.run(parts.path(), &settings, (reward, calibrated()), stop)
                .unwrap()
        };
        let outcome = go(Some(3));
        assert!(
            matches!(outcome, Outcome::Interrupted { step: 3 }),
            "{outcome:?}"
        );
        let resumed = done(go(None));
        assert!(bits(&resumed) == bits(&expected), "{}", objective.name());
        assert_eq!(metrics(&parts), metrics(&whole));
        // Moments, price and value head, too.
        let last =
            |folder: &tempfile::TempDir| files(&folder.path().join("checkpoints/step-000006"));
        let (parts, whole) = (last(&parts), last(&whole));
        assert!(parts.keys().eq(whole.keys()));
        for (name, bytes) in &whole {
            assert!(&parts[name] == bytes, "{}: {name}", objective.name());
        }
        let critic = whole.keys().any(|name| name.starts_with("critic"));
        assert_eq!(critic, objective.name() == "ppo");
    }
}

#[test]
fn a_step_moves_the_policy_and_the_reward_decides_where() {
    let tiny = Tiny::new();
    let (_, one) = tiny.whole(&settings(), (reward, None));
    let (_, other) = tiny.whole(&settings(), (|text| -reward(text), None));
    assert_ne!(bits(&one), bits(&other));
    assert_eq!(bits(&one), bits(&tiny.whole(&settings(), (reward, None)).1));
}

#[test]
fn only_the_order_of_rewards_counts_once_they_are_calibrated() {
    let tiny = Tiny::new();
    for settings in every() {
        let objective = settings.objective;
        let run = |reward, transform| bits(&tiny.whole(&settings, (reward, transform)).1);
        let name = objective.name();
        assert!(
            run(reward, calibrated()) == run(bent, calibrated()),
            "{name}"
        );
        assert!(run(reward, None) != run(bent, None), "{name}");
    }
}

#[test]
fn a_warm_start_is_the_projection_and_then_the_objective() {
    let tiny = Tiny::new();
    let steps = |warm_start, name| {
        let settings = Settings {
            warm_start,
            objective: ObjectiveSpec::named(name).unwrap(),
            ..settings()
        };
        let (folder, _) = tiny.whole(&settings, (reward, calibrated()));
        let lines: Vec<String> = metrics(&folder).lines().map(str::to_owned).collect();
        lines
    };
    let (projected, warm, cold) = (steps(0, "projection"), steps(2, "rloo"), steps(0, "rloo"));
    assert_eq!(warm[..2], projected[..2]);
    assert_ne!(warm[2], projected[2]);
    assert_ne!(warm[0], cold[0]);
    // What only fresh samples have.
    let fresh: Vec<bool> = warm
        .iter()
        .map(|line| line.contains("kl_efficiency"))
        .collect();
    assert_eq!(fresh, [false, false, true, true, true, true]);
}
