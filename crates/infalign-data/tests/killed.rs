//! A process that is really killed, again and again, and then left to finish: the bytes do not tell.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use infalign_data::{Error, Existing, Fingerprint, Identity, Outcome, RunDir};

const CHILD: &str = "INFALIGN_TEST_RUNS";
const STAGES: usize = 8;

/// Many small stages, each of several files that depend on the stage before.
fn pipeline(runs: &Path) -> Result<usize, Error> {
    let config = BTreeMap::from([("stages", STAGES)]);
    let identity = Identity {
        version: "1",
        seed: 1,
        config: &config,
        defaults: None,
        inputs: &[],
        root: Path::new(""),
    };
    let mut run = RunDir::open(runs, "a", &identity, Existing::Resume)?;
    let mut done = 0;
    for stage in 0..STAGES {
        let mut inputs = Fingerprint::new().value("stage", &stage)?;
        if stage > 0 {
            inputs = inputs.stage(&run, &format!("stage-{}", stage - 1))?;
        }
        let outputs: Vec<String> = (0..4).map(|i| format!("{stage}/{i}.bin")).collect();
        let outputs: Vec<&str> = outputs.iter().map(String::as_str).collect();
        let text = inputs.hex();
        let outcome = run.stage::<Error>(&format!("stage-{stage}"), &inputs, &outputs, |run| {
            for name in &outputs {
                run.write(name, |f| {
                    (0..2000).try_for_each(|_| f.write_all(text.as_bytes()))
                })?;
            }
            Ok(())
        })?;
        done += usize::from(outcome == Outcome::Done);
    }
    Ok(done)
}

/// The child's part; nothing to do when run as a test.
#[test]
fn child() {
    if let Some(runs) = std::env::var_os(CHILD) {
        pipeline(Path::new(&runs)).unwrap();
    }
}

fn snapshot(directory: &Path, prefix: &str, files: &mut BTreeMap<String, Vec<u8>>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = format!("{prefix}/{}", path.file_name().unwrap().to_str().unwrap());
        if path.is_dir() {
            snapshot(&path, &name, files);
        } else {
            files.insert(name, fs::read(&path).unwrap());
        }
    }
}

#[test]
fn killed_again_and_again() {
    let files = |runs: &Path| {
        let mut files = BTreeMap::new();
        snapshot(&runs.join("a"), "", &mut files);
        files
    };
    let reference = tempfile::tempdir().unwrap();
    let began = Instant::now();
    assert_eq!(pipeline(reference.path()).unwrap(), STAGES);
    let whole = began.elapsed();

    let runs = tempfile::tempdir().unwrap();
    let mut interrupted = 0;
    for attempt in 1..=16 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child"])
            .env(CHILD, runs.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        // Spread over the run; where exactly does not matter to the outcome.
        std::thread::sleep(Duration::from_millis(2) + whole * attempt / 32);
        if child.try_wait().unwrap().is_none() {
            interrupted += 1;
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
    pipeline(runs.path()).unwrap();
    assert_eq!(files(runs.path()), files(reference.path()));
    assert!(interrupted > 0, "no child lived long enough to be killed");
}
