//! One run of the program into a folder that is thrown away, read back.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use infalign::{design::Design, recorded::Recorded};
use serde_json::Value;

/// What a run directory held.
pub(super) struct Run {
    /// `eval/results.json` as it was written.
    pub(super) json: String,
    /// The same, read.
    pub(super) recorded: Recorded,
    /// `design.json`: one design per procedure and budget.
    pub(super) designs: Vec<Design>,
    /// The version of the program.
    pub(super) version: String,
    /// SHA-256 of the input file, where there was one.
    pub(super) input: Option<String>,
}

/// Runs `infalign run ARGS` and reads its run directory.
pub(super) fn run(root: &Path, args: &[&str]) -> Result<Run> {
    let runs = tempfile::tempdir()?;
    let status = Command::new("cargo")
        .args(["run", "--quiet", "--release", "--package", "infalign-cli"])
        .args(["--", "run", "--name", "results", "--runs"])
        .arg(runs.path())
        .args(args)
        .current_dir(root)
        .stdout(Stdio::null())
        .status()
        .context("cannot start cargo")?;
    if !status.success() {
        bail!("`infalign run {}`: {status}", args.join(" "));
    }
    let read = |name: &str| {
        let path = runs.path().join("results").join(name);
        fs::read_to_string(&path).with_context(|| path.display().to_string())
    };
    let json = read("eval/results.json")?;
    let manifest: Value = serde_json::from_str(&read("manifest.json")?)?;
    let text = |value: &Value| value.as_str().map(str::to_owned);
    Ok(Run {
        recorded: serde_json::from_str(&json)?,
        designs: serde_json::from_str(&read("design.json")?)?,
        version: text(&manifest["version"]).context("manifest.json names no version")?,
        input: manifest["inputs"]
            .as_object()
            .and_then(|inputs| inputs.values().next().and_then(text)),
        json,
    })
}

/// Writes a file of the project and says so.
#[expect(clippy::print_stdout, reason = "a task says what it wrote")]
pub(super) fn write(root: &Path, path: &str, text: &str) -> Result<()> {
    let full = root.join(path);
    if let Some(folder) = full.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(&full, text).with_context(|| full.display().to_string())?;
    println!("wrote {path} ({} bytes)", text.len());
    Ok(())
}
