//! The main job on a small configuration of the embedded task: what it leaves behind, what it does not do twice, and what it refuses.

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

fn modified(folder: &Folder) -> BTreeMap<String, SystemTime> {
    let time = |name: &String| fs::metadata(folder.path(name)).unwrap().modified().unwrap();
    let files = folder.files();
    files
        .keys()
        .map(|name| (name.clone(), time(name)))
        .collect()
}

fn json(folder: &Folder, name: &str) -> Value {
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

/// Neither where a run lies nor how many threads it has is part of what was done.
#[test]
fn a_run_that_was_moved_is_left_as_it_is() {
    let folder = begun();
    folder.run(RUN).done();
    fs::create_dir(folder.path("elsewhere")).unwrap();
    fs::rename(folder.path("runs"), folder.path("elsewhere/my runs+old")).unwrap();
    let before = modified(&folder);
    let moved = [
        "run",
        "small.toml",
        "--threads",
        "2",
        "--runs",
        "elsewhere/my runs+old",
    ];
    folder.run_with(&moved).done();
    assert_eq!(modified(&folder), before, "something was done again");
}

#[test]
fn threads_and_place_change_no_byte() {
    let one = begun();
    one.run(RUN).done();
    let two = begun();
    two.run(&RUN.replace("--threads 1", "--threads 2 --runs here/runs"))
        .done();
    let files = results(&two);
    let files = files
        .into_iter()
        .map(|(name, bytes)| (name.trim_start_matches("here/").to_owned(), bytes));
    same(&files.collect(), &results(&one), "on two threads");
}

#[test]
fn an_edited_configuration_is_refused_by_its_key() {
    let folder = begun();
    folder.run(&RUN.replace("run ", "rollout ")).done();
    let before = results(&folder);
    let line = format!("{RUN} --set train.steps=5");
    folder.run(&line).refused(
        2,
        &[
            "runs/small was made with another configuration",
            "train.steps: 4 then, 5 now",
            "--overwrite",
        ],
    );
    folder
        .run(&format!("{RUN} --seed 1"))
        .refused(2, &["seed: 0 then, 1 now"]);
    same(&results(&folder), &before, "after refusals");
}

#[test]
fn mistakes_in_the_configuration_are_named_before_anything_begins() {
    let folder = begun();
    let refused = |more: &str, says: &[&str]| {
        folder.run(&format!("{RUN} {more}")).refused(2, says);
        assert!(!folder.path("runs").exists(), "{more} began a run");
    };
    refused(
        "--set train.step=3",
        &[
            "--set train.step=3",
            "unknown field `step`",
            "did you mean `steps`?",
        ],
    );
    refused("--set design.kl=[0]", &["design.kl is 0", "above 0"]);
    refused("--set design.procedures=[\"bestof:4\"]", &["best-of:4"]);
    refused(
        "--set train.objective=dpo",
        &["rloo, ppo, grpo or projection"],
    );
    refused(
        "--set train.prompts=0",
        &["train.prompts is 0", "at least 1"],
    );
    refused(
        "--set train.samples=1",
        &["train.samples is 1", "at least 2"],
    );
    refused(
        "--set evaluate.samples=3",
        &["worst-of:4", "evaluate.samples"],
    );
    refused("--set policy.model=nowhere", &["nowhere"]);
    refused("--prompt-column id", &["--rollouts"]);
    folder
        .run("run --rollouts p.csv --set seed=1")
        .refused(2, &["--set", "--procedure"]);
    folder.write("small.toml", "[design]\nrewards = [\"rawr\"]\n");
    refused("", &["design.rewards", "rawr"]);
    folder.write("small.toml", "seed = 1\n[calibratoin]\nrollouts = 3\n");
    refused("", &["small.toml, line 2", "did you mean `calibration`?"]);
    folder.run("run other.toml").refused(2, &["other.toml"]);
}

/// A file that is put right is not held against the run that it failed.
#[test]
fn a_bad_file_of_prompts_neither_begins_a_run_nor_stands_in_its_way() {
    let folder = begun();
    folder.write(
        "small.toml",
        &SMALL
            .replace("[prompts]\nlimit = 6", "[prompts]\nfile = \"p.jsonl\"")
            .replace(
                "train_on = \"fit\"\njudges = [\"gold\", \"length\"]",
                "train_on = \"length\"\njudges = []",
            ),
    );
    folder.write(
        "p.jsonl",
        "{\"prompt\": \"A kind king on the ale:\"}\n{\"prompt\": 3}\n",
    );
    let line = RUN.replace("run ", "rollout ");
    folder.run(&line).refused(2, &["p.jsonl, line 2"]);
    assert!(!folder.path("runs").exists(), "a run was begun");
    let prompt = |n: usize| {
        format!(
            "{{\"prompt\": \"A kind king on the ale{}:\"}}\n",
            " and the ale".repeat(n)
        )
    };
    folder.write("p.jsonl", &(0..8).map(prompt).collect::<String>());
    folder.run(&line).done();
    assert!(folder.path("runs/small/rollouts/00000.parquet").exists());
}

#[test]
fn the_default_configuration_is_whole_and_passes_the_check() {
    let folder = Folder::new();
    let default = folder.run("config default").done().stdout;
    folder.write("my-run.toml", &default);
    let checked = folder.run("config check my-run.toml").done();
    assert_eq!(checked.stdout, default);
    let set = folder
        .run("config check my-run.toml --set train.steps=7")
        .done();
    assert_eq!(
        set.stdout,
        default.replace("\nsteps = 120\n", "\nsteps = 7\n")
    );
    let schema: Value = serde_json::from_str(&folder.run("config schema").done().stdout).unwrap();
    let keys = |v: &Value| v.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let toml: Value = toml_keys(&default);
    assert_eq!(keys(&schema["properties"]), keys(&toml));
}

/// The outermost keys of a TOML text, as an object.
fn toml_keys(text: &str) -> Value {
    let mut keys = serde_json::Map::new();
    let mut outermost = true;
    for line in text.lines() {
        if let Some(name) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
            outermost = false;
            keys.insert(name.split('.').next().unwrap().to_owned(), Value::Null);
        } else if let Some((name, _)) = line.split_once(" = ").filter(|_| outermost) {
            keys.insert(name.to_owned(), Value::Null);
        }
    }
    keys.into()
}

#[test]
fn a_dry_run_tells_its_size_and_writes_nothing() {
    let folder = begun();
    let before = folder.files();
    let ran = folder.run(&format!("{RUN} --dry")).done();
    for part in [
        "stage",
        "rollouts",
        "96 responses of the base",
        "2 policies, 4 steps of 2 × 4 responses",
        "MB of disk",
    ] {
        assert!(
            ran.stdout.contains(part),
            "`{part}` is missing in {}",
            ran.stdout
        );
    }
    let plan = folder.run(&format!("{RUN} --dry --format json")).done();
    let plan: Value = serde_json::from_str(&plan.stdout).unwrap();
    assert_eq!(
        (&plan["policies"], plan["stages"].as_array().unwrap().len()),
        (&2.into(), 3)
    );
    assert!(folder.files() == before);
}

#[test]
fn pages_of_finished_runs() {
    let folder = begun();
    folder
        .run("report runs/small")
        .refused(2, &["runs/small/report.json", "`infalign run`"]);
    folder.run(RUN).done();
    let page = fs::read(folder.path("runs/small/report.html")).unwrap();
    fs::remove_file(folder.path("runs/small/report.html")).unwrap();
    let ran = folder.run("report runs/small").done();
    assert_eq!(ran.stdout, "report: runs/small/report.html\n");
    assert!(fs::read(folder.path("runs/small/report.html")).unwrap() == page);

    folder
        .run(&format!("{RUN} --name other --set design.kl=[0.2]"))
        .done();
    let ran = folder.run("report runs/small runs/other").done();
    assert_eq!(ran.stdout, "report: compared.html\n");
    let compared = fs::read_to_string(folder.path("compared.html")).unwrap();
    for part in ["runs/small", "runs/other", "exp:-10"] {
        assert!(compared.contains(part), "{part}");
    }
    folder
        .run("report runs/small runs/other --out both.html")
        .done();
    assert!(fs::read_to_string(folder.path("both.html")).unwrap() == compared);
}
