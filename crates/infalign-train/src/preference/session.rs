//! A reward model's training between two steps: model, optimiser and place in the pairs, which a checkpoint holds in full.

use std::collections::BTreeMap;

use infalign_lm::{AdamW, Batch, Decoder, Gradients, ScoreGrad, score_gradients};

use super::{Pair, Settings, Start, evaluate, judge, loss::loss};
use crate::{
    Checkpoint, Checkpoints, Cursor, Metrics, Order, Rates, RunState,
    error::{Error, Result},
};

const OPTIMISER: &str = "optimiser.safetensors";

/// A run between two steps.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) model: Decoder,
    optimiser: AdamW,
    order: Order,
}

/// What is counted over a step's pairs that are no ties.
#[derive(Default)]
struct Count {
    pairs: f64,
    credit: f64,
    gap: f64,
    sum: f64,
}

impl Session {
    pub(super) fn begin(start: &Start, pairs: &[Pair], settings: &Settings) -> Result<Self> {
        let model = start.begin(settings.seed)?;
        Ok(Self {
            optimiser: AdamW::new(settings.adamw, &model)?,
            order: Order::new(pairs.len() as u64, settings.seed, Cursor::default())?,
            model,
        })
    }

    pub(super) fn resume(
        start: &Start,
        pairs: &[Pair],
        settings: &Settings,
        checkpoint: &Checkpoint,
    ) -> Result<Self> {
        let state = checkpoint.state()?;
        state.check_config(&checkpoint.path, settings)?;
        let model = start.at(&checkpoint.path, settings.seed)?;
        let moments = checkpoint.path.join(OPTIMISER);
        Ok(Self {
            optimiser: AdamW::load(settings.adamw, &model, state.step, moments)?,
            order: Order::new(pairs.len() as u64, settings.seed, state.data)?,
            model,
        })
    }

    pub(super) fn step(&self) -> u64 {
        self.optimiser.steps()
    }

    /// Takes a step; what is known of it, and the tokens that went in.
    pub(super) fn advance(
        &mut self,
        pairs: &[Pair],
        settings: &Settings,
        rates: &Rates,
    ) -> Result<(Metrics, usize)> {
        let rows = self.order.next_batch(settings.batch_size);
        let part = rows.len().div_ceil(settings.accumulate).max(1);
        let mut whole: Option<Gradients> = None;
        let (mut tokens, mut count) = (0, Count::default());
        for rows in rows.chunks(part) {
            let part: Vec<&Pair> = rows.iter().map(|&row| &pairs[row as usize]).collect();
            let found = gradients(&self.model, &part, settings, &mut tokens, &mut count)?;
            match &mut whole {
                Some(whole) => whole.merge(found),
                None => whole = Some(found),
            }
        }
        let whole = whole.ok_or_else(|| Error::Bug {
            what: "a batch without pairs".to_owned(),
        })?;
        let scale = 1.0 / rows.len().max(1) as f64;
        let loss = whole.loss * scale;
        let rate = rates.rate(self.step() + 1);
        let update = self.optimiser.update(&mut self.model, whole, scale, rate)?;
        let n = count.pairs.max(1.0);
        let metrics = Metrics::new(self.step(), 0.0)
            .value("loss", loss)
            .value("learning_rate", rate)
            .value("gradient_norm", update.norm)
            .value("clipped", f64::from(u8::from(update.clipped)))
            .value("accuracy", count.credit / n)
            .value("reward_gap", count.gap / n)
            .value("mean_reward", count.sum * scale / 2.0);
        Ok((metrics, tokens))
    }

    /// Adds how well the held-out pairs are told apart.
    pub(super) fn validate(&self, pairs: &[Pair], metrics: Metrics) -> Result<Metrics> {
        let found = evaluate(&judge(&self.model, pairs)?)?;
        Ok(metrics
            .value("validation/loss", found.log_loss)
            .value("validation/accuracy", found.accuracy.mean))
    }

    pub(super) fn save(&self, checkpoints: &Checkpoints, settings: &Settings) -> Result<()> {
        let seeds = BTreeMap::from([("data".to_owned(), settings.seed)]);
        let data = self.order.cursor();
        let state = RunState::new(self.step(), data, seeds, settings.schedule, settings)?;
        checkpoints.save(&state, |folder| {
            Start::save(&self.model, folder)?;
            Ok(self.optimiser.save(&self.model, folder.join(OPTIMISER))?)
        })?;
        Ok(())
    }
}

/// The sum of the pairs' losses and its gradients.
fn gradients(
    model: &Decoder,
    pairs: &[&Pair],
    settings: &Settings,
    tokens: &mut usize,
    count: &mut Count,
) -> Result<Gradients> {
    let sequences: Vec<&[u32]> = pairs
        .iter()
        .flat_map(|pair| [pair.chosen.as_slice(), pair.rejected.as_slice()])
        .collect();
    let batch = Batch::new(&sequences, model.spec())?;
    *tokens += batch.tokens().len();
    let constants = settings.constants();
    let of_rewards = |rewards: &[f32]| {
        let mut sum = ScoreGrad {
            loss: 0.0,
            d_scores: Vec::with_capacity(rewards.len()),
        };
        for (pair, rewards) in pairs.iter().zip(rewards.chunks_exact(2)) {
            let (chosen, rejected) = (f64::from(rewards[0]), f64::from(rewards[1]));
            let (value, d_chosen, d_rejected) = loss(chosen, rejected, pair.said(), constants);
            sum.loss += value;
            sum.d_scores.extend([d_chosen as f32, d_rejected as f32]);
            count.sum += chosen + rejected;
            if !pair.tie {
                let gap = chosen - rejected;
                count.pairs += 1.0;
                count.gap += gap;
                count.credit += match gap {
                    g if g > 0.0 => 1.0,
                    g if g < 0.0 => 0.0,
                    _ => 0.5,
                };
            }
        }
        sum
    };
    Ok(score_gradients(model, &batch, of_rewards)?)
}
