//! One file per command.

mod design;
mod list;
mod run;
mod simulate;

use crate::{
    args::{Args, Command},
    error::Result,
};

pub(crate) fn run(args: Args) -> Result<()> {
    match args.command {
        Command::Run(run) => run::run(&run),
        Command::Design(design) => design::run(&design),
        Command::Simulate(simulate) => simulate::run(&simulate),
        Command::Procedures(list) => list::run(infalign::procedure::REGISTRY, list.output),
        Command::Transforms(list) => list::run(infalign::transform::REGISTRY, list.output),
    }
}
