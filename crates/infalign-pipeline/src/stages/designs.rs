//! Stage `design`: which Φ and β spend the budget, predicted from the calibration table before any training.

use infalign::{design::Design, raw::RawRewards};
use infalign_data::{Fingerprint, RunDir};

use super::write_json;
use crate::{
    config::Config,
    error::Result,
    variants::{Variant, design},
};

const DESIGN: &str = "design.json";

/// The designs, and the policies to train.
pub(crate) fn designs(
    dir: &mut RunDir,
    config: &Config,
    rewards: &[Vec<f32>],
) -> Result<(Vec<Design>, Vec<Variant>)> {
    let k = config.calibration.rollouts;
    let table = RawRewards::new(rewards.iter().map(|r| &r[..k]))?;
    let (designs, variants) = design(config, &table)?;
    let inputs = Fingerprint::new()
        .stage(dir, "calibration")?
        .value("design", &config.design)?
        .value("beta", &config.train.beta)?;
    dir.stage("design", &inputs, &[DESIGN], |dir| {
        write_json(dir, DESIGN, &designs)
    })?;
    Ok((designs, variants))
}
