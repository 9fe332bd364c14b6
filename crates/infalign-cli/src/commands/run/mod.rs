//! `infalign run` and its stages: on recorded rollouts, or the whole way with a model.

mod model;
mod recorded;
mod summary;

use infalign_pipeline::Until;

use crate::{
    args::{Run, Stage},
    error::Result,
};

pub(super) fn run(args: &Run) -> Result<()> {
    match &args.rollouts {
        Some(rollouts) => recorded::run(args, rollouts),
        None => model::run(&model::Job {
            config: args.config.as_deref(),
            place: &args.place,
            machine: &args.machine,
            format: args.format,
            dry: args.dry,
            until: Until::Report,
        }),
    }
}

/// The main job as far as a stage.
pub(super) fn stage(args: &Stage, until: Until) -> Result<()> {
    model::run(&model::Job {
        config: args.config.as_deref(),
        place: &args.place,
        machine: &args.machine,
        format: args.format,
        dry: false,
        until,
    })
}
