//! What `infalign serve` answers from, of a run that is calibrated: the calibration, the policies with their Φ, the reward, the prompts, the base.

use std::path::{Path, PathBuf};

use infalign::raw::RawRewards;
use infalign_data::{Lookup, Turns, read_calibration, read_rewards};
use infalign_lm::{Device, Folder};
use infalign_reward::Reward;
use infalign_tavern::write_policy;

use crate::{
    ask::{Question, Questions, question, text},
    config::{Config, TAVERN},
    error::{Error, Result},
    judges::Judge,
    stages::{
        base,
        calibration::{CALIBRATION, REWARDS},
        fit,
        rollouts::sampling,
        source::{Drawn, Source},
    },
    variants::{Variant, design},
};

/// A calibrated run, read without changing it.
#[derive(Debug)]
pub struct Calibrated {
    directory: PathBuf,
    /// The policies of the run.
    pub variants: Vec<Variant>,
    /// The base's rewards by prompt id.
    pub calibration: Lookup,
}

impl Calibrated {
    /// Reads a run directory.
    ///
    /// # Errors
    /// [`Error::Config`] where the run is of another configuration or not calibrated yet.
    pub fn open(config: &Config, directory: &Path) -> Result<Self> {
        let (rewards, table) = (directory.join(REWARDS), directory.join(CALIBRATION));
        let refused = |why: &str| Error::Config {
            place: directory.display().to_string(),
            why: why.to_owned(),
        };
        if !rewards.exists() || !table.exists() {
            return Err(refused(
                "no calibrated run is there; `infalign calibrate` with the same configuration makes it one",
            ));
        }
        let stored = std::fs::read_to_string(directory.join("config.toml")).unwrap_or_default();
        if stored != config.to_toml() {
            return Err(refused(
                "the run there has another configuration; name it with --name, or calibrate with this one",
            ));
        }
        let k = config.calibration.rollouts;
        let (rows, _) = read_rewards(&rewards)?;
        let table_of_raw = RawRewards::new(
            rows.iter()
                .map(|row| &row.rewards[..k.min(row.rewards.len())]),
        )?;
        let (_, variants) = design(config, &table_of_raw)?;
        Ok(Self {
            directory: directory.to_owned(),
            variants,
            calibration: Lookup::new(read_calibration(&table)?)?,
        })
    }

    /// The policy of that name; the only one, where none is named.
    ///
    /// # Errors
    /// [`Error::Config`] lists the names.
    pub fn variant(&self, name: Option<&str>) -> Result<&Variant> {
        let found = match (name, self.variants.as_slice()) {
            (Some(name), all) => all.iter().find(|v| v.name == name),
            (None, [only]) => Some(only),
            (None, _) => None,
        };
        let names: Vec<&str> = self.variants.iter().map(|v| v.name.as_str()).collect();
        found.ok_or_else(|| Error::Config {
            place: "--policy".to_owned(),
            why: format!("give one of this run's policies: {}", names.join(", ")),
        })
    }

    /// The prompts that are trained on and those that are held out: id, text or messages, answer.
    ///
    /// # Errors
    /// As a run says of its prompts.
    pub fn prompts(&self, config: &Config) -> Result<Vec<(String, Turns, Option<String>)>> {
        let all = self.questions(config)?;
        let one = |q: Question| (q.prompt.id.to_string(), q.turns, q.answer);
        Ok(all
            .training
            .into_iter()
            .chain(all.held_out)
            .map(one)
            .collect())
    }

    fn questions(&self, config: &Config) -> Result<Questions> {
        let folder = self.policy(config).map(Folder::open).transpose()?;
        Questions::read(config, folder.as_ref())
    }

    /// Where the base lies, unless it is a server.
    fn policy(&self, config: &Config) -> Option<PathBuf> {
        match config.policy.model.as_str() {
            TAVERN => Some(self.directory.join(base::FOLDER)),
            _ if config.is_served() => None,
            model => Some(config.at(model)),
        }
    }

    /// Opens the training reward.
    ///
    /// # Errors
    /// What the reward refuses.
    pub fn reward(&self, config: &Config, device: &Device) -> Result<Box<dyn Reward>> {
        let fitted = self.directory.join(fit::FOLDER);
        Ok(Judge::open(&config.reward.train_on, config, &fitted, device)?.into_reward())
    }

    /// How the run's policy sees prompts.
    ///
    /// # Errors
    /// A folder that cannot be read.
    pub fn wording(&self, config: &Config) -> Result<Wording> {
        let folder = self.policy(config).map(Folder::open).transpose()?;
        Ok(Wording(folder))
    }

    /// Opens the base, for prompts that were never calibrated.
    ///
    /// # Errors
    /// What the model or server refuses.
    pub fn base(&self, config: &Config, device: &Device) -> Result<BaseDraws> {
        let folder = match self.policy(config) {
            Some(place) => {
                if config.policy.model == TAVERN && !place.exists() {
                    write_policy(&place)?;
                }
                Some(Folder::open(place)?)
            }
            None => None,
        };
        let source = match &folder {
            Some(folder) => Source::of_folder(folder.clone(), device),
            None => Source::open(&config.policy.model, config, device)?,
        };
        Ok(BaseDraws {
            source,
            folder,
            config: config.clone(),
        })
    }
}

/// What a run's policy sees of prompts: what its rewards were asked with.
#[derive(Debug, Clone)]
pub struct Wording(Option<Folder>);

impl Wording {
    /// The text of a prompt.
    ///
    /// # Errors
    /// As a run says of its prompts.
    pub fn text(&self, id: &str, prompt: &Turns) -> Result<String> {
        Ok(text(id, prompt, self.0.as_ref())?.0)
    }
}

/// Draws of the base for one prompt at a time.
pub struct BaseDraws {
    source: Source,
    folder: Option<Folder>,
    config: Config,
}

impl std::fmt::Debug for BaseDraws {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BaseDraws").finish_non_exhaustive()
    }
}

impl BaseDraws {
    /// `k` responses, which depend on the prompt and the seed alone.
    ///
    /// # Errors
    /// A prompt that the model cannot take; [`Error::Unanswered`].
    pub fn draw(&mut self, id: &str, prompt: &Turns, k: usize, seed: u64) -> Result<Vec<String>> {
        let question = question(id, prompt, None, self.folder.as_ref())?;
        let mut sampling = sampling(&self.config, "serve");
        sampling.seed = seed;
        let nowhere = (Path::new(""), "");
        match self.source.rows(&[question], k, &sampling, nowhere)? {
            Drawn::Whole(mut rows) => Ok(rows.pop().map(|row| row.responses).unwrap_or_default()),
            Drawn::Without(missing) => Err(Error::Unanswered {
                of: 1,
                list: PathBuf::new(),
                missing,
            }),
        }
    }
}
