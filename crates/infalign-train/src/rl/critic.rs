//! PPO's value head: a network of its own that begins as the base with a fresh head, and learns what is still to come.
//!
//! loss = ½ `Σ_t` (`V_t` − `target_t)²` over the tokens of responses, where `V_t` is the value of what stands before token t.

use std::path::Path;

use infalign_lm::{
    AdamW, AdamWConfig, Batch, Decoder, Gradients, Head, ScoreGrad, Weights, WriteOptions,
    score_gradients, token_values,
};

use super::{objective::Plan, settings::Settings};
use crate::{
    Base, Policy,
    error::{Error, Result},
};

const MODEL: &str = "critic";
const OPTIMISER: &str = "critic-optimiser.safetensors";

/// The value network with its optimiser.
#[derive(Debug)]
pub(super) struct Critic {
    model: Decoder,
    optimiser: AdamW,
}

impl Critic {
    pub(super) fn begin(policy: &Policy, settings: &Settings) -> Result<Self> {
        let Base::Folder(folder) = &policy.base else {
            return Err(Error::Bug {
                what: "a value head was asked of a model without a folder".to_owned(),
            });
        };
        let model = Decoder::open(folder, Head::Value, policy.seed, &policy.device)?;
        Ok(Self {
            optimiser: AdamW::new(adamw(settings), &model)?,
            model,
        })
    }

    pub(super) fn resume(
        policy: &Policy,
        settings: &Settings,
        steps: u64,
        checkpoint: &Path,
    ) -> Result<Self> {
        let fresh = Self::begin(policy, settings)?;
        let spec = fresh.model.spec().clone();
        let weights = Weights::open(checkpoint.join(MODEL), &spec)?;
        let model = Decoder::load(spec, &weights, policy.seed, &policy.device)?;
        let moments = checkpoint.join(OPTIMISER);
        Ok(Self {
            optimiser: AdamW::load(adamw(settings), &model, steps, moments)?,
            model,
        })
    }

    pub(super) fn save(&self, checkpoint: &Path) -> Result<()> {
        self.model.save(
            checkpoint.join(MODEL),
            None,
            WriteOptions::default(),
            |_| Ok(()),
        )?;
        Ok(self
            .optimiser
            .save(&self.model, checkpoint.join(OPTIMISER))?)
    }

    pub(super) fn steps(&self) -> u64 {
        self.optimiser.steps()
    }

    /// The values before every token of the responses, which begin at `from`.
    pub(super) fn values(&self, sequences: &[(Vec<u32>, usize)]) -> Result<Vec<Vec<f32>>> {
        let tokens: Vec<Vec<u32>> = sequences.iter().map(|(t, _)| t.clone()).collect();
        let all = token_values(&self.model, &tokens)?;
        let of = |(values, (tokens, from)): (Vec<f32>, &(Vec<u32>, usize))| {
            values[from - 1..tokens.len() - 1].to_vec()
        };
        Ok(all.into_iter().zip(sequences).map(of).collect())
    }

    /// One update towards the plans' values; the mean loss.
    pub(super) fn learn(
        &mut self,
        sequences: &[(Vec<u32>, usize)],
        plans: &[Vec<Plan>],
        rate: f64,
    ) -> Result<f64> {
        let tokens: Vec<&[u32]> = sequences.iter().map(|(t, _)| t.as_slice()).collect();
        let batch = Batch::new(&tokens, self.model.spec())?;
        let count = plans.iter().map(Vec::len).sum::<usize>().max(1);
        let found: Gradients = score_gradients(&self.model, &batch, |values| {
            let mut d_scores = vec![0.0; values.len()];
            let mut loss = 0.0;
            for ((start, (_, from)), plans) in batch.offsets().iter().zip(sequences).zip(plans) {
                for (t, plan) in plans.iter().enumerate() {
                    let at = start + from - 1 + t;
                    let error = values[at] - plan.value;
                    d_scores[at] = error;
                    loss += 0.5 * f64::from(error).powi(2);
                }
            }
            ScoreGrad { loss, d_scores }
        })?;
        let mean = found.loss / count as f64;
        self.optimiser
            .update(&mut self.model, found, 1.0 / count as f64, rate)?;
        Ok(mean)
    }
}

/// The policy's optimiser, without decay: a value has no prior at 0 weights.
fn adamw(settings: &Settings) -> AdamWConfig {
    AdamWConfig {
        weight_decay: 0.0,
        ..settings.adamw
    }
}
