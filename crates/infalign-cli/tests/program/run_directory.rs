//! The run directory: done once, refused to another configuration, one process at a time.

use std::fs;

use super::folder::Folder;

const RUN: &str = "run --rollouts rollouts.parquet --reward-column proxy --name a --procedure best-of:2 --transforms identity --kl";

fn begun() -> Folder {
    let folder = Folder::new();
    folder
        .run("simulate --prompts 8 --k 16 --out rollouts.parquet")
        .done();
    folder
}

#[test]
fn a_finished_run_is_left_as_it_is_and_says_so() {
    let folder = begun();
    let first = folder.run(&format!("{RUN} 0.3")).done();
    let before = folder.files();
    let again = folder.run(&format!("{RUN} 0.3")).done();
    assert_eq!(first.stdout, again.stdout);
    for stage in ["calibration", "measure", "report"] {
        assert!(
            again
                .stderr
                .contains(&format!("{stage}: done before, unchanged"))
        );
    }
    assert!(folder.files() == before);
}

#[test]
fn what_was_deleted_is_made_again_and_nothing_else() {
    let folder = begun();
    folder.run(&format!("{RUN} 0.3")).done();
    let before = folder.files();
    let modified = |name: &str| fs::metadata(folder.path(name)).unwrap().modified().unwrap();
    let results = modified("runs/a/eval/results.json");
    fs::remove_file(folder.path("runs/a/report.html")).unwrap();
    let ran = folder.run(&format!("{RUN} 0.3")).done();
    assert!(ran.stderr.contains("measure: done before") && !ran.stderr.contains("report: done"));
    assert!(folder.files() == before);
    assert_eq!(modified("runs/a/eval/results.json"), results);
}

#[test]
fn another_configuration_is_refused_by_its_key() {
    let folder = begun();
    folder.run(&format!("{RUN} 0.3")).done();
    let before = folder.files();
    let key = "differs in: kl: [0.3] then, [0.4] now";
    let ran = folder.run(&format!("{RUN} 0.4"));
    let ran = ran.refused(
        2,
        &[
            "runs/a was made with another configuration",
            key,
            "--overwrite",
        ],
    );
    assert!(!ran.stderr.contains("procedures:"), "{}", ran.stderr);
    let seed = format!("{RUN} 0.3 --seed 1");
    folder.run(&seed).refused(2, &["differs in: seed"]);
    assert!(folder.files() == before);
}

#[test]
fn overwriting_makes_what_a_fresh_run_makes() {
    let folder = begun();
    folder.run(&format!("{RUN} 0.3")).done();
    fs::write(folder.path("runs/a/eval/stray.json"), "{}").unwrap();
    folder.run(&format!("{RUN} 0.4 --overwrite")).done();
    let fresh = begun();
    fresh.run(&format!("{RUN} 0.4")).done();
    assert!(folder.files() == fresh.files());
}

#[test]
fn a_mistake_neither_begins_a_run_nor_destroys_one() {
    let folder = begun();
    let too_few = "{\"prompt_id\":\"a\",\"rewards\":[1,2]}\n";
    folder.write("few.jsonl", too_few);
    folder
        .run("run --rollouts few.jsonl")
        .refused(2, &["at least 4 responses"]);
    folder
        .run(&format!("{RUN} 0.3,0"))
        .refused(2, &["KL = 0 is out of range"]);
    assert!(!folder.path("runs").exists());

    folder.run(&format!("{RUN} 0.3")).done();
    let before = folder.files();
    for mistake in ["nan", "0", "-1", "33"] {
        folder
            .run(&format!("{RUN} {mistake} --overwrite"))
            .refused(2, &["KL = "]);
    }
    assert!(folder.files() == before);
}

#[test]
fn directories_of_others_are_left_alone() {
    let folder = begun();
    fs::create_dir_all(folder.path("runs/a")).unwrap();
    folder.write("runs/a/thesis.txt", "years of work");
    let before = folder.files();
    for flag in ["", "--overwrite"] {
        folder.run(&format!("{RUN} 0.3 {flag}")).refused(
            2,
            &["not a run directory of infalign", "thesis.txt", "--name"],
        );
    }
    for name in ["../a", ".a", "a/b"] {
        folder
            .run(&format!(
                "run --rollouts rollouts.parquet --reward-column proxy --name {name}"
            ))
            .refused(2, &["--name", "letters, digits"]);
    }
    assert!(folder.files() == before);
}

#[test]
fn a_changed_table_of_a_transform_is_measured_again() {
    let folder = begun();
    let line = format!("{RUN} 0.3").replace("identity", "table:phi.csv");
    folder.write("phi.csv", "0,0\n0.5,0.1\n1,1\n");
    let first = folder.run(&line).done();
    folder.write("phi.csv", "0,0\n0.5,0.9\n1,1\n");
    let second = folder.run(&line).done();
    assert!(
        !second.stderr.contains("measure: done before"),
        "{}",
        second.stderr
    );
    assert_ne!(first.stdout, second.stdout);
}
