//! The main job moved about: neither where a run, its configuration or its threads are is part of what was done.

use std::fs;

use super::{
    folder::Folder,
    main_job::{RUN, SMALL, begun, modified, results, same},
};

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

/// Paths are relative to the configuration's file, from wherever it is started; the run knows them as they were typed.
#[test]
fn a_run_goes_on_from_another_working_directory() {
    let folder = Folder::new();
    folder
        .run(&format!("rollout --runs base {SMALLEST}"))
        .done();
    fs::create_dir(folder.path("task")).unwrap();
    fs::rename(folder.path("base/tavern/policy"), folder.path("task/model")).unwrap();
    fs::remove_dir_all(folder.path("base")).unwrap();
    let prompt = |n: usize| {
        let ale = " and the ale".repeat(n % 4);
        format!("{{\"prompt\": \"A kind king {n} on the ale{ale}:\"}}\n")
    };
    folder.write("task/p.jsonl", &(0..8).map(prompt).collect::<String>());
    let pair = |n: usize| {
        format!(
            "{{\"prompt\": \"A king {n} on the ale:\", \"chosen\": \" good\", \"rejected\": \" bad\"}}\n"
        )
    };
    folder.write("task/pairs.jsonl", &(0..20).map(pair).collect::<String>());
    folder.write("task/words.txt", "good\t1.5\nbad\t-1\nale\t0.25\n");
    folder.write(
        "task/own.toml",
        &SMALL
            .replace(
                "limit = 6\nheld_out = 6",
                "file = \"p.jsonl\"\nheld_out = 4",
            )
            .replace(
                "train_on = \"fit\"",
                "train_on = \"sum(0.1*length + lexicon:words.txt)\"",
            )
            .replace("\"gold\"", "\"fit\"")
            .replace(
                "pairs = 80",
                "preferences = \"pairs.jsonl\"\nmodel = \"model\"\npairs = 20",
            )
            .replace("[prompts]", "[policy]\nmodel = \"model\"\n\n[prompts]"),
    );
    let ran = folder.run("run task/own.toml --threads 1").done();
    let (before, manifest) = (modified(&folder), folder.path("runs/own/manifest.json"));
    let manifest = fs::read_to_string(manifest).unwrap();
    assert!(
        manifest.contains("\"p.jsonl\":") && !manifest.contains("task"),
        "{manifest}"
    );
    let again = |args: &str, from: &str| {
        let mut command = folder.command(&args.split(' ').collect::<Vec<_>>());
        let output = command.current_dir(folder.path(from)).output().unwrap();
        super::folder::Ran::from(output).done()
    };
    let inside = again("run own.toml --threads 1 --runs ../runs", "task");
    assert_eq!(inside.stdout.replace("../runs", "runs"), ran.stdout);
    assert_eq!(
        modified(&folder),
        before,
        "something was done again from the file's folder"
    );
    let absolute = folder.path("task/own.toml").display().to_string();
    again(&format!("run {absolute} --threads 1"), "");
    assert_eq!(
        modified(&folder),
        before,
        "something was done again by an absolute path"
    );
    // The whole task moved is the same task.
    fs::rename(folder.path("task"), folder.path("elsewhere")).unwrap();
    again("run elsewhere/own.toml --threads 1", "");
    let files = |name: &String| name.starts_with("runs/");
    let after = modified(&folder);
    for (name, time) in before.iter().filter(|(name, _)| files(name)) {
        assert_eq!(&after[name], time, "{name} was made again");
    }
}

/// Two prompts of two rollouts: only the embedded policy is wanted of them.
const SMALLEST: &str =
    "--set prompts.limit=2 --set calibration.rollouts=2 --set calibration.check=0";
