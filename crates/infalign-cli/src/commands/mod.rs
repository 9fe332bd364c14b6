//! One file per command.

mod bad_rows;
mod calibrate;
mod config;
mod data;
mod design;
mod devices;
mod evaluate;
mod judging;
mod list;
mod pretrain;
mod report;
mod responses;
mod reward;
mod run;
mod sample;
mod score;
mod serve;
mod sft;
mod shell;
mod simulate;
mod training;

use infalign_pipeline::Until;

use crate::{
    args::{Args, Command},
    error::Result,
};

pub(crate) fn run(args: Args) -> Result<()> {
    match args.command {
        Command::Run(args) => run::run(&args),
        Command::Rollout(args) => run::stage(&args, &[], Until::Rollouts),
        Command::Calibrate(args) if args.rewards.is_empty() => {
            run::stage(&args.stage, &[], Until::Design)
        }
        Command::Calibrate(args) => calibrate::run(&args),
        Command::Train(args) => run::train(&args),
        Command::Distill(args) => {
            let resample = args.resample.map(std::num::NonZero::get);
            run::stage(&args.stage, &[], Until::Distill(resample))
        }
        Command::Evaluate(args) if args.samples.is_empty() && args.verdicts.is_empty() => {
            args.judging.check(judging::Judges::default())?;
            run::stage(&args.stage, &args.trained, Until::Evaluation)
        }
        Command::Evaluate(args) => evaluate::run(&args),
        Command::Report(args) => report::run(&args),
        Command::Serve(args) => serve::run_service(&args),
        Command::Config(args) => config::run(&args),
        Command::Data(args) => data::run(&args),
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
        Command::Completions(args) => shell::completions(&args),
        Command::Man(args) => shell::man(&args),
    }
}
