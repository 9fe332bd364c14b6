//! What the main job makes of a configuration: a whole default, refusals that name the key, and files that are put right.

use serde_json::Value;

use super::{
    folder::Folder,
    main_job::{RUN, begun, own_prompts, results, same},
};

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
    refused(
        "--set train.objective=projection --set train.kl=k3",
        &["--set train.kl=k3: train.kl is \"k3\", which changes nothing"],
    );
    refused("--set reward.threshold=1", &["did you mean `thresholds`?"]);
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
    folder.write("small.toml", &own_prompts());
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
