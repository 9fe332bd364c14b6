//! `infalign reward`: reward models from preferences.

mod eval;
mod pairs;
mod train;

use crate::{
    args::{Dress, Reward, RewardCommand},
    error::Result,
};

pub(super) fn run(args: &Reward) -> Result<()> {
    match &args.command {
        RewardCommand::Train(args) => train::run(args),
        RewardCommand::Eval(args) => eval::run(args),
    }
}

/// As typed.
pub(super) const fn dress(typed: Dress) -> infalign_reward::Dress {
    match (typed.chat, typed.raw) {
        (true, _) => infalign_reward::Dress::Chat,
        (_, true) => infalign_reward::Dress::Raw,
        _ => infalign_reward::Dress::Auto,
    }
}
