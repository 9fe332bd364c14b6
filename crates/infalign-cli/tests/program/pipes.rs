//! A reader that has seen enough (`| head -1`) ends the program quietly.

use std::{
    io::{BufRead, BufReader, Read},
    process::Child,
};

use super::folder::Folder;

fn quiet(mut child: Child) {
    let mut said = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut said)
        .unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0), "{said}");
    assert!(!said.contains("error"), "{said}");
}

#[test]
fn closed_after_the_first_line() {
    let folder = Folder::new();
    let line = "design --procedure best-of:4 --kl 0.5 --frontier --format json";
    let args: Vec<&str> = line.split(' ').collect();
    // Larger than any pipe, so that writing must fail.
    assert!(folder.run(line).done().stdout.len() > 1 << 16);
    let mut child = folder.command(&args).spawn().unwrap();
    let mut first = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut first)
        .unwrap();
    assert_eq!(first, "{\n");
    quiet(child);
}

#[test]
fn closed_from_the_start() {
    let folder = Folder::new();
    for args in [
        ["procedures"].as_slice(),
        &["transforms", "--format", "json"],
        &["run", "--help"],
        &["design", "--procedure", "best-of:4", "--kl", "0.5"],
    ] {
        let mut child = folder.command(args).spawn().unwrap();
        drop(child.stdout.take());
        quiet(child);
    }
}
