//! `cargo xtask tiny`: makes the tiny policy of crate `infalign-tavern` again, from its tables, its grammar and two seeds.

use std::{
    fs,
    io::{BufWriter, Write},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};
use infalign_tavern::{CONFIG, POLICY_FILES, grammar, tokenizer_config_json, tokenizer_json};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde_json::json;

/// Lines of the guest book that the policy learns from.
const LINES: usize = 200_000;
/// Decides the lines.
const LINES_SEED: u64 = 1;
/// Where the policy lives.
const ASSETS: &str = "crates/infalign-tavern/assets/policy";
/// How it learns: one thread, so that the same machine gives the same bytes.
const TRAINING: &[&str] = &[
    "--steps=900",
    "--context=64",
    "--batch-size=64",
    "--learning-rate=4e-3",
    "--weight-decay=0.01",
    "--floor=0.02",
    "--seed=0",
    "--threads=1",
];

/// Writes the lines, the tokenizer and the configuration into a folder that is thrown away, trains by `infalign pretrain` (`program`, or one
/// that is built first), and puts the model in place of the old one.
pub(crate) fn run(root: &Path, program: Option<&Path>) -> Result<()> {
    let work = tempfile::tempdir().context("no folder to work in")?;
    let at = |name: &str| work.path().join(name);
    write_lines(&at("lines.jsonl"))?;
    fs::write(at("config.json"), CONFIG)?;
    fs::create_dir(at("tokenizer"))?;
    fs::write(at("tokenizer/tokenizer.json"), tokenizer_json())?;
    fs::write(
        at("tokenizer/tokenizer_config.json"),
        tokenizer_config_json(),
    )?;
    let mut infalign = start(root, program);
    infalign
        .arg("pretrain")
        .arg("--config")
        .arg(at("config.json"))
        .arg("--tokenizer")
        .arg(at("tokenizer"))
        .arg("--data")
        .arg(at("lines.jsonl"))
        .arg("--out")
        .arg(at("policy"))
        .args(TRAINING);
    let status = infalign.status().context("cannot start the training")?;
    if !status.success() {
        bail!("the training failed: {status}");
    }
    let assets: PathBuf = root.join(ASSETS);
    let mut total = 0;
    for (name, _) in POLICY_FILES {
        total += fs::copy(at("policy").join(name), assets.join(name))
            .with_context(|| format!("cannot put {name} into {}", assets.display()))?;
    }
    println!("{}: {total} bytes", assets.display());
    Ok(())
}

/// The program, or cargo told to build and run it.
fn start(root: &Path, program: Option<&Path>) -> Command {
    if let Some(program) = program {
        return Command::new(program);
    }
    let mut cargo = Command::new("cargo");
    cargo.args(["run", "--release", "-p", "infalign-cli", "--"]);
    cargo.current_dir(root);
    cargo
}

fn write_lines(path: &Path) -> Result<()> {
    let mut rng = ChaCha8Rng::seed_from_u64(LINES_SEED);
    let mut file = BufWriter::new(fs::File::create(path)?);
    for _ in 0..LINES {
        let line = grammar::line(&mut rng);
        let text = line.prompt + &line.response;
        writeln!(file, "{}", json!({"text": text}))?;
    }
    Ok(file.flush()?)
}
