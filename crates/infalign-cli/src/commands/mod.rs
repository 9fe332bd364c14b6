//! One file per command.

mod design;
mod devices;
mod list;
mod pretrain;
mod reward;
mod run;
mod sample;
mod score;
mod sft;
mod simulate;
mod training;

use crate::{
    args::{Args, Command},
    error::Result,
};

pub(crate) fn run(args: Args) -> Result<()> {
    match args.command {
        Command::Run(run) => run::run(&run),
        Command::Design(design) => design::run(&design),
        Command::Simulate(simulate) => simulate::run(&simulate),
        Command::Pretrain(pretrain) => pretrain::run(&pretrain),
        Command::Sft(sft) => sft::run(&sft),
        Command::Sample(sample) => sample::run(&sample),
        Command::Score(score) => score::run(&score),
        Command::Reward(reward) => reward::run(&reward),
        Command::Devices(devices) => devices::run(&devices),
        Command::Procedures(list) => list::run(infalign::procedure::REGISTRY, list.output),
        Command::Transforms(list) => list::run(infalign::transform::REGISTRY, list.output),
    }
}
