//! Writes every picture and page that this crate makes: `cargo run --example pictures -- FOLDER`.

#[path = "../tests/fixture/mod.rs"]
mod fixture;

use std::{error::Error, fs, path::PathBuf};

use fixture::Procedure::{BestOf, WorstOf};
use infalign_report::{Format, design_plot};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = PathBuf::from(std::env::args().nth(1).ok_or("name a folder to write to")?);
    fs::create_dir_all(&folder)?;
    for (procedure, kl) in [(BestOf(4), 0.5), (WorstOf(4), 0.5)] {
        let design = fixture::design(procedure, kl);
        let name = procedure.name().replace(':', "-");
        for (format, ending) in
            [(Format::Html, "html"), (Format::Svg, "svg"), (Format::Png, "png")]
        {
            fs::write(folder.join(format!("{name}.{ending}")), design_plot(&design, format)?)?;
        }
    }
    Ok(())
}
