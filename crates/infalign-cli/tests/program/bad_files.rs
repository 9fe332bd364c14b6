//! Files that are not what they should be: the file, the place in it and the remedy are named, and nothing is left behind.

use super::folder::Folder;

/// A refusal by exit code, after which the folder holds what it held before.
fn refused(folder: &Folder, line: &str, code: i32, says: &[&str]) {
    let before = folder.files();
    folder.run(line).refused(code, says);
    assert!(folder.files() == before, "{line} changed a file");
    assert!(!folder.path("runs").exists(), "{line} left a run behind");
}

fn table(name: &str, text: &str, says: &[&str]) {
    let folder = Folder::new();
    folder.write(name, text);
    refused(
        &folder,
        &format!("run --rollouts {name}"),
        2,
        &[&[name], says].concat(),
    );
    let line = format!("design --procedure best-of:4 --kl 0.5 --calibration {name}");
    refused(&folder, &line, 2, &[&[name], says].concat());
}

#[test]
fn a_column_of_the_wrong_type() {
    table(
        "a.jsonl",
        "{\"prompt_id\":\"a\",\"rewards\":[1,2]}\n{\"prompt_id\":\"b\",\"rewards\":[1,\"x\"]}\n",
        &[
            "line 2",
            "column `rewards`",
            "found the text \"x\", expected a number",
        ],
    );
    table(
        "a.csv",
        "prompt,reward\na,1\na,high\n",
        &["line 3", "column `reward`", "found the text \"high\""],
    );
}

#[test]
fn a_row_with_no_rewards() {
    table(
        "a.jsonl",
        "{\"prompt_id\":\"a\",\"rewards\":[1,2]}\n{\"prompt_id\":\"b\",\"rewards\":[]}\n",
        &[
            "line 2",
            "column `rewards`",
            "the list is empty",
            "drop the prompt",
        ],
    );
}

#[test]
fn rewards_that_are_not_finite() {
    table(
        "a.jsonl",
        "{\"prompt_id\":\"a\",\"rewards\":[1,NaN]}\n",
        &["line 1", "response 2", "the reward is NaN"],
    );
    table(
        "a.csv",
        "prompt,reward\na,1\na,inf\n",
        &["line 3", "the reward is inf"],
    );
}

#[test]
fn empty_tables() {
    table("a.jsonl", "", &["holds no rows"]);
    table("a.csv", "prompt,reward\n", &["holds no rows"]);
}

#[test]
fn a_column_that_is_not_there() {
    table(
        "a.csv",
        "prompt,score\na,1\n",
        &["columns found: `prompt`, `score`", "--reward-column"],
    );
    let folder = Folder::new();
    folder.write("a.csv", "prompt,score\na,1\n");
    let says = &["did you mean `score`?"];
    refused(
        &folder,
        "run --rollouts a.csv --reward-column scor",
        2,
        says,
    );
    let says = &["no gold reward column `human`", "--gold-column"];
    refused(
        &folder,
        "run --rollouts a.csv --reward-column score --gold-column human",
        2,
        says,
    );
}

#[test]
fn a_file_that_is_not_there() {
    let folder = Folder::new();
    for line in [
        "run --rollouts none.csv",
        "design --procedure best-of:4 --kl 0.5 --calibration none.csv",
        "design --procedure best-of:4 --kl 0.5 --transforms table:none.csv",
        "design --procedure cdf:none.csv --kl 0.5",
    ] {
        refused(
            &folder,
            line,
            2,
            &["cannot read none.csv", "check the path"],
        );
    }
}

#[test]
fn tables_of_transforms() {
    for (text, says) in [
        (
            "u,phi\n0,0\n0.5,1\n0.3,2\n1,3\n",
            ["line 4", "u[2] = 0.3", "greater than the one before"],
        ),
        ("u,phi\n", ["a.csv", "0 point(s)", "at least 2"]),
        ("", ["a.csv", "0 point(s)", "at least 2"]),
        ("0,0\n0.5,nan\n1,1\n", ["line 2", "phi[1] = NaN", "finite"]),
        ("0,0\n0.5\n1,1\n", ["line 2", "1 fields", "`u,phi`"]),
        ("0,0\n0.5,x\n1,1\n", ["line 2", "`0.5,x`", "two numbers"]),
    ] {
        let folder = Folder::new();
        folder.write("a.csv", text);
        let line = "design --procedure best-of:4 --kl 0.5 --transforms table:a.csv";
        refused(&folder, line, 2, &says);
    }
}

#[test]
fn tables_of_procedures() {
    for (text, says) in [
        (
            "u,g\n0,0\n1,1.5\n",
            ["line 3", "g[1] = 1.5", "1 in the last row"],
        ),
        (
            "0,0\n0.5,0.7\n0.6,0.4\n1,1\n",
            ["line 3", "g[2] = 0.4", "at least the one before"],
        ),
        (
            "0,0\n0.5,0.5\n0.5,0.6\n1,1\n",
            ["line 3", "u[2] = 0.5", "greater than the one before"],
        ),
    ] {
        let folder = Folder::new();
        folder.write("a.csv", text);
        refused(&folder, "design --procedure cdf:a.csv --kl 0.5", 2, &says);
    }
}

#[test]
fn a_transform_that_falls_is_the_users_to_choose() {
    let folder = Folder::new();
    folder.write("fall.csv", "0,0\n0.5,1\n1,0.5\n");
    let line = "design --procedure best-of:4 --kl 0.5 --transforms table:fall.csv";
    let ran = folder.run(line).done();
    assert!(ran.stdout.contains("table:fall.csv"));
    let told = "warning: table:fall.csv decreases between u = 0.5 and u = 1";
    assert_eq!(ran.stderr.matches(told).count(), 1, "{}", ran.stderr);
}

#[test]
fn different_numbers_of_rewards_are_remarked_on() {
    let folder = Folder::new();
    folder.write(
        "a.jsonl",
        "{\"prompt_id\":\"a\",\"rewards\":[1,2,3,4,5,6]}\n{\"prompt_id\":\"b\",\"rewards\":[1,2,3,4,5,6,7,8]}\n",
    );
    let told = "warning: prompts hold between 6 and 8 rewards";
    for line in [
        "run --rollouts a.jsonl --procedure best-of:2 --kl 0.3 --transforms identity",
        "design --procedure best-of:2 --kl 0.3 --transforms identity --calibration a.jsonl",
    ] {
        let ran = folder.run(line).done();
        assert_eq!(
            ran.stderr.matches(told).count(),
            1,
            "{line}: {}",
            ran.stderr
        );
    }
}

#[test]
fn pictures_and_tables_of_unknown_kinds() {
    let folder = Folder::new();
    let line = "design --procedure best-of:4 --kl 0.5 --plot x.pdf";
    refused(&folder, line, 2, &["`x.pdf`", ".html, .svg or .png"]);
    refused(
        &folder,
        "simulate --out x.pdf",
        2,
        &["x.pdf", "unknown format", ".parquet"],
    );
}

#[test]
fn places_that_cannot_be_written() {
    let folder = Folder::new();
    for line in [
        "design --procedure best-of:4 --kl 0.5 --transforms identity --plot none/x.svg",
        "simulate --out none/x.csv",
    ] {
        refused(
            &folder,
            line,
            2,
            &["cannot write none/x.", "check that its folder exists"],
        );
    }
    folder.write("a.csv", "prompt,reward\na,1\n");
    refused(
        &folder,
        "run --rollouts a.csv --runs a.csv",
        2,
        &["cannot write a.csv/a"],
    );
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_nobodys_mistake() {
    use std::{fs::File, os::unix::fs::symlink};

    let folder = Folder::new();
    for name in ["x.svg", "x.csv"] {
        symlink("/dev/full", folder.path(name)).unwrap();
    }
    for line in [
        "design --procedure best-of:4 --kl 0.5 --transforms identity --plot x.svg",
        "simulate --out x.csv --prompts 500",
    ] {
        folder
            .run(line)
            .refused(1, &["cannot write x.", "free some space"]);
    }
    let full = File::options().write(true).open("/dev/full").unwrap();
    let output = folder
        .command(&["procedures"])
        .stdout(full)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("standard output: No space left"));
}
