//! A run in progress: model, optimiser and place in the data, which a checkpoint holds in full.

use std::collections::BTreeMap;

use infalign_lm::{
    AdamW, Decoder, Gradients, Objective, RowGrad, RowStats, Rule, gradients, measure,
};

use super::{
    Data, Rows, Settings,
    data::{Walk, for_model},
};
use crate::{
    Checkpoint, Checkpoints, Cursor, Habits, Metrics, Policy, Rates, RunState,
    error::{Error, Result},
};

const OPTIMISER: &str = "optimiser.safetensors";
/// Held-out rows that are computed together.
const TOGETHER: usize = 8;

/// A run between two steps.
#[derive(Debug)]
pub struct Session {
    model: Decoder,
    optimiser: AdamW,
    walk: Walk,
}

impl Session {
    pub(super) fn begin(policy: &Policy, data: &Data, settings: &Settings) -> Result<Self> {
        let model = policy.begin()?;
        Ok(Self {
            optimiser: AdamW::new(settings.adamw, &model)?,
            walk: data
                .training
                .walk(settings.batch_size, settings.seed, Cursor::default())?,
            model,
        })
    }

    pub(super) fn resume(
        policy: &Policy,
        data: &Data,
        settings: &Settings,
        checkpoint: &Checkpoint,
    ) -> Result<Self> {
        let state = checkpoint.state()?;
        state.check_config(&checkpoint.path, settings)?;
        let model = policy.at(&checkpoint.path)?;
        let moments = checkpoint.path.join(OPTIMISER);
        Ok(Self {
            optimiser: AdamW::load(settings.adamw, &model, state.step, moments)?,
            walk: data
                .training
                .walk(settings.batch_size, settings.seed, state.data)?,
            model,
        })
    }

    /// Steps taken.
    #[must_use]
    pub fn step(&self) -> u64 {
        self.optimiser.steps()
    }

    /// The model as it is now.
    #[must_use]
    pub fn model(&self) -> &Decoder {
        &self.model
    }

    /// Takes a step; what is known of it, and the tokens that went in.
    pub(super) fn advance(
        &mut self,
        data: &Data,
        settings: &Settings,
        rates: &Rates,
        habits: &Habits,
    ) -> Result<(Metrics, usize)> {
        let rows = self.walk.next_batch(settings.batch_size);
        let part = rows.len().div_ceil(settings.accumulate).max(1);
        let mut whole: Option<Gradients> = None;
        let (mut tokens, mut learned) = (0, 0);
        for rows in rows.chunks(part) {
            let batch = data.training.batch(rows)?;
            let (batch, targets) = for_model(&batch, self.model.spec())?;
            tokens += targets.len();
            learned += targets.iter().flatten().count();
            let objective = Objective {
                targets: &targets,
                reference: None,
                temperature: 1.0,
                rule: Rule::Row(&mut cross_entropy),
            };
            let found = gradients(&self.model, &batch, objective, habits.recompute)?;
            match &mut whole {
                Some(whole) => whole.merge(found),
                None => whole = Some(found),
            }
        }
        let whole = whole.ok_or_else(|| Error::Bug {
            what: "a batch without rows".to_owned(),
        })?;
        let scale = 1.0 / learned.max(1) as f64;
        let loss = whole.loss * scale;
        let rate = rates.rate(self.step() + 1);
        let update = self.optimiser.update(&mut self.model, whole, scale, rate)?;
        let metrics = Metrics::new(self.step(), 0.0)
            .value("loss", loss)
            .value("learning_rate", rate)
            .value("gradient_norm", update.norm)
            .value("clipped", f64::from(u8::from(update.clipped)))
            .value("targets", learned as f64);
        Ok((metrics, tokens))
    }

    /// Mean loss over the targets of held-out rows.
    pub(super) fn validate(&self, rows: &Rows, settings: &Settings) -> Result<f64> {
        let count = rows.count().min(settings.validation_rows as u64);
        let numbers: Vec<u32> = (0..u32::try_from(count).unwrap_or(u32::MAX)).collect();
        let (mut loss, mut learned) = (0.0, 0_usize);
        for part in numbers.chunks(TOGETHER) {
            let (batch, targets) = for_model(&rows.batch(part)?, self.model.spec())?;
            for stats in measure(&self.model, &batch, &targets)?.iter().flatten() {
                loss -= f64::from(stats.log_prob);
                learned += 1;
            }
        }
        Ok(loss / learned.max(1) as f64)
    }

    pub(super) fn save(&self, checkpoints: &Checkpoints, settings: &Settings) -> Result<()> {
        let seeds = BTreeMap::from([("data".to_owned(), settings.seed)]);
        let data = self.walk.cursor();
        let state = RunState::new(self.step(), data, seeds, settings.schedule, settings)?;
        checkpoints.save(&state, |folder| {
            Policy::save(&self.model, folder)?;
            Ok(self.optimiser.save(&self.model, folder.join(OPTIMISER))?)
        })?;
        Ok(())
    }
}

/// −log π(target).
fn cross_entropy(_: usize, found: RowStats) -> RowGrad {
    RowGrad {
        loss: -found.log_prob,
        d_log_prob: -1.0,
        ..RowGrad::default()
    }
}
