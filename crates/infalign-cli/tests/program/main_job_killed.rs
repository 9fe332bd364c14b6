//! The main job killed again and again, interrupted, or met by a second process: it ends with the bytes of one that was left in peace.

use std::{
    collections::BTreeMap,
    process::{Child, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{
    folder::Folder,
    main_job::{RUN, begun, results, same},
};

const KILLS: u32 = 20;
/// How long a process may live, in parts of a whole run: ever longer, so that a run comes to its end.
const LIVES: u32 = 7;

fn start(folder: &Folder) -> Child {
    folder
        .command(&RUN.split(' ').collect::<Vec<_>>())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn undisturbed() -> (BTreeMap<String, Vec<u8>>, Duration) {
    let folder = begun();
    let start = Instant::now();
    folder.run(RUN).done();
    (results(&folder), start.elapsed())
}

#[test]
fn the_bytes_do_not_tell() {
    let (expected, whole) = undisturbed();
    let mut rng = ChaCha8Rng::seed_from_u64(41);
    let mut kills = 0;
    let mut folder = begun();
    while kills < KILLS {
        let mut child = start(&folder);
        let life = f64::from(kills % LIVES) + rng.random::<f64>();
        sleep(whole.mul_f64(0.6 * life / f64::from(LIVES)));
        if child.try_wait().unwrap().is_none() {
            child.kill().unwrap();
            child.wait().unwrap();
            kills += 1;
            continue;
        }
        // It came to its end: that is looked at, and another begins.
        folder.run(RUN).done();
        same(&results(&folder), &expected, &format!("after kill {kills}"));
        folder = begun();
    }
    folder.run(RUN).done();
    same(&results(&folder), &expected, "after the last kill");
}

/// Waits until something is there.
fn until(what: &str, there: impl Fn() -> bool) {
    let begun = Instant::now();
    while !there() {
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "{what} never came"
        );
        sleep(Duration::from_millis(1));
    }
}

#[cfg(unix)]
fn signal(name: &str, child: &Child) {
    let sent = std::process::Command::new("kill")
        .args([name, &child.id().to_string()])
        .status();
    assert!(sent.unwrap().success());
}

#[cfg(unix)]
#[test]
fn ctrl_c_saves_and_tells_how_to_go_on() {
    let folder = begun();
    // Steps enough to be caught between two.
    let line = format!("{RUN} --set train.steps=40");
    let child = folder
        .command(&line.split(' ').collect::<Vec<_>>())
        .spawn()
        .unwrap();
    let metrics = folder.path("runs/small/policies/raw/metrics.jsonl");
    until("a step", || {
        std::fs::metadata(&metrics).is_ok_and(|m| m.len() > 0)
    });
    signal("-INT", &child);
    let ended = child.wait_with_output().unwrap();
    let said = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(130), "{said}");
    for part in [
        "stopping: finishing the step, then saving",
        "stopped while training `raw` after step ",
        "the same command goes on from there",
    ] {
        assert!(said.contains(part), "{said}");
    }
    let again = folder.run(&line).done();
    assert!(
        again.stderr.contains("going on after step "),
        "{}",
        again.stderr
    );
    let whole = begun();
    whole.run(&line).done();
    same(&results(&folder), &results(&whole), "after Ctrl-C");
}

#[cfg(unix)]
#[test]
fn one_process_in_a_run() {
    let folder = begun();
    let mut first = start(&folder);
    until("the run", || {
        folder.path("runs/small/manifest.json").exists()
    });
    signal("-STOP", &first);
    for flag in ["", " --overwrite"] {
        let line = format!("{RUN}{flag}");
        folder.run(&line).refused(
            1,
            &["runs/small is in use by another infalign process", "--name"],
        );
    }
    signal("-CONT", &first);
    assert_eq!(first.wait().unwrap().code(), Some(0));
}
