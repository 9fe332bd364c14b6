//! Stage `policy`: the base policy, a folder or a server; the embedded one is written out first.

use std::path::{Path, PathBuf};

use infalign_data::{Fingerprint, RunDir};
use infalign_lm::{Device, Folder};
use infalign_train::{Base as Origin, Lora, Policy};

use super::source::Source;
use crate::{
    config::{Config, TAVERN},
    error::{Error, Result},
};

pub(crate) const FOLDER: &str = "policy";

/// The base: where its responses come from, and what decides them.
pub(crate) struct Base {
    pub(crate) source: Source,
    here: Option<Here>,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) name: String,
}

/// A base whose weights are here.
pub(crate) struct Here {
    pub(crate) folder: Folder,
    pub(crate) policy: Policy,
}

impl Base {
    /// Its folder, unless it is a server.
    pub(crate) fn folder(&self) -> Option<&Folder> {
        self.here.as_ref().map(|here| &here.folder)
    }

    /// What training begins with.
    ///
    /// # Errors
    /// [`Error::Bug`] for a server: the configuration's check refuses to train one.
    pub(crate) fn here(&self) -> Result<&Here> {
        self.here
            .as_ref()
            .ok_or_else(|| Error::bug("a server was to be trained"))
    }
}

/// Opens the base.
pub(crate) fn open(dir: &mut RunDir, config: &Config, device: &Device) -> Result<Base> {
    if config.is_served() {
        let source = Source::open(&config.policy.model, config, device)?;
        return Ok(Base {
            fingerprint: source.fingerprint(Fingerprint::new())?,
            name: source.name(&config.policy.model),
            source,
            here: None,
        });
    }
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
pub(crate) fn at(place: &Path, config: &Config, device: &Device) -> Result<Base> {
    let folder = Folder::open(place)?;
    let source = Source::of_folder(folder.clone(), device);
    let lora = Fingerprint::new().value("lora", &config.policy.lora_rank)?;
    let fingerprint = source.fingerprint(lora)?;
    let lora = (config.policy.lora_rank > 0).then(|| Lora {
        rank: config.policy.lora_rank,
        alpha: config.policy.lora_alpha,
        targets: vec!["all-linear".to_owned()],
    });
    Ok(Base {
        source,
        here: Some(Here {
            policy: Policy {
                base: Origin::Folder(Box::new(folder.clone())),
                lora,
                seed: config.seed,
                device: device.clone(),
            },
            folder,
        }),
        name: match config.policy.model.as_str() {
            TAVERN => "the tavern's policy".to_owned(),
            other => other.to_owned(),
        },
        fingerprint,
    })
}
