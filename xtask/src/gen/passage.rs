//! Passages inside hand-written pages that hold what a command prints.
//!
//! Between the line `<!-- generated: infalign ARGS -->` and the line `<!-- end generated -->`
//! stands the command and its standard output; everything around them is left as it is.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

const OPEN: &str = "<!-- generated: infalign ";
const OPEN_END: &str = " -->";
const CLOSE: &str = "<!-- end generated -->";

/// Pages that may hold such passages, as they should read.
pub(super) fn files(root: &Path) -> Result<Vec<(PathBuf, String)>> {
    let mut files = Vec::new();
    for page in [
        "README.md",
        "docs/src/tutorial-design.md",
        "docs/src/tutorial-rollouts.md",
    ] {
        let text = fs::read_to_string(root.join(page)).with_context(|| page.to_owned())?;
        let text = fill(&text, |args| output(root, args)).with_context(|| page.to_owned())?;
        files.push((PathBuf::from(page), text));
    }
    Ok(files)
}

/// `text` with each passage replaced by what `output` gives for its arguments.
fn fill(text: &str, output: impl Fn(&str) -> Result<String>) -> Result<String> {
    let mut filled = String::with_capacity(text.len());
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        filled.push_str(line);
        filled.push('\n');
        let Some(args) = line
            .strip_prefix(OPEN)
            .and_then(|rest| rest.strip_suffix(OPEN_END))
        else {
            continue;
        };
        if !lines.any(|line| line == CLOSE) {
            bail!("`{line}` has no `{CLOSE}` after it");
        }
        let printed = output(args)?;
        let printed = printed.trim_end();
        filled.push_str(&format!(
            "```text\n$ infalign {args}\n{printed}\n```\n{CLOSE}\n"
        ));
    }
    Ok(filled)
}

/// What `infalign ARGS` prints on stdout; `args` are separated by spaces, without quoting.
fn output(root: &Path, args: &str) -> Result<String> {
    let output = Command::new("cargo")
        .args(["run", "--quiet", "--package", "infalign-cli", "--"])
        .args(args.split_whitespace())
        .current_dir(root)
        .stderr(Stdio::inherit())
        .output()
        .context("cannot start cargo")?;
    if !output.status.success() {
        bail!("`infalign {args}`: {}", output.status);
    }
    String::from_utf8(output.stdout).context("the output is not UTF-8")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_between_the_marks_changes() -> Result<()> {
        let text = "a\n<!-- generated: infalign x --y 1 -->\nold\n<!-- end generated -->\nb\n";
        let filled = fill(text, |args| Ok(format!("<{args}>\n")))?;
        assert_eq!(
            filled,
            "a\n<!-- generated: infalign x --y 1 -->\n```text\n$ infalign x --y 1\n<x --y 1>\n```\n\
             <!-- end generated -->\nb\n"
        );
        assert_eq!(fill(&filled, |args| Ok(format!("<{args}>\n")))?, filled);
        Ok(())
    }

    #[test]
    fn a_passage_without_end_is_an_error() {
        assert!(
            fill("<!-- generated: infalign x -->\nold\n", |_| Ok(
                String::new()
            ))
            .is_err()
        );
    }
}
