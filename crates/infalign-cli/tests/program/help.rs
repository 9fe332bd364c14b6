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
        "design",
        "simulate",
        "pretrain",
        "sft",
        "sample",
        "score",
        "devices",
        "procedures",
        "transforms",
    ] {
        insta::assert_snapshot!(format!("help-{command}"), help(command));
    }
}

#[test]
fn no_command_is_a_mistake_that_shows_the_commands() {
    Folder::new()
        .run("")
        .refused(2, &["Usage: infalign <COMMAND>"]);
}
