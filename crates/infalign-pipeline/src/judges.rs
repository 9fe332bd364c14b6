//! The rewards of a run: the training reward and those that only judge, opened once.

use std::path::Path;

use infalign_data::Fingerprint;
use infalign_lm::Device;
use infalign_reward::{Asked, Dress, ModelReward, Opening, RawReward, Reward, RewardSpec};

use crate::{
    ask::Question,
    config::{Config, FIT, GOLD},
    error::{Error, Result},
};

/// The embedded task's gold reward behind the seam.
struct Gold;

impl Reward for Gold {
    fn name(&self) -> &str {
        GOLD
    }

    fn rewards(&mut self, asked: &[Asked<'_>]) -> infalign_reward::Result<Vec<RawReward>> {
        let one = |a: &Asked<'_>| {
            infalign_tavern::gold(a.prompt, a.response)
                .map(|r| RawReward(r as f32))
                .map_err(|e| infalign_reward::Error::Bug {
                    what: e.to_string(),
                })
        };
        asked.iter().map(one).collect()
    }

    fn identity(&self) -> String {
        format!("{GOLD} of infalign {}", env!("CARGO_PKG_VERSION"))
    }

    fn another(&self) -> Option<Box<dyn Reward>> {
        Some(Box::new(Self))
    }
}

/// A reward with the name that reports give it.
pub(crate) struct Judge {
    pub(crate) name: String,
    reward: Box<dyn Reward>,
}

impl Judge {
    /// Opens a reward of the configuration; `fitted` is where the run's own reward model lies.
    pub(crate) fn open(
        text: &str,
        config: &Config,
        fitted: &Path,
        device: &Device,
    ) -> Result<Self> {
        let mut opening = Opening::new(device.clone());
        opening.remote.patience.most_in_flight = config.server.in_flight;
        opening.remote.verdicts = Some(fitted.with_file_name("verdicts"));
        let reward: Box<dyn Reward> = match text {
            GOLD => Box::new(Gold),
            FIT => Box::new(ModelReward::open(fitted, Dress::Auto, false, device)?),
            other => {
                let spec: RewardSpec = other.parse()?;
                spec.within(config.root()).open(&opening)?
            }
        };
        Ok(Self {
            name: if text == FIT { "proxy" } else { text }.to_owned(),
            reward,
        })
    }

    /// Another for another thread, unless there shall be one of it only.
    pub(crate) fn another(&self) -> Option<Self> {
        Some(Self {
            name: self.name.clone(),
            reward: self.reward.another()?,
        })
    }

    /// The reward itself.
    pub(crate) fn into_reward(self) -> Box<dyn Reward> {
        self.reward
    }

    /// What decides its values.
    pub(crate) fn fingerprint(&self, inputs: Fingerprint) -> Fingerprint {
        inputs.bytes(&self.name, self.reward.identity().as_bytes())
    }

    /// Raw rewards of responses to their questions.
    pub(crate) fn rewards<'a>(
        &mut self,
        asked: impl Iterator<Item = (&'a Question, &'a str)>,
    ) -> Result<Vec<f32>> {
        let asked: Vec<Asked<'_>> = asked
            .map(|(question, response)| Asked {
                prompt_id: &question.prompt.id,
                prompt: &question.text,
                response,
                answer: question.answer.as_deref(),
            })
            .collect();
        let found = self.reward.rewards(&asked)?;
        if found.len() != asked.len() {
            return Err(Error::bug(format!(
                "`{}` gave {} rewards to {} responses",
                self.name,
                found.len(),
                asked.len()
            )));
        }
        Ok(found.into_iter().map(|r| r.0).collect())
    }
}
