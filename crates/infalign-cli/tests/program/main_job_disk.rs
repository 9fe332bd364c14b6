//! The main job on a disk that is full: a clear error that names the file, everything before it intact, and no trace of it once there is room.
//!
//! What stands for the full disk is the size that a file may have (`ulimit -f`): a write beyond it fails as one on a full disk does, in the
//! middle of the file.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    process::{Command, Stdio},
};

use serde_json::Value;

use super::{
    folder::{Folder, Ran},
    main_job::{RUN, begun, results, same},
};

/// Runs the main job with files of at most so many blocks of 512 bytes.
fn limited(folder: &Folder, blocks: u32) -> Ran {
    let script = "trap '' XFSZ; ulimit -f \"$0\"; exec \"$@\"";
    let output = Command::new("sh")
        .args(["-c", script, &blocks.to_string()])
        .arg(env!("CARGO_BIN_EXE_infalign"))
        .args(RUN.split(' '))
        .current_dir(folder.path(""))
        .stdin(Stdio::null())
        .output();
    output.unwrap().into()
}

/// What the run says is done must be there, as an undisturbed run has it.
fn intact(folder: &Folder, expected: &BTreeMap<String, Vec<u8>>, when: &str) {
    let Ok(manifest) = fs::read(folder.path("runs/small/manifest.json")) else {
        return;
    };
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    for stage in manifest["stages"].as_object().unwrap().values() {
        for name in stage["outputs"].as_object().unwrap().keys() {
            let name = format!("runs/small/{name}");
            let found = fs::read(folder.path(&name)).unwrap();
            assert!(found == expected[&name], "{when}: {name} differs");
        }
    }
}

#[test]
fn a_full_disk_is_told_by_the_file_and_leaves_no_trace() {
    let undisturbed = begun();
    undisturbed.run(RUN).done();
    let expected = results(&undisturbed);
    let folder = begun();
    let mut refused = BTreeSet::new();
    // Before each stage the disk is full; then there is room for that stage alone.
    for command in ["rollout", "calibrate", "train", "evaluate", "run"] {
        for blocks in [1, 64] {
            let ran = limited(&folder, blocks).refused(1, &["cannot write runs/small/"]);
            let (_, told) = ran.stderr.split_once("cannot write runs/small/").unwrap();
            refused.insert(told.split([':', '/']).next().unwrap().to_owned());
            intact(
                &folder,
                &expected,
                &format!("before {command}, with {blocks} blocks"),
            );
        }
        folder
            .run(&RUN.replace("run ", &format!("{command} ")))
            .done();
    }
    same(&results(&folder), &expected, "once there was room");
    let everywhere = [
        "annotated",
        "config.toml",
        "eval",
        "policies",
        "policy",
        "report.json",
    ];
    for place in everywhere {
        assert!(refused.contains(place), "{place} is not among {refused:?}");
    }
}
