//! Stage `policy`: the base policy's folder; the embedded one is written out first.

use std::path::{Path, PathBuf};

use infalign_data::{Fingerprint, RunDir};
use infalign_lm::{Device, Folder};
use infalign_train::{Base, Lora, Policy};

use crate::{
    config::{Config, TAVERN},
    error::Result,
};

pub(crate) const FOLDER: &str = "policy";

/// Where the base lies, and what it is.
pub(crate) struct BasePolicy {
    pub(crate) folder: Folder,
    pub(crate) policy: Policy,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) name: String,
}

/// Opens the base.
pub(crate) fn open(dir: &mut RunDir, config: &Config, device: &Device) -> Result<BasePolicy> {
    let place: PathBuf = if config.policy.model == TAVERN {
        let outputs: Vec<String> = infalign_tavern::POLICY_FILES
            .iter()
            .map(|(name, _)| format!("{FOLDER}/{name}"))
            .collect();
        let outputs: Vec<&str> = outputs.iter().map(String::as_str).collect();
        let inputs = Fingerprint::new().bytes("task", TAVERN.as_bytes());
        dir.stage(FOLDER, &inputs, &outputs, |dir| -> Result<()> {
            infalign_tavern::write_policy(dir.file(FOLDER))?;
            Ok(())
        })?;
        dir.file(FOLDER)
    } else {
        config.at(&config.policy.model)
    };
    at(&place, config, device)
}

/// The base of a folder.
pub(crate) fn at(place: &Path, config: &Config, device: &Device) -> Result<BasePolicy> {
    let folder = Folder::open(place)?;
    let mut fingerprint = Fingerprint::new().value("lora", &config.policy.lora_rank)?;
    for file in infalign_reward::model_files(place)? {
        let name = file.file_name().map(|n| n.to_string_lossy().into_owned());
        fingerprint = fingerprint.file(&name.unwrap_or_default(), &file)?;
    }
    let lora = (config.policy.lora_rank > 0).then(|| Lora {
        rank: config.policy.lora_rank,
        alpha: config.policy.lora_alpha,
        targets: vec!["all-linear".to_owned()],
    });
    Ok(BasePolicy {
        policy: Policy {
            base: Base::Folder(Box::new(folder.clone())),
            lora,
            seed: config.seed,
            device: device.clone(),
        },
        name: match config.policy.model.as_str() {
            TAVERN => "the tavern's policy".to_owned(),
            other => other.to_owned(),
        },
        folder,
        fingerprint,
    })
}
