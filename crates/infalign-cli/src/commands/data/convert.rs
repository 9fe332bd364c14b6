//! `infalign data convert`: a data file in one of infalign's own forms.

use infalign_data::{ConvertOptions, OnBadRow, Target};

use crate::{
    args::{Convert, Format, To},
    error::Result,
    print,
};

/// Bad rows that are told in text; JSON lists more.
const TOLD: usize = 10;

pub(super) fn run(args: &Convert) -> Result<()> {
    let options = ConvertOptions {
        format: args.form.clone(),
        rename: args.rename.clone(),
        on_bad: if args.skip_bad {
            OnBadRow::Skip
        } else {
            OnBadRow::Fail
        },
        reward: args.reward_name.clone(),
    };
    let done = infalign_data::convert(&args.file, &args.out, target(args.to), &options)?;
    if args.format == Format::Json {
        return print::json(&done);
    }
    print::note(&format!("{} is {}: {}", done.file, done.format, done.why));
    print::note(&format!(
        "wrote {}: {} rows of {}",
        done.out, done.rows, done.to
    ));
    if done.repeated > 0 {
        print::note(&format!(
            "{} rows left out whose prompt had come before",
            done.repeated
        ));
    }
    if done.bad.count > 0 {
        print::caveat(format!(
            "{} rows cannot be used and were left out",
            done.bad.count
        ));
        for error in done.bad.first.iter().take(TOLD) {
            print::caveat(error);
        }
        if done.bad.count > TOLD as u64 {
            print::note("more of them: --format json");
        }
    }
    Ok(())
}

const fn target(to: To) -> Target {
    match to {
        To::Prompts => Target::Prompts,
        To::Rollouts => Target::Rollouts,
        To::Rewards => Target::Rewards,
        To::Preferences => Target::Preferences,
        To::Samples => Target::Samples,
    }
}
