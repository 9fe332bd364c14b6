//! `cargo xtask gen`: pages and passages that are written from the code, so that they cannot drift.

mod cli;
mod json;
mod passage;
mod registry;
mod warnings;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// First line of each generated page.
const NOTICE: &str = "<!-- Written by `cargo xtask gen` from the code; edits here are lost. -->";

/// Brings every generated file up to date and says which ones changed.
pub(crate) fn write(root: &Path) -> Result<()> {
    let drifted = drifted(root)?;
    for (path, text) in &drifted {
        let path = root.join(path);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(&path, text).with_context(|| path.display().to_string())?;
    }
    match drifted.len() {
        0 => println!("gen: all generated files were up to date"),
        n => println!("gen: {n} written:\n{}", names(&drifted)),
    }
    Ok(())
}

/// Fails with the list of generated files that differ from what the code says.
pub(crate) fn check(root: &Path) -> Result<()> {
    let drifted = drifted(root)?;
    if drifted.is_empty() {
        println!("gen: all generated files are up to date");
        return Ok(());
    }
    bail!(
        "gen: {} out of date:\n{}\nmend with:\n    cargo xtask gen",
        drifted.len(),
        names(&drifted)
    );
}

fn names(files: &[(PathBuf, String)]) -> String {
    files
        .iter()
        .map(|(path, _)| format!("    {}", path.display()))
        .collect::<Vec<_>>()
        .join("\n")
}

/// Generated files whose text on disk is not the one that the code gives, with the latter.
fn drifted(root: &Path) -> Result<Vec<(PathBuf, String)>> {
    let mut files = reference()?;
    files.extend(passage::files(root)?);
    files.retain(|(path, text)| fs::read_to_string(root.join(path)).ok().as_ref() != Some(text));
    Ok(files)
}

/// The reference pages of the book.
fn reference() -> Result<Vec<(PathBuf, String)>> {
    let mut pages = vec![
        ("cli.md", cli::page(infalign_cli::command())),
        (
            "procedures.md",
            registry::page(
                "All procedures",
                "What deployment does with a policy. Each is typed as the text below, on the \
                 command line, in files and in code.",
                infalign::procedure::REGISTRY,
            ),
        ),
        (
            "transforms.md",
            registry::page(
                "All transforms",
                "The functions Φ that are applied to the calibrated reward. Each is typed as the \
                 text below, on the command line, in files and in code.",
                infalign::transform::REGISTRY,
            ),
        ),
        ("json.md", json::page()?),
        ("warnings.md", warnings::page()?),
    ];
    for (name, schema) in json::schemas() {
        pages.push((name, format!("{:#}\n", schema.as_value())));
    }
    let folder = Path::new("docs/src/reference");
    Ok(pages
        .into_iter()
        .map(|(name, text)| (folder.join(name), text))
        .collect())
}

/// `text` as one cell of a table: no line breaks, no bare bars.
fn cell(text: &str) -> String {
    text.split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_one_line_without_bars() {
        assert_eq!(cell("KL(π‖p) of\n  y|x"), "KL(π‖p) of y\\|x");
    }

    #[test]
    fn generation_is_repeatable() -> Result<()> {
        assert_eq!(reference()?, reference()?);
        Ok(())
    }
}
