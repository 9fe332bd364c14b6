//! Stage `reward-model`: a reward model trained on preferences, before anything is rewarded.

use std::path::PathBuf;

use infalign_data::RunDir;

use super::base::BasePolicy;
use crate::{ask::Questions, config::Config, error::Result, run::Around};

/// Trains the reward model where the configuration wants one; the place where it lies.
pub(crate) fn fit(
    dir: &mut RunDir,
    _around: &mut Around<'_>,
    _config: &Config,
    _base: &BasePolicy,
    _questions: &Questions,
) -> Result<PathBuf> {
    Ok(dir.file("reward-model"))
}
