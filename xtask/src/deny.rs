//! `cargo xtask deny`: licences, bans and sources always; advisories when their database can be had. Of the program, and of the Python package.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

/// What is locked by itself.
const WORKSPACES: [&str; 2] = ["Cargo.toml", "python/Cargo.toml"];

/// Runs cargo-deny. What could not be checked is said on a line of its own, never passed over.
pub(crate) fn run(root: &Path) -> Result<()> {
    if !cargo_deny(root, &["--version"])? {
        bail!(
            "deny: NOT CHECKED, cargo-deny is not installed; install it with:\n    \
             cargo install cargo-deny --locked"
        );
    }
    for manifest in WORKSPACES {
        if !check(root, manifest, &["licenses", "bans", "sources"])? {
            bail!(
                "deny: a dependency breaks deny.toml; run it alone with:\n    \
                 cargo deny --manifest-path {manifest} --config deny.toml check licenses bans sources"
            );
        }
    }
    if !cargo_deny(root, &["fetch", "db"])? {
        println!("deny: advisories NOT CHECKED, their database could not be fetched");
        return Ok(());
    }
    for manifest in WORKSPACES {
        if !check(root, manifest, &["--disable-fetch", "advisories"])? {
            bail!(
                "deny: a dependency has a security advisory; run it alone with:\n    \
                 cargo deny --manifest-path {manifest} --config deny.toml check advisories"
            );
        }
    }
    Ok(())
}

/// Whether a workspace passes these checks of the one deny.toml.
fn check(root: &Path, manifest: &str, checks: &[&str]) -> Result<bool> {
    let config = root.join("deny.toml");
    let config = config
        .to_str()
        .context("the path of deny.toml is not UTF-8")?;
    let before = ["--manifest-path", manifest, "--config", config, "check"];
    cargo_deny(root, &[&before, checks].concat())
}

/// Whether `cargo deny` with these arguments succeeds.
fn cargo_deny(root: &Path, args: &[&str]) -> Result<bool> {
    Command::new("cargo")
        .arg("deny")
        .args(args)
        .current_dir(root)
        .status()
        .map(|status| status.success())
        .context("cannot start cargo")
}
