//! `infalign config`: the default configuration, its schema, a check of the user's.

use infalign_pipeline::{Config, config};

use crate::{
    args::{Config as Args, ConfigAction},
    error::Result,
    print,
};

pub(super) fn run(args: &Args) -> Result<()> {
    match &args.action {
        ConfigAction::Default => print::text(Config::default().to_toml()),
        ConfigAction::Schema => print::json(&config::schema()),
        ConfigAction::Check { config, set } => {
            print::text(config::read(Some(config), set)?.to_toml())
        }
    }
}
