//! Training that is interrupted or killed, and started again, ends with the bytes of training that was left in peace.

use std::{
    collections::BTreeMap,
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{folder::Folder, tiny};

const KILLS: u32 = 6;

/// Steps slow enough to be caught between two.
fn line() -> String {
    tiny::PRETRAIN
        .replace(
            "--steps 60",
            "--steps 40 --validation-every 7 --save-every 6",
        )
        .replace("--batch-size 8", "--batch-size 16")
}

fn results(folder: &Folder) -> BTreeMap<String, Vec<u8>> {
    let mut files = folder.files();
    let clockless = [
        "model.safetensors",
        "metrics.jsonl",
        "config.json",
        "manifest.json",
        "tokens.bin",
    ];
    files
        .retain(|name, _| name.starts_with("tiny/") && clockless.iter().any(|n| name.ends_with(n)));
    files
}

fn start(folder: &Folder) -> Child {
    folder
        .command(&line().split_whitespace().collect::<Vec<_>>())
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

fn undisturbed() -> (BTreeMap<String, Vec<u8>>, Duration) {
    let folder = tiny::begun();
    let begun = Instant::now();
    folder.run(&line()).done();
    (results(&folder), begun.elapsed())
}

#[test]
fn killed_at_random() {
    let (expected, mut whole) = undisturbed();
    assert!(expected.contains_key("tiny/model.safetensors"));
    let mut rng = ChaCha8Rng::seed_from_u64(6);
    let (mut kill, mut interrupted) = (0, 0);
    while kill < KILLS || (interrupted <= KILLS / 2 && kill < 4 * KILLS) {
        let folder = tiny::begun();
        let mut child = start(&folder);
        sleep(whole.mul_f64((f64::from(kill % KILLS) + rng.random::<f64>()) / f64::from(KILLS)));
        if child.try_wait().unwrap().is_none() {
            interrupted += 1;
        } else {
            whole = whole.mul_f64(0.7); // the undisturbed run was slower than those that follow
        }
        kill += 1;
        child.kill().unwrap();
        child.wait().unwrap();
        folder.run(&line()).done();
        assert!(
            results(&folder) == expected,
            "after kill {kill} something differs"
        );
    }
    assert!(
        interrupted > KILLS / 2,
        "only {interrupted} were still alive"
    );
}

#[test]
fn adapters_killed_on_the_way() {
    let rows: String = (0..24)
        .map(|i| {
            format!(
                "{{\"prompt\": \"One day number {i}\", \"completion\": \" Tom {}.\"}}\n",
                i % 3
            )
        })
        .collect();
    let model = tiny::model().display().to_string();
    let line = format!(
        "sft --model {model} --data a.jsonl --out tiny --steps 60 --batch-size 4 --lora-r 4 --save-every 5 --validation 0.2 --validation-every 9"
    );
    let begun = || {
        let folder = Folder::new();
        folder.write("a.jsonl", &rows);
        folder
    };
    let results = |folder: &Folder| {
        let mut files = folder.files();
        files.retain(|name, _| name.starts_with("tiny/adapter_") || name == "tiny/metrics.jsonl");
        files
    };
    let whole = begun();
    whole.run(&line).done();
    let expected = results(&whole);
    assert_eq!(expected.len(), 3);
    let folder = begun();
    let mut child = folder
        .command(&line.split_whitespace().collect::<Vec<_>>())
        .spawn()
        .unwrap();
    let checkpoint = folder.path("tiny/checkpoints/step-000010/state.json");
    let since = Instant::now();
    while !checkpoint.exists() {
        assert!(
            since.elapsed() < Duration::from_secs(60),
            "no checkpoint was ever made"
        );
        sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let again = folder.run(&line).done();
    assert!(
        again.stderr.contains("going on after step "),
        "{}",
        again.stderr
    );
    assert!(results(&folder) == expected);
}

#[cfg(unix)]
#[test]
fn ctrl_c_saves_and_tells_how_to_go_on() {
    let (expected, _) = undisturbed();
    let folder = tiny::begun();
    let child = start(&folder);
    let record = folder.path("tiny/metrics.jsonl");
    let begun = Instant::now();
    while std::fs::metadata(&record).map_or(0, |m| m.len()) == 0 {
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "no step was ever taken"
        );
        sleep(Duration::from_millis(1));
    }
    let sent = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(sent.unwrap().success());
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(130), "{said}");
    assert!(
        said.contains("stopping: finishing the step, then saving"),
        "{said}"
    );
    assert!(
        said.contains("of 40 in tiny; the same command goes on from there"),
        "{said}"
    );
    let again = folder.run(&line()).done();
    assert!(
        again.stderr.contains("going on after step "),
        "{}",
        again.stderr
    );
    assert!(results(&folder) == expected);
}

#[cfg(unix)]
#[test]
fn one_process_in_a_folder() {
    let folder = tiny::begun();
    let mut child = start(&folder);
    let signal = |name: &str| {
        let sent = Command::new("kill")
            .args([name, &child.id().to_string()])
            .status();
        assert!(sent.unwrap().success());
    };
    let begun = Instant::now();
    while !folder.path("tiny/manifest.json").exists() {
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "the run never began"
        );
        sleep(Duration::from_millis(1));
    }
    signal("-STOP");
    folder
        .run(&line())
        .refused(1, &["tiny is in use by another infalign process", "--out"]);
    signal("-KILL");
    child.wait().unwrap();
}
