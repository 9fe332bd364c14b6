//! Checkpoints under kills, refusals and damage.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::collections::BTreeMap;

use serde_json::json;

use super::*;
use crate::{Cursor, Schedule};

fn state(step: u64) -> RunState {
    let data = Cursor {
        epoch: 1,
        position: step * 3,
    };
    let seeds = BTreeMap::from([("data".to_owned(), u64::MAX)]);
    let config = json!({"model": {"dim": 8}, "batch": 4});
    RunState::new(step, data, seeds, Schedule::default(), &config).unwrap()
}

fn weights(text: &'static str) -> impl Fn(&Path) -> Result<()> {
    move |directory| {
        let inner = directory.join("adapter");
        fs::create_dir(&inner).unwrap();
        fs::write(inner.join("model.bin"), text).map_err(|e| Error::write(inner, e))
    }
}

fn content(checkpoint: &Checkpoint) -> String {
    fs::read_to_string(checkpoint.path.join("adapter/model.bin")).unwrap()
}

fn steps(checkpoints: &Checkpoints) -> Vec<u64> {
    let list = checkpoints.list().unwrap();
    list.iter().map(|checkpoint| checkpoint.step).collect()
}

fn unfinished(directory: &Path) -> usize {
    let list = fs::read_dir(directory).unwrap();
    list.filter(|e| {
        e.as_ref()
            .unwrap()
            .file_name()
            .to_string_lossy()
            .ends_with(UNFINISHED)
    })
    .count()
}

/// Fails from the `allowed`-th point on, as a killed process does nothing more.
fn plug(allowed: usize) -> impl FnMut() -> io::Result<()> {
    let mut left = allowed;
    move || match left {
        0 => Err(io::Error::other("killed by the test")),
        _ => {
            left -= 1;
            Ok(())
        }
    }
}

fn killed_save(checkpoints: &Checkpoints, step: u64, text: &'static str, allowed: usize) -> bool {
    let place = checkpoints.directory.join(format!("step-{step:06}"));
    let new = checkpoints.hidden(step, NEW);
    checkpoints
        .write(
            &state(step),
            &new,
            &place,
            weights(text),
            &mut plug(allowed),
        )
        .is_ok()
}

#[test]
fn saved_and_found_again() {
    let directory = tempfile::tempdir().unwrap();
    let checkpoints = Checkpoints::open(directory.path().join("checkpoints"), 3).unwrap();
    assert_eq!(checkpoints.latest().unwrap(), None);
    checkpoints.save(&state(5), weights("five")).unwrap();
    let saved = checkpoints
        .save(&state(1_234_567), weights("many"))
        .unwrap();
    let latest = checkpoints.latest().unwrap().unwrap();
    assert_eq!(latest, saved);
    assert!(latest.path.ends_with("step-1234567"));
    assert_eq!(latest.state().unwrap(), state(1_234_567));
    assert_eq!(steps(&checkpoints), [5, 1_234_567]);
}

#[test]
fn a_kill_at_any_point_of_a_first_save() {
    for allowed in 0..8 {
        let directory = tempfile::tempdir().unwrap();
        let checkpoints = Checkpoints::open(directory.path(), 3).unwrap();
        checkpoints.save(&state(1), weights("one")).unwrap();
        let done = killed_save(&checkpoints, 2, "two", allowed);
        assert_eq!(done, allowed >= 6, "{allowed}");
        // What a reader sees at this moment, and after the next opening.
        for _ in 0..2 {
            let latest = checkpoints.latest().unwrap().unwrap();
            let expected = if allowed >= 5 { (2, "two") } else { (1, "one") };
            assert_eq!(
                (latest.step, content(&latest).as_str()),
                expected,
                "{allowed}"
            );
            Checkpoints::open(directory.path(), 3).unwrap();
        }
        assert_eq!(unfinished(directory.path()), 0);
    }
}

#[test]
fn a_kill_at_any_point_of_saving_a_step_again() {
    for allowed in 0..9 {
        let directory = tempfile::tempdir().unwrap();
        let checkpoints = Checkpoints::open(directory.path(), 3).unwrap();
        checkpoints.save(&state(1), weights("one")).unwrap();
        checkpoints.save(&state(2), weights("old")).unwrap();
        killed_save(&checkpoints, 2, "new", allowed);
        Checkpoints::open(directory.path(), 3).unwrap();
        let latest = checkpoints.latest().unwrap().unwrap();
        let expected = if allowed >= 6 { "new" } else { "old" };
        assert_eq!(
            (latest.step, content(&latest).as_str()),
            (2, expected),
            "{allowed}"
        );
        assert_eq!(unfinished(directory.path()), 0);
    }
}

#[test]
fn a_kill_at_any_point_of_pruning() {
    for allowed in 0..5 {
        let directory = tempfile::tempdir().unwrap();
        let many = Checkpoints::open(directory.path(), 9).unwrap();
        for step in 1..=3 {
            many.save(&state(step), weights("x")).unwrap();
        }
        let one = Checkpoints::open(directory.path(), 0).unwrap();
        let done = one.prune(&mut plug(allowed)).is_ok();
        assert_eq!(done, allowed == 4);
        Checkpoints::open(directory.path(), 0).unwrap();
        let left: &[u64] = [&[1, 2, 3][..], &[2, 3], &[2, 3], &[3], &[3]][allowed];
        assert_eq!(steps(&one), left, "{allowed}");
        assert_eq!(unfinished(directory.path()), 0);
    }
}

#[test]
fn the_newest_are_kept() {
    let directory = tempfile::tempdir().unwrap();
    let checkpoints = Checkpoints::open(directory.path(), 2).unwrap();
    for step in [10, 20, 30, 40] {
        checkpoints.save(&state(step), weights("x")).unwrap();
    }
    assert_eq!(steps(&checkpoints), [30, 40]);
}

#[test]
fn a_failed_save_leaves_the_earlier_ones_and_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let checkpoints = Checkpoints::open(directory.path(), 2).unwrap();
    checkpoints.save(&state(1), weights("one")).unwrap();
    let full = |directory: &Path| Err(Error::write(directory, io::ErrorKind::StorageFull.into()));
    let error = checkpoints.save(&state(2), full).unwrap_err();
    assert_eq!(error.kind(), infalign_data::Kind::Environment);
    assert!(error.to_string().contains("free some space"), "{error}");
    assert_eq!(steps(&checkpoints), [1]);
    assert_eq!(unfinished(directory.path()), 0);
}

#[test]
fn what_is_no_checkpoint_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    for name in ["step-7", "step-+00009", "step-x", "notes", "step-000008"] {
        fs::create_dir(directory.path().join(name)).unwrap();
    }
    let checkpoints = Checkpoints::open(directory.path(), 1).unwrap();
    assert_eq!(checkpoints.latest().unwrap(), None);
    checkpoints.save(&state(1), weights("one")).unwrap();
    assert_eq!(steps(&checkpoints), [1]);
    assert!(directory.path().join("notes").exists());
}

#[test]
fn another_configuration_is_refused_by_its_keys() {
    let path = Path::new("c/step-000001");
    let same = json!({"batch": 4, "model": {"dim": 8}});
    state(1).check_config(path, &same).unwrap();
    let other = json!({"batch": 8, "model": {"dim": 8, "heads": 2}});
    assert_eq!(
        state(1).check_config(path, &other).unwrap_err().to_string(),
        "c/step-000001 was made with another configuration (differs in: batch: 4 then, 8 now; model.heads: unset then, 2 now); use the same, or another output folder"
    );
}

#[test]
fn damaged_and_later_states_are_told_apart() {
    let directory = tempfile::tempdir().unwrap();
    let checkpoints = Checkpoints::open(directory.path(), 1).unwrap();
    let saved = checkpoints.save(&state(1), weights("one")).unwrap();
    let path = saved.path.join(STATE);
    let text = fs::read_to_string(&path).unwrap();
    let with = |text: &str| {
        fs::write(&path, text).unwrap();
        saved.state().unwrap_err()
    };
    for damaged in [
        "",
        "{}",
        &text[..text.len() / 2],
        &text.replace("\"batch\": 4", "\"batch\": 5"),
    ] {
        let error = with(damaged);
        assert!(matches!(error, Error::Damaged { .. }), "{error}");
        assert!(
            error.to_string().contains("state.json is damaged"),
            "{error}"
        );
    }
    let later = text.replace("\"version\": 1", "\"version\": 2");
    assert!(matches!(
        with(&later),
        Error::CheckpointVersion { found: 2, .. }
    ));
}
