//! The help of every command.

use super::folder::Folder;

fn help(command: &str) -> String {
    let ran = Folder::new().run(&format!("{command} --help")).done();
    assert_eq!(ran.stderr, "");
    ran.stdout
}

#[test]
fn of_every_command() {
    insta::assert_snapshot!("help", help(""));
    for command in [
        "run",
        "rollout",
        "calibrate",
        "train",
        "distill",
        "evaluate",
        "report",
        "serve",
        "config",
        "config default",
        "config schema",
        "config check",
        "data",
        "data inspect",
        "data convert",
        "data formats",
        "design",
        "simulate",
        "pretrain",
        "sft",
        "sample",
        "score",
        "reward",
        "reward train",
        "reward eval",
        "devices",
        "completions",
        "man",
        "procedures",
        "transforms",
    ] {
        insta::assert_snapshot!(format!("help-{}", command.replace(' ', "-")), help(command));
    }
}

#[test]
fn no_command_is_a_mistake_that_shows_the_commands() {
    Folder::new()
        .run("")
        .refused(2, &["Usage: infalign <COMMAND>"]);
}
