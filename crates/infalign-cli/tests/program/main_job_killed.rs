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

fn start(folder: &Folder, line: &str) -> Child {
    folder
        .command(&line.split(' ').collect::<Vec<_>>())
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
    killed(RUN);
}

#[test]
fn the_bytes_do_not_tell_of_policies_side_by_side_either() {
    killed(&RUN.replace("--threads 1", "--threads 2 --side-by-side 2"));
}

/// Kills it again and again; the bytes are those of policies one after the other, left in peace.
fn killed(line: &str) {
    let (expected, mut whole) = undisturbed();
    let mut rng = ChaCha8Rng::seed_from_u64(41);
    let mut kills = 0;
    let mut folder = begun();
    while kills < KILLS {
        let mut child = start(&folder, line);
        let life = f64::from(kills % LIVES) + rng.random::<f64>();
        sleep(whole.mul_f64(0.6 * life / f64::from(LIVES)));
        if child.try_wait().unwrap().is_none() {
            child.kill().unwrap();
            child.wait().unwrap();
            kills += 1;
            continue;
        }
        // It came to its end: that is looked at, and another begins.
        folder.run(line).done();
        same(&results(&folder), &expected, &format!("after kill {kills}"));
        folder = begun();
        // The first run was slower than those that follow: the next one is to be met on its way.
        whole = whole.mul_f64(0.8);
    }
    folder.run(line).done();
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

/// Interrupts a run when all of these policies have taken a step, looks at what it says, and lets it go on.
#[cfg(unix)]
fn interrupted(line: &str, policies: &[&str], says: impl Fn(&str)) {
    let folder = begun();
    // Steps enough to be caught between two.
    let line = format!("{line} --set train.steps=40");
    let child = folder
        .command(&line.split(' ').collect::<Vec<_>>())
        .spawn()
        .unwrap();
    let stepped = |policy: &&str| {
        let metrics = folder.path(&format!("runs/small/policies/{policy}/metrics.jsonl"));
        std::fs::metadata(metrics).is_ok_and(|m| m.len() > 0)
    };
    until("a step of each", || policies.iter().all(stepped));
    signal("-INT", &child);
    let ended = child.wait_with_output().unwrap();
    let said = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(130), "{said}");
    for part in [
        "stopping: finishing the step, then saving",
        "the same command goes on from there",
    ] {
        assert!(said.contains(part), "{said}");
    }
    says(&said);
    let again = folder.run(&line).done();
    for policy in policies {
        let name = if *policy == "raw" { "raw" } else { "exp:-10" };
        let part = format!("{name}: going on after step ");
        assert!(again.stderr.contains(&part), "{}", again.stderr);
    }
    let whole = begun();
    whole.run(&format!("{RUN} --set train.steps=40")).done();
    same(&results(&folder), &results(&whole), "after Ctrl-C");
}

#[cfg(unix)]
#[test]
fn ctrl_c_saves_and_tells_how_to_go_on() {
    interrupted(RUN, &["raw"], |said| {
        assert!(
            said.contains("stopped while training `raw` after step "),
            "{said}"
        );
        assert!(!said.contains("training exp:-10"), "{said}");
    });
}

#[cfg(unix)]
#[test]
fn ctrl_c_saves_all_that_are_side_by_side() {
    let line = RUN.replace("--threads 1", "--threads 2 --side-by-side 2");
    interrupted(&line, &["raw", "exp-minus10"], |said| {
        let (_, stopped) = said
            .split_once("stopped while training `raw` after step ")
            .unwrap();
        assert!(stopped.contains(" and `exp:-10` after step "), "{said}");
    });
}

#[cfg(unix)]
#[test]
fn one_process_in_a_run() {
    let folder = begun();
    let mut first = start(&folder, RUN);
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
