//! The rewards of a run: the training reward and those that only judge, opened once.

use std::{path::Path, time::Duration};

use infalign_data::Fingerprint;
use infalign_lm::Device;
use infalign_remote::{
    Patience,
    reward::{self as remote, JudgeOptions, JudgeSpec},
};
use infalign_reward::{
    Asked, Dress, ModelReward, Opening, RawReward, RemoteOpening, Reward, RewardSpec, open_judge,
};

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

/// What reward servers and judges of a run are asked with. Their key is that of `INFALIGN_API_KEY`: `server.key` is the policy's.
fn asking(config: &Config, fitted: &Path) -> Result<RemoteOpening> {
    Ok(RemoteOpening {
        patience: Patience {
            deadline: Duration::from_secs_f64(config.server.deadline),
            most_in_flight: config.server.in_flight,
            ..Patience::default()
        },
        judge: JudgeOptions {
            cache: Some(fitted.with_file_name("verdicts")),
            ..config.judge_options()?
        },
    })
}

/// Opens a judge of `evaluate.compare`; `fitted` as in [`Judge::open`].
pub(crate) fn comparing(text: &str, config: &Config, fitted: &Path) -> Result<remote::Judge> {
    let spec: JudgeSpec = text.parse().map_err(infalign_reward::Error::from)?;
    Ok(open_judge(&spec, &asking(config, fitted)?)?)
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
        let reward: Box<dyn Reward> = match text {
            GOLD => Box::new(Gold),
            // A policy in training may say anything, and a run must not end for it.
            FIT => Box::new(ModelReward::open(fitted, Dress::Auto, false, device)?.cutting()),
            other => {
                let opening = Opening {
                    remote: asking(config, fitted)?,
                    ..Opening::new(device.clone())
                };
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
            .map(|(question, response)| question.asked(response))
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
