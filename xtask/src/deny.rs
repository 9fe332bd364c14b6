//! `cargo xtask deny`: licences, bans and sources always; advisories when their database can be had.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

/// Runs cargo-deny. What could not be checked is said on a line of its own, never passed over.
pub(crate) fn run(root: &Path) -> Result<()> {
    if !cargo_deny(root, &["--version"])? {
        bail!(
            "deny: NOT CHECKED, cargo-deny is not installed; install it with:\n    \
             cargo install cargo-deny --locked"
        );
    }
    if !cargo_deny(root, &["check", "licenses", "bans", "sources"])? {
        bail!(
            "deny: a dependency breaks deny.toml; run it alone with:\n    \
             cargo deny check licenses bans sources"
        );
    }
    if !cargo_deny(root, &["fetch", "db"])? {
        println!("deny: advisories NOT CHECKED, their database could not be fetched");
        return Ok(());
    }
    if !cargo_deny(root, &["check", "--disable-fetch", "advisories"])? {
        bail!(
            "deny: a dependency has a security advisory; run it alone with:\n    \
             cargo deny check advisories"
        );
    }
    Ok(())
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
