//! What a reward model begins as: the body of any checkpoint under a head with one label.

use std::path::Path;

use infalign_lm::{Decoder, Device, Folder, Head, Spec, Weights, WriteOptions};

use crate::error::{Error, Result};

const MODEL: &str = "model";
const HEAD: Head = Head::Classifier { labels: 1 };

/// Where the weights come from. A classifier of one label keeps its head; a language model gets a fresh one, N(0, `initializer_range`²), small
/// beside the normalised states, so that rewards begin near 0.
#[derive(Debug, Clone)]
pub enum Start {
    /// A folder in the hub's layout, to run on a device.
    Folder(Box<Folder>, Device),
    /// A model in memory, adapters merged.
    Model(Box<Decoder>),
}

impl Start {
    /// The folder whose tokenizer goes along.
    #[must_use]
    pub fn folder(&self) -> Option<&Folder> {
        match self {
            Self::Folder(folder, _) => Some(folder),
            Self::Model(_) => None,
        }
    }

    /// The reward model's description.
    ///
    /// # Errors
    /// [`Error::Setting`] for a classifier of several labels or a value head.
    pub fn spec(&self) -> Result<Spec> {
        let spec = match self {
            Self::Folder(folder, _) => folder.spec(),
            Self::Model(model) => model.spec(),
        };
        match spec.head {
            Head::CausalLm | HEAD => Ok(spec.clone().with_head(HEAD)),
            other => Err(Error::Setting {
                field: "model",
                value: format!("{other:?}"),
                allowed: "a language model, or a classifier of one label",
            }),
        }
    }

    /// As it is before the first step.
    pub(super) fn begin(&self, seed: u64) -> Result<Decoder> {
        let spec = self.spec()?;
        Ok(match self {
            Self::Folder(folder, device) => Decoder::open(folder, spec.head, seed, device)?,
            Self::Model(model) => model.with_head(spec.head, seed),
        })
    }

    /// As a checkpoint has it.
    pub(super) fn at(&self, checkpoint: &Path, seed: u64) -> Result<Decoder> {
        let spec = self.spec()?;
        let device = match self {
            Self::Folder(_, device) => device,
            Self::Model(model) => model.device(),
        };
        let weights = Weights::open(checkpoint.join(MODEL), &spec)?;
        Ok(Decoder::load(spec, &weights, seed, device)?)
    }

    /// Writes the model into a checkpoint.
    pub(super) fn save(model: &Decoder, checkpoint: &Path) -> Result<()> {
        let place = checkpoint.join(MODEL);
        Ok(model.save(place, None, WriteOptions::default(), |_| Ok(()))?)
    }
}
