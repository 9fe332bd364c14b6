//! Writes pages of made-up runs, to be looked at: `cargo run --example run_pages -- FOLDER`.

#[path = "../tests/fixture/design.rs"]
mod fixture;
#[path = "../tests/fixture/run.rs"]
mod runs;

use std::{error::Error, fs, path::PathBuf};

use infalign_report::{compare_report, run_report};

const REWARDS: [(&str, Option<&str>); 4] = [
    ("raw", None),
    ("identity", Some("standard")),
    ("exp:10", Some("best-of:4")),
    ("exp:-10", Some("worst-of:4")),
];

fn main() -> Result<(), Box<dyn Error>> {
    let folder = PathBuf::from(std::env::args().nth(1).ok_or("name a folder to write to")?);
    fs::create_dir_all(&folder)?;
    let mut designs = Vec::new();
    for procedure in ["best-of:4", "worst-of:4"] {
        designs.extend(fixture::designs(procedure, &[0.5]));
    }
    let one = runs::Setting {
        prompts: 128,
        samples: 32,
        rewards: &REWARDS,
        procedures: &[
            "standard",
            "best-of:4",
            "worst-of:4",
            "best-of:2",
            "worst-of:2",
            "best-of:16",
            "worst-of:16",
        ],
        budgets: &[0.5],
        seeds: &[1],
        missed: 0.1,
        threshold: Some(-0.5),
        duels: true,
        steps: 200,
    };
    let sweep = runs::Setting {
        rewards: &[
            REWARDS[0],
            REWARDS[1],
            REWARDS[2],
            REWARDS[3],
            ("exp:5", Some("best-of:4")),
        ],
        budgets: &[0.5, 1.0],
        seeds: &[1, 2, 3, 4, 5],
        missed: 0.2,
        threshold: None,
        duels: false,
        steps: 400,
        ..one
    };
    let one = runs::report(&one, &designs);
    fs::write(folder.join("one.html"), run_report(&one)?)?;
    let sweep = runs::report(&sweep, &designs);
    fs::write(folder.join("sweep.html"), run_report(&sweep)?)?;
    fs::write(
        folder.join("compare.html"),
        compare_report(&[("tavern", &one), ("tavern-sweep", &sweep)])?,
    )?;
    Ok(())
}
