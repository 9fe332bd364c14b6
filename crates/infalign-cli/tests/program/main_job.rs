//! The main job on a small configuration of the embedded task: what it leaves behind, and what it does not do twice.

use std::{collections::BTreeMap, fs, time::SystemTime};

use serde_json::Value;

use super::folder::Folder;

/// A run of every stage in a second or two: two policies of four steps, on a reward model that the run fits.
pub(crate) const SMALL: &str = r#"
[prompts]
limit = 6
held_out = 6

[sampling]
max_tokens = 20

[reward]
train_on = "fit"
judges = ["gold", "length"]

[reward.fit]
pairs = 80
epochs = 1.0
batch_size = 18

[calibration]
rollouts = 12
check = 4
shard = 2

[design]
procedures = ["worst-of:4"]
kl = [0.3]
rewards = ["raw", "exp:-10"]

[train]
steps = 4
prompts = 2
samples = 4
held_out_every = 2
save_every = 2

[evaluate]
samples = 4
shown = 2
"#;

/// The same on the prompts of `p.jsonl`, with their length as the only reward.
pub(crate) fn own_prompts() -> String {
    let (before, fit) = SMALL.split_once("[reward.fit]").unwrap();
    let (_, after) = fit.split_once("\n\n").unwrap();
    format!("{before}{after}")
        .replace("limit = 6", "file = \"p.jsonl\"")
        .replace("\"fit\"", "\"length\"")
        .replace("[\"gold\", \"length\"]", "[]")
}

/// How it is started; it lies in `runs/small`.
pub(crate) const RUN: &str = "run small.toml --threads 1";

pub(crate) fn begun() -> Folder {
    let folder = Folder::new();
    folder.write("small.toml", SMALL);
    folder
}

/// What must not depend on when and how often a run was begun: all but clocks.
pub(crate) fn results(folder: &Folder) -> BTreeMap<String, Vec<u8>> {
    let mut files = folder.files();
    files.retain(|name, _| !name.ends_with("timing.jsonl") && !name.contains("/tensorboard/"));
    files
}

/// Insists that two sets of files are the same, and names one that is not.
#[track_caller]
pub(crate) fn same(
    found: &BTreeMap<String, Vec<u8>>,
    expected: &BTreeMap<String, Vec<u8>>,
    when: &str,
) {
    let names = |files: &BTreeMap<String, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(found), names(expected), "{when}");
    for (name, bytes) in expected {
        assert!(&found[name] == bytes, "{when}: {name} differs");
    }
}

pub(crate) fn modified(folder: &Folder) -> BTreeMap<String, SystemTime> {
    let time = |name: &String| fs::metadata(folder.path(name)).unwrap().modified().unwrap();
    let files = folder.files();
    files
        .keys()
        .map(|name| (name.clone(), time(name)))
        .collect()
}

pub(crate) fn json(folder: &Folder, name: &str) -> Value {
    serde_json::from_slice(&fs::read(folder.path(name)).unwrap()).unwrap()
}

#[test]
fn from_a_configuration_to_a_report_and_no_stage_twice() {
    let folder = begun();
    let ran = folder.run(RUN).done();
    for part in [
        "worst-of:4 against the base's, 6 held-out prompts",
        "wins by gold",
        "exp:-10",
        "report: runs/small/report.html",
    ] {
        assert!(
            ran.stdout.contains(part),
            "`{part}` is missing in {}",
            ran.stdout
        );
    }
    let files = results(&folder);
    for name in [
        "calibration.parquet",
        "config.toml",
        "design.json",
        "eval/base/samples.parquet",
        "eval/exp-minus10/rewards-2.parquet",
        "eval/results.json",
        "manifest.json",
        "policies/exp-minus10/config.json",
        "policies/exp-minus10/metrics.jsonl",
        "policies/exp-minus10/model.safetensors",
        "policies/exp-minus10/tokenizer.json",
        "policies/raw/model.safetensors",
        "report.html",
        "report.json",
        "reward-model/fit.json",
        "reward-model/model.safetensors",
        "rewards/training.parquet",
        "rollouts/00002.parquet",
    ] {
        assert!(
            files.contains_key(&format!("runs/small/{name}")),
            "{name} is missing"
        );
    }
    let left =
        |name: &&String| name.contains("checkpoint") || name.contains("tmp") || name.contains("/.");
    assert_eq!(
        files.keys().filter(left).collect::<Vec<_>>(),
        Vec::<&String>::new()
    );
    let found = json(&folder, "runs/small/eval/results.json");
    assert_eq!(found["prompts"], 6);
    let policies: Vec<&str> = found["policies"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| p["name"].as_str().unwrap())
        .collect();
    assert_eq!(policies, ["raw", "exp:-10"]);
    let metrics =
        String::from_utf8(files["runs/small/policies/raw/metrics.jsonl"].clone()).unwrap();
    assert_eq!(metrics.lines().count(), 4);

    let before = modified(&folder);
    let again = folder.run(RUN).done();
    assert_eq!(again.stdout, ran.stdout);
    for stage in [
        "rollouts: shard 3 of 3",
        "reward model",
        "training exp:-10",
        "sampling base",
    ] {
        let skipped = format!("{stage}: done before, unchanged");
        assert!(again.stderr.contains(&skipped), "{}", again.stderr);
        assert!(!ran.stderr.contains(&skipped), "{}", ran.stderr);
    }
    assert!(!again.stderr.contains("step 1/4"), "{}", again.stderr);
    assert_eq!(modified(&folder), before, "something was done again");
}

#[test]
fn one_stage_after_the_other_is_the_whole() {
    let whole = begun();
    whole.run(RUN).done();
    let parts = begun();
    for (command, last) in [
        ("rollout", "rollouts/00002.parquet"),
        ("calibrate", "design.json"),
        ("train", "policies/exp-minus10/model.safetensors"),
        ("evaluate", "eval/results.json"),
    ] {
        parts
            .run(&RUN.replace("run ", &format!("{command} ")))
            .done();
        assert!(
            parts.path(&format!("runs/small/{last}")).exists(),
            "{command}"
        );
    }
    assert!(!parts.path("runs/small/report.html").exists());
    parts.run(RUN).done();
    same(&results(&parts), &results(&whole), "in stages");
}

#[test]
fn what_was_removed_is_made_again_and_nothing_else() {
    let folder = begun();
    folder.run(RUN).done();
    let (files, before) = (results(&folder), modified(&folder));
    for name in [
        "rollouts/00001.parquet",
        "policies/raw/model.safetensors",
        "eval/base/rewards-1.parquet",
        "report.html",
    ] {
        let name = format!("runs/small/{name}");
        fs::remove_file(folder.path(&name)).unwrap();
        folder.run(RUN).done();
        same(&results(&folder), &files, &name);
    }
    let after = modified(&folder);
    for kept in [
        "rollouts/00000.parquet",
        "policies/exp-minus10/model.safetensors",
        "eval/results.json",
    ] {
        let kept = format!("runs/small/{kept}");
        assert_eq!(after[&kept], before[&kept], "{kept} was made again");
    }
}

/// A process that is killed while it removes what nobody will resume from leaves parts of it.
#[test]
fn what_a_kill_left_of_checkpoints_is_swept_up() {
    let folder = begun();
    folder.run(RUN).done();
    let files = results(&folder);
    for place in ["policies/raw", "reward-model"] {
        for left in [
            "checkpoints/step-000004/state.json",
            "checkpoints.infalign-tmp/step-000004/state.json",
        ] {
            folder.write(&format!("runs/small/{place}/{left}"), "{}");
        }
    }
    folder.run(RUN).done();
    same(&results(&folder), &files, "after sweeping");
}
