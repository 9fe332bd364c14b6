//! One row of logits, one uniform number: the token, and its log-probability under the distribution that it was drawn from.
//!
//! Temperature, then top-k, top-p and min-p, by the rules of the module `cut`; then the inverse CDF over the kept tokens in the order of
//! their ids. Greedy takes the likeliest token, of equal ones the lowest id (as `torch.argmax` does).
//!
//! Everything is a function of the row, the settings and the number: the same bits for every batch size and number of threads.

use super::{
    cut::{self, Cut, Truncation},
    log_prob::{Drawn, LogProb, SampledLogProb, Unusable},
    settings::Sampling,
    softmax::{self, Weights},
};

/// Draws tokens by given settings.
#[derive(Debug, Clone, Copy)]
pub struct Filter {
    /// None: greedy.
    truncation: Option<Truncation>,
}

/// Buffers that a [`Filter`] uses again from row to row; they carry nothing over.
#[derive(Debug, Clone, Default)]
pub struct Scratch {
    blocks: Vec<f32>,
    cut: cut::Scratch,
}

impl Filter {
    /// Of validated settings.
    #[must_use]
    pub fn new(settings: &Sampling) -> Self {
        Self {
            truncation: (!settings.is_greedy()).then_some(Truncation {
                temperature: settings.temperature as f32,
                top_k: settings.top_k,
                top_p: settings.top_p,
                min_p: settings.min_p,
            }),
        }
    }

    /// Draws from a row of logits (vocab) with a number in [0, 1); greedy does not use the number.
    ///
    /// # Errors
    /// When the logits are no distribution.
    pub fn draw(
        &self,
        row: &[f32],
        uniform: f64,
        scratch: &mut Scratch,
    ) -> Result<Drawn, Unusable> {
        let max = softmax::max(row);
        if !max.is_finite() {
            return Err(Unusable::find(row));
        }
        let Some(truncation) = &self.truncation else {
            return greedy(row, max, scratch);
        };
        let weights = truncation.weights(row, max, &mut scratch.cut);
        let sums = weights.sums(row, &mut scratch.blocks);
        if !(sums.sampled.is_finite() && sums.untempered.is_finite()) {
            return Err(Unusable::find(row));
        }
        let at = weights.invert(row, &scratch.blocks, sums.sampled, uniform);
        Ok(Drawn {
            token: at as u32,
            log_prob: SampledLogProb((weights.log_weight(row[at]) - sums.sampled.ln()) as f32),
            untempered: LogProb(untempered(row[at], max, sums.untempered)),
        })
    }

    /// The log-probabilities of the whole vocabulary that [`Self::draw`] draws from; −∞ for tokens that are cut off.
    ///
    /// # Errors
    /// When the logits are no distribution.
    pub fn log_probs(
        &self,
        row: &[f32],
        scratch: &mut Scratch,
    ) -> Result<Vec<SampledLogProb>, Unusable> {
        let impossible = SampledLogProb(f32::NEG_INFINITY);
        let max = softmax::max(row);
        if !max.is_finite() {
            return Err(Unusable::find(row));
        }
        let Some(truncation) = &self.truncation else {
            let drawn = greedy(row, max, scratch)?;
            let mut all = vec![impossible; row.len()];
            all[drawn.token as usize] = drawn.log_prob;
            return Ok(all);
        };
        let weights = truncation.weights(row, max, &mut scratch.cut);
        let sums = weights.sums(row, &mut scratch.blocks);
        if !(sums.sampled.is_finite() && sums.untempered.is_finite()) {
            return Err(Unusable::find(row));
        }
        let log_z = sums.sampled.ln();
        let each = row.iter().enumerate().map(|(i, &l)| {
            if weights.keeps(l, i as u32) {
                SampledLogProb((weights.log_weight(l) - log_z) as f32)
            } else {
                impossible
            }
        });
        Ok(each.collect())
    }
}

impl Truncation {
    fn weights(&self, row: &[f32], max: f32, scratch: &mut cut::Scratch) -> Weights {
        let cut: Option<Cut> = self.removes(row.len()).then(|| self.cut(row, max, scratch));
        Weights {
            max,
            temperature: self.temperature,
            cut,
        }
    }
}

fn greedy(row: &[f32], max: f32, scratch: &mut Scratch) -> Result<Drawn, Unusable> {
    let sum = Weights::untempered_sum(max, row, &mut scratch.blocks);
    let at = row.iter().position(|&l| l == max);
    match at {
        Some(at) if sum.is_finite() => Ok(Drawn {
            token: at as u32,
            log_prob: SampledLogProb(0.0),
            untempered: LogProb(untempered(max, max, sum)),
        }),
        _ => Err(Unusable::find(row)),
    }
}

fn untempered(logit: f32, max: f32, sum: f64) -> f32 {
    (f64::from(logit) - f64::from(max) - sum.ln()) as f32
}

#[cfg(test)]
#[path = "filter_tests.rs"]
mod tests;
