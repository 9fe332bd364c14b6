//! Where a run's model comes from: fresh or from a folder, whole or with adapters; at its beginning, or as a checkpoint has it.

use std::path::Path;

use infalign_lm::{Adapter, Decoder, Device, Dtype, Folder, Spec, Weights, WriteOptions};
use serde::Serialize;

use crate::error::Result;

const MODEL: &str = "model";
const ADAPTER: &str = "adapter";

/// What a run begins with.
#[derive(Debug, Clone)]
pub enum Base {
    /// Weights drawn for a description.
    Fresh(Box<Spec>),
    /// The model of a folder.
    Folder(Box<Folder>),
}

/// Low-rank adapters (LoRA, arXiv 2106.09685).
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Lora {
    /// r.
    pub rank: usize,
    /// α: the product is scaled by α / r.
    pub alpha: f64,
    /// Module names or their ends, or `all-linear`.
    pub targets: Vec<String>,
}

/// A run's model before its first step, which is a function of these.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Its weights.
    pub base: Base,
    /// Adapters, which are then all that is trained.
    pub lora: Option<Lora>,
    /// Decides fresh weights.
    pub seed: u64,
    /// Where it runs.
    pub device: Device,
}

impl Policy {
    /// What the decoder is.
    #[must_use]
    pub fn spec(&self) -> &Spec {
        match &self.base {
            Base::Fresh(spec) => spec,
            Base::Folder(folder) => folder.spec(),
        }
    }

    /// The folder that it comes from.
    #[must_use]
    pub fn folder(&self) -> Option<&Folder> {
        match &self.base {
            Base::Fresh(_) => None,
            Base::Folder(folder) => Some(folder),
        }
    }

    /// As it is before the first step.
    pub(crate) fn begin(&self) -> Result<Decoder> {
        let base = self.base()?;
        Ok(match &self.lora {
            Some(lora) => {
                base.with_fresh_adapter(lora.rank, lora.alpha, &lora.targets, self.seed)?
            }
            None => base,
        })
    }

    /// As a checkpoint has it.
    pub(crate) fn at(&self, checkpoint: &Path) -> Result<Decoder> {
        if self.lora.is_some() {
            let base = self.base()?;
            let adapter = Adapter::read(checkpoint.join(ADAPTER), base.spec())?;
            return Ok(base.with_adapter(&adapter)?);
        }
        let spec = self.spec().clone();
        let weights = Weights::open(checkpoint.join(MODEL), &spec)?;
        Ok(Decoder::load(spec, &weights, self.seed, &self.device)?)
    }

    /// Writes what is trained into a checkpoint.
    pub(crate) fn save(model: &Decoder, checkpoint: &Path) -> Result<()> {
        match model.adapter(None) {
            Some(adapter) => adapter.save(checkpoint.join(ADAPTER), model.spec(), Dtype::F32)?,
            None => model.save(
                checkpoint.join(MODEL),
                None,
                WriteOptions::default(),
                |_| Ok(()),
            )?,
        }
        Ok(())
    }

    fn base(&self) -> Result<Decoder> {
        Ok(match &self.base {
            Base::Fresh(spec) => Decoder::fresh((**spec).clone(), self.seed, &self.device),
            Base::Folder(folder) => {
                Decoder::open(folder, folder.spec().head, self.seed, &self.device)?
            }
        })
    }
}
