//! `infalign run` killed at random moments and started again ends with the bytes of a run that was left in peace.

use std::{
    collections::BTreeMap,
    process::Stdio,
    thread::sleep,
    time::{Duration, Instant},
};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::folder::Folder;

const KILLS: u32 = 20;
const RUN: &str = "run --rollouts rollouts.parquet --reward-column proxy --gold-column gold --procedure best-of:4 --transforms identity,optimal --kl 0.25,0.5";

fn args() -> Vec<&'static str> {
    RUN.split(' ').collect()
}

fn begun() -> Folder {
    let folder = Folder::new();
    folder
        .run("simulate --prompts 60 --k 40 --out rollouts.parquet")
        .done();
    folder
}

/// The files and how long they took.
fn undisturbed() -> (BTreeMap<String, Vec<u8>>, Duration) {
    let folder = begun();
    let start = Instant::now();
    folder.run(RUN).done();
    (folder.files(), start.elapsed())
}

#[test]
fn the_bytes_do_not_tell() {
    let (files, whole) = undisturbed();
    let mut rng = ChaCha8Rng::seed_from_u64(20);
    let mut interrupted = 0;
    for kill in 0..KILLS {
        let folder = begun();
        let mut child = folder
            .command(&args())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // Each kill in its own twentieth of the run, at random within it.
        sleep(whole.mul_f64((f64::from(kill) + rng.random::<f64>()) / f64::from(KILLS)));
        interrupted += u32::from(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
        folder.run(RUN).done();
        assert!(
            folder.files() == files,
            "after kill {kill} something differs"
        );
    }
    assert!(
        interrupted > KILLS / 2,
        "only {interrupted} were still alive"
    );
}

/// A second process finds the first at work, stopped so that it cannot finish meanwhile.
#[cfg(unix)]
#[test]
fn two_at_once_are_one_too_many() {
    use std::process::Command;

    let folder = begun();
    let mut first = folder.command(&args()).spawn().unwrap();
    let signal = |name: &str, process: u32| {
        let sent = Command::new("kill")
            .args([name, &process.to_string()])
            .status();
        assert!(sent.unwrap().success());
    };
    let start = Instant::now();
    while !folder.path("runs/rollouts/manifest.json").exists() {
        assert!(
            start.elapsed() < Duration::from_secs(60),
            "the run never began"
        );
        sleep(Duration::from_millis(1));
    }
    signal("-STOP", first.id());
    assert!(
        first.try_wait().unwrap().is_none(),
        "the run was over at once"
    );
    for flag in ["", " --overwrite"] {
        folder.run(&format!("{RUN}{flag}")).refused(
            1,
            &[
                "runs/rollouts is in use by another infalign process",
                "--name",
            ],
        );
    }
    signal("-CONT", first.id());
    assert_eq!(first.wait_with_output().unwrap().status.code(), Some(0));
    assert!(folder.files() == undisturbed().0);
}
