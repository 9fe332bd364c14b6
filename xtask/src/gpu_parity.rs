//! `cargo xtask gpu-parity [DEVICE]`: the whole agreement with transformers, on any device that this machine has.

use std::{path::Path, process::Command};

use anyhow::{Context, Result, bail};

/// Runs the parity tests on `device` (`wgpu`, `wgpu:1`, `cuda`, …), in a build that has its kind.
pub(crate) fn run(root: &Path, device: &str) -> Result<()> {
    let kind = device.split(':').next().unwrap_or(device);
    let mut cargo = Command::new("cargo");
    cargo.args(["test", "-p", "infalign-lm", "--lib"]);
    if kind != "cpu" {
        cargo.args(["--features", kind]);
    }
    // One test at a time: a device is not shared well, and its memory is one.
    let status = cargo
        .args(["parity", "--", "--test-threads=1"])
        .env("INFALIGN_PARITY_DEVICE", device)
        .current_dir(root)
        .status()
        .context("cannot start cargo")?;
    if !status.success() {
        bail!("the parity tests do not hold on {device}: {status}");
    }
    println!("parity holds on {device}");
    Ok(())
}
