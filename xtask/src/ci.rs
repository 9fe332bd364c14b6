//! `cargo xtask ci`: every check in order of price, with the seconds that each took.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::{r#gen, links};

/// One check.
struct Step {
    name: &'static str,
    work: Work,
}

/// How a check is made.
enum Work {
    /// `cargo` with these arguments, and one environment variable where it needs one.
    Cargo {
        args: &'static [&'static str],
        env: Option<(&'static str, &'static str)>,
    },
    /// A task of this program, with the command that runs it alone.
    Task {
        run: fn(&Path) -> Result<()>,
        command: &'static str,
    },
}

/// Runs every check; the tests come last, so that their closing lines end the output.
pub(crate) fn run(root: &Path) -> Result<()> {
    let start = Instant::now();
    let mut times = Vec::new();
    for step in steps(has_nextest(root)) {
        let command = step.work.command();
        println!("── {}: {command}", step.name);
        let step_start = Instant::now();
        if let Err(error) = step.work.run(root) {
            bail!(
                "{error:#}\nci stopped at {} after {:.1} s; run it alone with:\n    {command}",
                step.name,
                step_start.elapsed().as_secs_f64(),
            );
        }
        times.push(format!(
            "{} {:.1} s",
            step.name,
            step_start.elapsed().as_secs_f64()
        ));
    }
    println!(
        "ci passed in {:.1} s: {}",
        start.elapsed().as_secs_f64(),
        times.join(", ")
    );
    Ok(())
}

/// The checks, cheapest first. With nextest the doc tests, which it cannot run, come before it.
fn steps(nextest: bool) -> Vec<Step> {
    let cargo = |name, args: &'static [&'static str]| Step {
        name,
        work: Work::Cargo { args, env: None },
    };
    let mut steps = vec![
        cargo("fmt", &["fmt", "--all", "--check"]),
        Step {
            name: "links",
            work: Work::Task {
                run: links::run,
                command: "cargo xtask links",
            },
        },
        Step {
            name: "gen",
            work: Work::Task {
                run: r#gen::check,
                command: "cargo xtask gen --check",
            },
        },
        cargo(
            "clippy",
            &[
                "clippy",
                "--workspace",
                "--all-targets",
                "--",
                "-D",
                "warnings",
            ],
        ),
        Step {
            name: "doc",
            work: Work::Cargo {
                args: &["doc", "--workspace", "--no-deps"],
                env: Some(("RUSTDOCFLAGS", "-D warnings")),
            },
        },
    ];
    if nextest {
        steps.push(cargo("doc tests", &["test", "--workspace", "--doc"]));
        steps.push(cargo("tests", &["nextest", "run", "--workspace"]));
    } else {
        steps.push(cargo("tests", &["test", "--workspace"]));
    }
    steps
}

impl Work {
    /// What to type to make this check alone.
    fn command(&self) -> String {
        match self {
            Self::Cargo { args, env: None } => format!("cargo {}", args.join(" ")),
            Self::Cargo {
                args,
                env: Some((name, value)),
            } => {
                format!("{name}='{value}' cargo {}", args.join(" "))
            }
            Self::Task { command, .. } => (*command).to_owned(),
        }
    }

    fn run(&self, root: &Path) -> Result<()> {
        match self {
            Self::Task { run, .. } => run(root),
            Self::Cargo { args, env } => {
                let status = Command::new("cargo")
                    .args(*args)
                    .envs(env.iter().copied())
                    .current_dir(root)
                    .status()
                    .context("cannot start cargo")?;
                if !status.success() {
                    bail!("{}: {status}", self.command());
                }
                Ok(())
            }
        }
    }
}

/// Whether `cargo nextest` can be had; without it `cargo test` does the same work.
fn has_nextest(root: &Path) -> bool {
    Command::new("cargo")
        .args(["nextest", "--version"])
        .current_dir(root)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tests_come_last_with_and_without_nextest() {
        for nextest in [false, true] {
            assert_eq!(steps(nextest).last().map(|step| step.name), Some("tests"));
        }
    }

    #[test]
    fn a_failure_names_the_command_with_its_environment() {
        let doc = steps(false).into_iter().find(|step| step.name == "doc");
        assert_eq!(
            doc.map(|step| step.work.command()).as_deref(),
            Some("RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps")
        );
    }
}
