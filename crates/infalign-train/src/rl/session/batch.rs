//! Groups of responses as one ragged batch: which row belongs to which token of which response.

use infalign_lm::{Batch, RowGrad, RowStats, Sequence, Spec};

use super::{Group, sequence};
use crate::{
    error::Result,
    rl::{
        KlEstimator, Prompt,
        kl::Stats,
        objective::{Objective, Plan, Seen},
    },
};

/// Whole groups that pass through the model together.
pub(super) struct Part<'a> {
    groups: &'a [Group],
    sequences: Vec<Sequence>,
    batch: Batch,
    targets: Vec<Option<u32>>,
}

impl<'a> Part<'a> {
    pub(super) fn new(groups: &'a [Group], prompts: &[Prompt], spec: &Spec) -> Result<Self> {
        let mut sequences = Vec::new();
        for group in groups {
            let prompt = &prompts[group.prompt];
            sequences.extend(group.rollouts.iter().map(|r| sequence(prompt, r)));
        }
        let tokens: Vec<&[u32]> = sequences.iter().map(|s| s.tokens.as_slice()).collect();
        let batch = Batch::new(&tokens, spec)?;
        let mut targets = vec![None; batch.tokens().len()];
        for (s, start) in sequences.iter().zip(batch.offsets().iter()) {
            for t in s.from..s.tokens.len() {
                targets[start + t - 1] = Some(s.tokens[t]);
            }
        }
        Ok(Self {
            groups,
            sequences,
            batch,
            targets,
        })
    }

    pub(super) fn batch(&self) -> &Batch {
        &self.batch
    }

    pub(super) fn targets(&self) -> &[Option<u32>] {
        &self.targets
    }

    pub(super) fn tokens(&self) -> usize {
        self.targets.len()
    }

    pub(super) fn responses(&self) -> usize {
        self.sequences.len()
    }

    pub(super) fn sequences(&self) -> Vec<Sequence> {
        self.sequences.clone()
    }

    /// Tokens with where the response begins.
    pub(super) fn pairs(&self) -> Vec<(Vec<u32>, usize)> {
        self.sequences
            .iter()
            .map(|s| (s.tokens.clone(), s.from))
            .collect()
    }

    /// The rows of each response's tokens.
    fn rows(&self) -> impl Iterator<Item = std::ops::Range<usize>> {
        self.sequences
            .iter()
            .zip(self.batch.offsets().iter())
            .map(|(s, start)| start + s.from - 1..start + s.tokens.len() - 1)
    }

    /// Figures of rows, response by response.
    pub(super) fn by_response(&self, found: &[Option<RowStats>]) -> Stats {
        self.rows()
            .map(|rows| found[rows].iter().copied().flatten().collect())
            .collect()
    }

    /// The plans of all responses, group by group.
    pub(super) fn plans(
        &self,
        objective: &dyn Objective,
        stats: &Stats,
        values: Option<&[Vec<f32>]>,
        kl: KlEstimator,
    ) -> Vec<Vec<Plan>> {
        let mut plans = Vec::with_capacity(stats.len());
        let mut from = 0;
        for group in self.groups {
            let to = from + group.rollouts.len();
            plans.extend(objective.plan(&Seen {
                reward: &group.nats,
                stats: &stats[from..to].to_vec(),
                values: values.map(|v| &v[from..to]),
                kl,
            }));
            from = to;
        }
        plans
    }

    /// The plan of every row; nothing where no response's token is predicted.
    pub(super) fn of_rows(&self, plans: &[Vec<Plan>]) -> Vec<Plan> {
        let mut of_rows = vec![Plan::default(); self.targets.len()];
        for (rows, plans) in self.rows().zip(plans) {
            of_rows[rows].copy_from_slice(plans);
        }
        of_rows
    }

    /// One answer for each row, asked of the rows that have a target.
    pub(super) fn answers(
        &self,
        found: &[Option<RowStats>],
        plans: &[Vec<Plan>],
        token: &mut dyn FnMut(Plan, RowStats) -> RowGrad,
    ) -> Vec<RowGrad> {
        let mut answers = vec![RowGrad::default(); found.len()];
        for (rows, plans) in self.rows().zip(plans) {
            for (row, plan) in rows.zip(plans) {
                if let Some(now) = found[row] {
                    answers[row] = token(*plan, now);
                }
            }
        }
        answers
    }
}
