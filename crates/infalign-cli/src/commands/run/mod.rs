//! `infalign run` and its stages: on recorded rollouts, or the whole way with a model.

mod model;
mod recorded;
mod summary;

use infalign_pipeline::Until;

pub(super) use model::name;

use crate::{
    args::{Run, Stage, Train},
    error::{Error, Result},
};

pub(super) fn run(args: &Run) -> Result<()> {
    check(args)?;
    match &args.rollouts {
        Some(rollouts) => recorded::run(args, rollouts),
        None => model::run(&model::Job {
            config: args.config.as_deref(),
            place: &args.place,
            trained: &args.trained,
            machine: &args.machine,
            format: args.format,
            dry: args.dry,
            side_by_side: args.side_by_side,
            until: Until::Report,
        }),
    }
}

/// Refuses flags of the other way to run, which would be ignored.
fn check(args: &Run) -> Result<()> {
    let columns = &args.columns;
    let said = if args.rollouts.is_none() {
        let typed = columns.prompt_column.is_some() || columns.reward_column.is_some();
        typed.then_some("--prompt-column and --reward-column are of a table: give it with --rollouts, or leave them out")
    } else {
        let typed = !args.place.set.is_empty();
        typed.then_some(
            "--set is of a configuration: with --rollouts, use --procedure, --kl and --transforms",
        )
    };
    said.map_or(Ok(()), |why| Err(Error::Usage(why.to_owned())))
}

/// The main job as far as a stage.
pub(super) fn stage(args: &Stage, trained: &[String], until: Until) -> Result<()> {
    model::run(&as_far_as(args, trained, until))
}

/// The main job as far as trained policies.
pub(super) fn train(args: &Train) -> Result<()> {
    model::run(&model::Job {
        side_by_side: args.side_by_side,
        ..as_far_as(&args.stage, &[], Until::Training)
    })
}

fn as_far_as<'a>(args: &'a Stage, trained: &'a [String], until: Until) -> model::Job<'a> {
    model::Job {
        config: args.config.as_deref(),
        place: &args.place,
        trained,
        machine: &args.machine,
        format: args.format,
        dry: false,
        side_by_side: None,
        until,
    }
}
