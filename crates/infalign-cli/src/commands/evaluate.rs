//! `infalign evaluate --samples` and `--verdicts`: files of any tool to inference-time win rates, without a model.

mod matched;
mod samples;
mod verdicts;

use super::judging::Judges;
use crate::{
    args::Evaluate,
    error::{Error, Result},
    print,
};

pub(super) fn run(args: &Evaluate) -> Result<()> {
    let place = &args.stage.place;
    if !place.set.is_empty() || place.name.is_some() || place.overwrite {
        return Err(Error::Usage(
            "--set, --name and --overwrite are of the main job: with --samples and --verdicts, use --out".to_owned(),
        ));
    }
    if args.stage.machine.quiet {
        print::hush();
    }
    if args.verdicts.is_empty() {
        samples::run(args)
    } else {
        args.judging.check(Judges::default())?;
        verdicts::run(args)
    }
}

/// Makes the folder of `--out`.
fn make(folder: &std::path::Path) -> Result<()> {
    Ok(
        std::fs::create_dir_all(folder).map_err(|source| infalign_data::Error::Write {
            path: folder.to_owned(),
            source,
        })?,
    )
}
