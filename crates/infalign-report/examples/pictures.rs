//! Writes every picture and page that this crate makes: `cargo run --example pictures -- FOLDER`.

#[path = "../tests/fixture/design.rs"]
mod fixture;
#[path = "../tests/fixture/recorded.rs"]
mod rollouts;

use std::{error::Error, fs, path::PathBuf};

use infalign_report::{Format, Meta, design_plot, recorded_report};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = PathBuf::from(std::env::args().nth(1).ok_or("name a folder to write to")?);
    fs::create_dir_all(&folder)?;
    let mut designs = Vec::new();
    for procedure in ["best-of:4", "worst-of:4"] {
        designs.extend(fixture::designs(procedure, &[0.1, 0.5, 1.0, 2.0]));
    }
    for design in designs.iter().filter(|design| design.kl == 0.5) {
        let name = design.procedure.replace(':', "-");
        for (format, ending) in [
            (Format::Html, "html"),
            (Format::Svg, "svg"),
            (Format::Png, "png"),
        ] {
            fs::write(
                folder.join(format!("{name}.{ending}")),
                design_plot(design, format)?,
            )?;
        }
    }
    let meta = Meta {
        title: "Inference-aware alignment on a fixture".to_owned(),
        entries: vec![
            (
                "command".to_owned(),
                "cargo run --example pictures".to_owned(),
            ),
            ("version".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
        ],
    };
    for (name, judges) in [
        ("report", &["proxy", "gold"][..]),
        ("report-one-judge", &["reward"]),
        (
            "report-three-judges",
            &["a_reward_model_with_a_long_name-v2.1", "gold", "length"],
        ),
    ] {
        let recorded = rollouts::recorded(&designs, judges);
        fs::write(
            folder.join(format!("{name}.html")),
            recorded_report(&recorded, &designs, &meta)?,
        )?;
    }
    Ok(())
}
