//! `infalign design`: the analytical tool on the command line.

use infalign::{
    design::{Budget, Question, design, design_levels},
    raw::RawRewards,
};
use infalign_data::{ReadOptions, read_table, write_atomic};
use infalign_report::{Format as Picture, design_plot};

use crate::{
    args::{Design, Format},
    error::{Error, Result},
    print, resolve,
};

pub(super) fn run(args: &Design) -> Result<()> {
    // A file name that cannot be drawn into is refused before anything is computed.
    let picture = args.plot.as_deref().map(Picture::of).transpose()?;
    let budget = match (args.kl, args.beta) {
        (Some(kl), _) => Budget::Kl(kl),
        (None, Some(beta)) => Budget::Beta(beta),
        (None, None) => return Err(Error::Usage("give --kl X or --beta B".to_owned())),
    };
    let question = Question {
        transforms: resolve::transforms(&args.transforms)?,
        k: args.k,
        raw: raw(args)?,
        frontier: args.frontier || picture.is_some(),
        phi: picture.is_some(),
        threads: args.output.threads.get(),
        ..Question::new(resolve::procedure(&args.procedure)?, budget)
    };
    let mut answer = if args.levels.is_empty() {
        design(&question)?
    } else {
        design_levels(&question, &args.levels)?
    };
    if let (Some(path), Some(picture)) = (&args.plot, picture) {
        let bytes = design_plot(&answer, picture)?;
        write_atomic(path, |mut file| {
            std::io::Write::write_all(&mut file, &bytes)
        })?;
        print::note(&format!("wrote {}", path.display()));
    }
    match args.output.format {
        Format::Json => {
            if !args.frontier {
                answer.points.clear();
                answer.phi.clear();
            }
            for warning in &answer.warnings {
                print::warning(warning);
            }
            print::json(&answer)
        }
        Format::Text => print::design(&answer, args.frontier),
    }
}

fn raw(args: &Design) -> Result<Option<RawRewards>> {
    let Some(path) = &args.calibration else {
        return Ok(None);
    };
    let options = ReadOptions {
        prompt_column: args.columns.prompt_column.clone(),
        reward_column: args.columns.reward_column.clone(),
        ..ReadOptions::default()
    };
    let table = read_table(path, &options)?;
    let rows = (0..table.prompts()).map(|prompt| table.rewards(0, prompt));
    Ok(Some(RawRewards::new(rows)?))
}
