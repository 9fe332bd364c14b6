//! A run's checkpoint: policy, optimiser, value head, price and place in the prompts, from which a run goes on with the same bits.

use std::{collections::BTreeMap, fs};

use infalign_data::write_atomic;
use infalign_lm::AdamW;

use super::{Session, Spent, base_of};
use crate::{
    Checkpoint, Checkpoints, Order, Policy, RunState,
    error::{Error, Result},
    rl::{Controller, Settings, Task, critic::Critic},
};

const OPTIMISER: &str = "optimiser.safetensors";
const CONTROLLER: &str = "price.json";

/// What a checkpoint holds beside weights: numbers as their bits.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    controller: [Option<u64>; 3],
    updates: u64,
    critic_steps: u64,
}

impl Session {
    pub(in crate::rl) fn resume(
        task: &Task<'_>,
        settings: &Settings,
        checkpoint: &Checkpoint,
    ) -> Result<Self> {
        let state = checkpoint.state()?;
        state.check_config(&checkpoint.path, settings)?;
        let policy = task.policy.at(&checkpoint.path)?;
        let path = checkpoint.path.join(CONTROLLER);
        let text = fs::read(&path).map_err(|e| Error::read(&path, e))?;
        let damaged = |what: String| Error::Damaged {
            path: path.clone(),
            what,
            remedy: "remove this checkpoint to resume from the one before",
        };
        let stored: Stored = serde_json::from_slice(&text).map_err(|e| damaged(e.to_string()))?;
        let controller = Controller::from_bits(stored.controller)
            .ok_or_else(|| damaged("the price is missing".to_owned()))?;
        let critic = match settings.objective.critic() {
            Some(_) => Some(Critic::resume(
                task.policy,
                settings,
                stored.critic_steps,
                &checkpoint.path,
            )?),
            None => None,
        };
        let moments = checkpoint.path.join(OPTIMISER);
        Ok(Self {
            base: base_of(task.policy, &policy)?,
            optimiser: AdamW::load(settings.adamw, &policy, stored.updates, moments)?,
            critic,
            order: Order::new(task.prompts.len() as u64, settings.seed, state.data)?,
            controller,
            policy,
            step: state.step,
            spent: Spent::default(),
        })
    }

    pub(in crate::rl) fn save(&self, checkpoints: &Checkpoints, settings: &Settings) -> Result<()> {
        let seeds = BTreeMap::from([("prompts".to_owned(), settings.seed)]);
        let cursor = self.order.cursor();
        let state = RunState::new(self.step, cursor, seeds, settings.schedule, settings)?;
        let stored = Stored {
            controller: self.controller.bits(),
            updates: self.optimiser.steps(),
            critic_steps: self.critic.as_ref().map_or(0, Critic::steps),
        };
        let json = serde_json::to_string(&stored).map_err(|e| Error::Bug {
            what: format!("the price cannot be written: {e}"),
        })?;
        checkpoints.save(&state, |folder| {
            Policy::save(&self.policy, folder)?;
            self.optimiser.save(&self.policy, folder.join(OPTIMISER))?;
            if let Some(critic) = &self.critic {
                critic.save(folder)?;
            }
            write_atomic(folder.join(CONTROLLER), |f| f.write_all(json.as_bytes()))?;
            Ok(())
        })?;
        Ok(())
    }
}
