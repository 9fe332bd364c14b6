//! The run directory under kills at every step, edits from outside, and wrong use.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::collections::BTreeMap;

use super::*;
use crate::{error::Kind, write::atomic::fault};

#[derive(Serialize)]
struct Config {
    procedure: String,
    kl: f64,
    nested: Nested,
}

#[derive(Serialize)]
struct Nested {
    k: u32,
}

fn config(kl: f64) -> Config {
    Config {
        procedure: "best-of:4".to_owned(),
        kl,
        nested: Nested { k: 100 },
    }
}

fn identity<'a>(config: &'a Config, inputs: &'a [&'a Path]) -> Identity<'a, Config> {
    Identity {
        version: "0.1.0",
        seed: 7,
        config,
        defaults: None,
        inputs,
        root: Path::new(""),
    }
}

/// Two stages, the second fed by the first; says what each did.
fn pipeline(runs: &Path, kl: f64, input: &Path, existing: Existing) -> Result<[Outcome; 2]> {
    let config = config(kl);
    let mut run = RunDir::open(runs, "a", &identity(&config, &[input]), existing)?;
    let split = Fingerprint::new().file("rollouts", input)?;
    let first = run.stage::<Error>(
        "calibrate",
        &split,
        &["calibration.txt", "shards/0"],
        |run| {
            let bytes = fs::read(input).map_err(|e| Error::read(input, e))?;
            run.write("calibration.txt", |f| f.write_all(&bytes.repeat(2)))?;
            run.write("shards/0", |f| f.write_all(&bytes))
        },
    )?;
    let inputs = Fingerprint::new()
        .stage(&run, "calibrate")?
        .value("kl", &kl)?;
    let second = run.stage::<Error>("evaluate", &inputs, &["results.json"], |run| {
        let path = run.file("calibration.txt");
        let bytes = fs::read(&path).map_err(|e| Error::read(path, e))?;
        run.write("results.json", |f| write!(f, "{kl} {}", bytes.len()))
    })?;
    Ok([first, second])
}

/// Every file below a directory, by name.
fn snapshot(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            files.extend(
                snapshot(&path)
                    .into_iter()
                    .map(|(k, v)| (format!("{name}/{k}"), v)),
            );
        } else {
            files.insert(name, fs::read(&path).unwrap());
        }
    }
    files
}

struct Place {
    directory: tempfile::TempDir,
    input: PathBuf,
}

fn place() -> Place {
    let directory = tempfile::tempdir().unwrap();
    let input = directory.path().join("rollouts.csv");
    fs::write(&input, "data").unwrap();
    Place { directory, input }
}

impl Place {
    fn run(&self, kl: f64, existing: Existing) -> Result<[Outcome; 2]> {
        pipeline(
            &self.directory.path().join("runs"),
            kl,
            &self.input,
            existing,
        )
    }

    fn files(&self) -> BTreeMap<String, Vec<u8>> {
        snapshot(&self.directory.path().join("runs/a"))
    }
}

#[test]
fn done_once_then_skipped() {
    let place = place();
    assert_eq!(
        place.run(0.5, Existing::Resume).unwrap(),
        [Outcome::Done; 2]
    );
    let files = place.files();
    assert_eq!(
        files.keys().collect::<Vec<_>>(),
        [
            ".lock",
            "calibration.txt",
            "config.toml",
            "manifest.json",
            "results.json",
            "shards/0"
        ]
    );
    assert_eq!(
        place.run(0.5, Existing::Resume).unwrap(),
        [Outcome::Skipped; 2]
    );
    assert_eq!(place.files(), files);
    assert_eq!(
        place.run(0.5, Existing::Overwrite).unwrap(),
        [Outcome::Done; 2]
    );
    assert_eq!(place.files(), files);
}

#[test]
fn killed_at_any_step_it_ends_with_the_same_bytes() {
    let reference = place();
    reference.run(0.5, Existing::Resume).unwrap();
    let reference = normalised(&reference);
    let mut kills = 0;
    for existing in [Existing::Resume, Existing::Overwrite] {
        for steps in 0.. {
            let place = place();
            if existing == Existing::Overwrite {
                place.run(2.0, Existing::Resume).unwrap();
            }
            fault::allow(Some(steps));
            let killed = place.run(0.5, existing);
            fault::allow(None);
            if killed.is_ok() {
                break;
            }
            kills += 1;
            place.run(0.5, existing).unwrap();
            assert_eq!(normalised(&place), reference, "killed after {steps} steps");
        }
    }
    assert!(kills > 50, "{kills}"); // five steps for each of six files, twice, and the sweeps
}

/// The files, with the temporary folder's name taken out of the manifest.
fn normalised(place: &Place) -> BTreeMap<String, Vec<u8>> {
    let mut files = place.files();
    let manifest = String::from_utf8(files["manifest.json"].clone()).unwrap();
    let manifest = manifest.replace(place.input.to_str().unwrap(), "INPUT");
    files.insert("manifest.json".to_owned(), manifest.into_bytes());
    files
}

#[test]
fn changed_inputs_and_outputs_are_done_again() {
    let place = place();
    place.run(0.5, Existing::Resume).unwrap();
    let files = place.files();
    let run = place.directory.path().join("runs/a");

    fs::write(run.join("results.json"), "edited").unwrap();
    assert_eq!(
        place.run(0.5, Existing::Resume).unwrap(),
        [Outcome::Skipped, Outcome::Done]
    );
    assert_eq!(place.files(), files);

    fs::remove_file(run.join("shards/0")).unwrap();
    assert_eq!(
        place.run(0.5, Existing::Resume).unwrap(),
        [Outcome::Done, Outcome::Skipped]
    );
    assert_eq!(place.files(), files);

    fs::write(&place.input, "other").unwrap();
    assert_eq!(
        place.run(0.5, Existing::Resume).unwrap(),
        [Outcome::Done; 2]
    );
    fs::write(&place.input, "data").unwrap();
    place.run(0.5, Existing::Resume).unwrap();
    assert_eq!(place.files(), files);
}

#[test]
fn outputs_that_a_stage_no_longer_writes_go() {
    let place = place();
    let (config, runs) = (config(1.0), place.directory.path().join("runs"));
    let mut run = RunDir::open(&runs, "a", &identity(&config, &[]), Existing::Resume).unwrap();
    for shards in [&["0", "1", "2"][..], &["0", "1"]] {
        let inputs = Fingerprint::new().value("shards", &shards).unwrap();
        let work = |run: &RunDir| {
            shards
                .iter()
                .try_for_each(|shard| run.write(shard, |f| f.write_all(b"x")))
        };
        assert_eq!(
            run.stage("s", &inputs, shards, work).unwrap(),
            Outcome::Done
        );
    }
    assert!(run.file("1").exists() && !run.file("2").exists());
}

#[test]
fn work_that_was_done_elsewhere_is_put_on_record() {
    let place = place();
    let (config, runs) = (config(1.0), place.directory.path().join("runs"));
    let open = || RunDir::open(&runs, "a", &identity(&config, &[]), Existing::Resume).unwrap();
    let (inputs, others) = (Fingerprint::new(), Fingerprint::new().bytes("a", b"b"));
    let mut run = open();
    assert!(!run.is_done("s", &inputs, &["x"]).unwrap());
    let error = run.record("s", &inputs, &["x"]).unwrap_err();
    assert!(
        error.to_string().contains("stage `s` did not write "),
        "{error}"
    );
    assert!(!run.is_done("s", &inputs, &["x"]).unwrap());
    fs::write(run.file("x"), "1").unwrap();
    run.record("s", &inputs, &["x"]).unwrap();
    drop(run);
    let mut run = open();
    assert!(run.is_done("s", &inputs, &["x"]).unwrap());
    let never = |_: &RunDir| -> Result<()> { unreachable!("it is done") };
    let outcome = run.stage("s", &inputs, &["x"], never).unwrap();
    assert_eq!(outcome, Outcome::Skipped);
    assert!(!run.is_done("s", &others, &["x"]).unwrap());
    assert!(!run.is_done("s", &inputs, &["x", "y"]).unwrap());
    fs::write(run.file("x"), "2").unwrap();
    assert!(!run.is_done("s", &inputs, &["x"]).unwrap());
}

#[test]
fn another_configuration_is_refused_with_its_keys() {
    let place = place();
    place.run(0.5, Existing::Resume).unwrap();
    let files = place.files();
    let error = place.run(1.0, Existing::Resume).unwrap_err();
    assert_eq!(error.kind(), Kind::User);
    let message = error.to_string();
    assert!(
        message.ends_with(
            "was made with another configuration (differs in: kl: 0.5 then, 1.0 now); use another \
             --name or --overwrite"
        ),
        "{message}"
    );
    assert_eq!(place.files(), files, "a refusal changes nothing");

    let config = config(0.5);
    let other_seed = Identity {
        seed: 8,
        ..identity(&config, &[])
    };
    let runs = place.directory.path().join("runs");
    let error = RunDir::open(&runs, "a", &other_seed, Existing::Resume).unwrap_err();
    assert!(error.to_string().contains("seed: 7 then, 8 now"), "{error}");
    assert_eq!(
        place.run(1.0, Existing::Overwrite).unwrap(),
        [Outcome::Done; 2]
    );
}

#[test]
fn a_key_that_an_older_version_did_not_know_is_no_difference_at_its_default() {
    #[derive(Serialize)]
    struct Older {
        procedure: String,
        kl: f64,
    }
    let place = place();
    let runs = place.directory.path().join("runs");
    let older = Older {
        procedure: "best-of:4".to_owned(),
        kl: 0.5,
    };
    let older = Identity {
        version: "0.1.0",
        seed: 7,
        config: &older,
        defaults: None,
        inputs: &[],
        root: Path::new(""),
    };
    let inputs = Fingerprint::new();
    let mut run = RunDir::open(&runs, "a", &older, Existing::Resume).unwrap();
    let write = |run: &RunDir| run.write("x", |f| f.write_all(b"1"));
    run.stage("s", &inputs, &["x"], write).unwrap();
    drop(run);
    let open = |now: Config, version| {
        let defaults = config(9.0);
        let identity = Identity {
            version,
            defaults: Some(&defaults),
            ..identity(&now, &[])
        };
        RunDir::open(&runs, "a", &identity, Existing::Resume)
    };
    let other = Config {
        nested: Nested { k: 50 },
        ..config(0.5)
    };
    let refused = open(other, "0.1.0").unwrap_err().to_string();
    assert!(
        refused.contains("(differs in: nested.k: unset then, 50 now)"),
        "{refused}"
    );
    let refused = open(config(9.0), "0.1.0").unwrap_err().to_string();
    assert!(
        refused.contains("(differs in: kl: 0.5 then, 9.0 now)"),
        "{refused}"
    );
    for _ in 0..2 {
        let run = open(config(0.5), "0.1.0").unwrap();
        assert!(run.is_done("s", &inputs, &["x"]).unwrap());
        let text = fs::read_to_string(run.file(CONFIG)).unwrap();
        assert!(text.contains("k = 100"), "{text}");
    }
    let run = open(config(0.5), "0.2.0").unwrap();
    assert!(!run.is_done("s", &inputs, &["x"]).unwrap());
}

#[test]
fn one_process_at_a_time() {
    let place = place();
    let (config, runs) = (config(1.0), place.directory.path().join("runs"));
    let identity = identity(&config, &[]);
    let run = RunDir::open(&runs, "a", &identity, Existing::Resume).unwrap();
    let error = RunDir::open(&runs, "a", &identity, Existing::Overwrite).unwrap_err();
    assert!(
        matches!(error, Error::Locked { .. }) && error.kind() == Kind::Environment,
        "{error}"
    );
    RunDir::open(&runs, "b", &identity, Existing::Resume).unwrap();
    drop(run);
    RunDir::open(&runs, "a", &identity, Existing::Resume).unwrap();
}

#[test]
fn abandoning_takes_back_what_this_process_began_and_nothing_else() {
    let place = tempfile::tempdir().unwrap();
    let runs = place.path().join("runs");
    let config = config(0.5);
    let open = || RunDir::open(&runs, "a", &identity(&config, &[]), Existing::Resume).unwrap();
    let run = open();
    run.write("eval/results.json", |f| f.write_all(b"{}"))
        .unwrap();
    run.abandon().unwrap();
    assert!(!runs.exists());

    drop(open());
    open().abandon().unwrap();
    assert!(runs.join("a").join(MANIFEST).exists());
}

#[test]
fn directories_of_others_are_left_alone() {
    let place = place();
    let foreign = place.directory.path().join("runs/a");
    fs::create_dir_all(&foreign).unwrap();
    fs::write(foreign.join("thesis.tex"), "precious").unwrap();
    for existing in [Existing::Resume, Existing::Overwrite] {
        let error = place.run(0.5, existing).unwrap_err();
        assert!(
            matches!(&error, Error::NotARun { entry, .. } if entry == "thesis.tex"),
            "{error}"
        );
    }
    assert_eq!(place.files().len(), 1);
    for name in ["", ".", "..", "a/b", "../x", ".hidden", "a b", "a\0"] {
        let config = config(0.5);
        let runs = place.directory.path();
        let error = RunDir::open(runs, name, &identity(&config, &[]), Existing::Resume);
        assert!(matches!(error, Err(Error::RunName { .. })), "{name:?}");
    }
}

#[test]
fn damaged_records_are_told() {
    let place = place();
    place.run(0.5, Existing::Resume).unwrap();
    let run = place.directory.path().join("runs/a");
    fs::write(run.join(MANIFEST), "{\"version\": 1").unwrap();
    let error = place.run(0.5, Existing::Resume).unwrap_err();
    assert!(
        matches!(error, Error::DamagedRun { .. }) && error.kind() == Kind::User,
        "{error}"
    );
    assert_eq!(
        place.run(0.5, Existing::Overwrite).unwrap(),
        [Outcome::Done; 2]
    );

    fs::write(run.join(CONFIG), "kl = = 1").unwrap();
    let error = place.run(0.5, Existing::Resume).unwrap_err();
    assert!(matches!(error, Error::DamagedRun { .. }), "{error}");
    fs::remove_file(run.join(CONFIG)).unwrap();
    let error = place.run(0.5, Existing::Resume).unwrap_err();
    assert!(matches!(error, Error::DamagedRun { .. }), "{error}");
}

#[test]
fn overwriting_never_takes_an_input() {
    let mut place = place();
    place.run(0.5, Existing::Resume).unwrap();
    place.input = place.directory.path().join("runs/a/shards/mine.csv");
    fs::write(&place.input, "data").unwrap();
    let error = place.run(0.5, Existing::Overwrite).unwrap_err();
    assert!(
        matches!(error, Error::InputInRun { .. }) && error.kind() == Kind::User,
        "{error}"
    );
    assert!(place.input.exists() && place.directory.path().join("runs/a/results.json").exists());
}

#[test]
fn an_output_that_was_not_written_is_our_mistake() {
    let place = place();
    let (config, runs) = (config(1.0), place.directory.path().join("runs"));
    let mut run = RunDir::open(&runs, "a", &identity(&config, &[]), Existing::Resume).unwrap();
    let error = run
        .stage::<Error>("s", &Fingerprint::new(), &["x"], |_| Ok(()))
        .unwrap_err();
    assert_eq!(error.kind(), Kind::Bug);
    assert!(error.to_string().ends_with("please report it"), "{error}");
    assert!(run.manifest().stages.is_empty());
}

#[test]
fn a_file_in_the_way_is_the_users_slip() {
    let place = place();
    fs::write(place.directory.path().join("runs"), "").unwrap();
    let error = place.run(0.5, Existing::Resume).unwrap_err();
    assert_eq!(error.kind(), Kind::User, "{error}");
}
