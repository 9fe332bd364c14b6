//! An increasing map of the training reward changes nothing but `raw`: what calibration is for.

use std::fmt::Write;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

use super::folder::Folder;

/// A table of integer rewards, some tied, each passed through `map`, beside a gold reward that is not.
fn table(map: impl Fn(i32) -> i32) -> String {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let mut text = String::new();
    for prompt in 0..12 {
        let rewards: Vec<i32> = (0..24).map(|_| rng.random_range(-40..40)).collect();
        let gold: Vec<i32> = rewards
            .iter()
            .map(|r| r + rng.random_range(-20..20))
            .collect();
        let mapped: Vec<i32> = rewards.iter().map(|&r| map(r)).collect();
        writeln!(
            text,
            "{{\"prompt_id\":\"{prompt}\",\"rewards\":{mapped:?},\"gold\":{gold:?}}}"
        )
        .unwrap();
    }
    text
}

/// The measurements as bytes, `raw` apart; without the differences to `raw`, which change with it.
fn measured(map: impl Fn(i32) -> i32) -> (Vec<String>, Vec<String>) {
    let folder = Folder::new();
    folder.write("a.jsonl", &table(map));
    folder
        .run("run --rollouts a.jsonl --gold-column gold --kl 0.3 --transforms identity,log,exp:5,exp:-5,optimal")
        .done();
    let text = std::fs::read(folder.path("runs/a/eval/results.json")).unwrap();
    let mut results: Value = serde_json::from_slice(&text).unwrap();
    let rows = results["measurements"].as_array_mut().unwrap();
    for judged in rows
        .iter_mut()
        .flat_map(|r| r["judged"].as_array_mut().unwrap())
    {
        judged.as_object_mut().unwrap().remove("over_raw");
    }
    let (raw, calibrated): (Vec<_>, Vec<_>) = rows.iter().partition(|r| r["transform"] == "raw");
    let bytes = |rows: Vec<&Value>| rows.iter().map(ToString::to_string).collect();
    (bytes(calibrated), bytes(raw))
}

#[test]
fn only_raw_sees_the_scale_of_the_reward() {
    let (calibrated, raw) = measured(|r| r);
    assert_eq!((calibrated.len(), raw.len()), (10, 2));
    // Increasing, with steps from 1 to thousands; exact in single precision.
    let (stretched, raw_stretched) = measured(|r| r * r * r + 7);
    assert_eq!(calibrated, stretched);
    assert!(raw.iter().zip(&raw_stretched).all(|(a, b)| a != b));
    // Not increasing: everything changes.
    let (folded, _) = measured(|r| r * r);
    assert!(calibrated.iter().zip(&folded).all(|(a, b)| a != b));
}
