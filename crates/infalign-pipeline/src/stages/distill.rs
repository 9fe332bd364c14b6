//! Stage `distill`: the base's calibrated rollouts as a training set for any supervised trainer, weighted by the optimum's density or resampled by it.
//!
//! Each rollout y of prompt x has w(y) = dπ*/dp at its quantile (see `rl::density`): supervised fine-tuning with these weights maximises
//! `E_p`[w log π], the forward-KL projection of the optimum π*, without any reinforcement learning. With `resample` n, each prompt gets n rows without
//! weights, drawn by systematic resampling (one uniform offset; the copies of a rollout differ from n w/K by less than 1).
//!
//! Effective sample size of a prompt: (Σw)²/Σw² of its K rollouts. It is healthy where at least 30 are left; the K that would leave 30 is
//! 30 K / (effective sample size), since their ratio does not depend on K.

use std::sync::Arc;

use infalign_data::{Fingerprint, RolloutRow, RunDir};
use infalign_lm::{Folder, Tokenizer};
use infalign_train::rl::density;
use serde::Serialize;
use serde_json::json;

use crate::{ask::Question, config::Config, error::Result, seeds::seed, variants::Variant};

/// Effective samples of a prompt below which a weighted set is mostly a few responses.
const HEALTHY: f64 = 30.0;

/// A training set that was written.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Distilled {
    /// The policy whose optimum it is.
    pub name: String,
    /// The file, in the run directory.
    pub file: String,
    /// Rows.
    pub rows: usize,
    /// Rollouts per prompt.
    pub k: usize,
    /// Mean over prompts of the effective sample size.
    pub effective: f64,
    /// The K at which 30 effective samples would be left for each prompt.
    pub healthy_k: usize,
}

/// A training set, not written yet.
pub(crate) struct Set {
    /// JSON lines.
    pub(crate) lines: String,
    pub(crate) rows: usize,
    /// Rollouts per prompt.
    pub(crate) k: usize,
    /// Mean over prompts of the effective sample size.
    pub(crate) effective: f64,
}

impl Set {
    /// The K at which 30 effective samples would be left for each prompt.
    pub(crate) fn healthy_k(&self) -> usize {
        (HEALTHY * self.k as f64 / self.effective).ceil() as usize
    }
}

/// What a set is made of: questions, the base's rollouts of them, and their raw rewards.
#[derive(Clone, Copy)]
pub(crate) struct Rollouts<'a> {
    /// The base's, unless it is a server.
    pub(crate) folder: Option<&'a Folder>,
    pub(crate) questions: &'a [Question],
    pub(crate) rows: &'a [RolloutRow],
    pub(crate) rewards: &'a [Vec<f32>],
}

/// A response as it continues its prompt. Tokenisers of the `SentencePiece` kind drop the blank before a text's first word, so that a response
/// by itself does not say whether one stands between the two; together with its prompt it does.
fn continued(
    tokenizer: &Tokenizer,
    question: &Question,
    row: &RolloutRow,
    i: usize,
) -> Result<String> {
    let (prompt, response) = (&question.prompt.tokens, &row.responses[i]);
    let Some(tokens) = row.tokens.get(i) else {
        return Ok(response.clone());
    };
    let before = tokenizer.decode(prompt, true)?;
    let whole = tokenizer.decode(&[&prompt[..], tokens].concat(), true)?;
    Ok(match whole.strip_prefix(&before) {
        // A response that a stop text has cut is as it is.
        Some(rest) if rest.trim_start() == response.trim_start() => rest.to_owned(),
        _ => response.clone(),
    })
}

/// The set of a variant; `resample` rows for each prompt, or weights.
pub(crate) fn set(
    config: &Config,
    Rollouts {
        folder,
        questions,
        rows,
        rewards,
    }: &Rollouts<'_>,
    (variant, resample): (&Variant, Option<usize>),
) -> Result<Set> {
    let k = config.calibration.rollouts;
    let mut lines = String::new();
    let (mut effective, mut count) = (0.0, 0);
    for ((question, row), rewards) in questions.iter().zip(*rows).zip(*rewards) {
        let w = density(&rewards[..k], variant.transform.as_ref(), variant.beta)?;
        let squares: f64 = w.iter().map(|w| w * w).sum();
        effective += (k * k) as f64 / squares;
        let copies: Vec<usize> = match resample {
            None => vec![1; k],
            Some(n) => systematic(&w, n, uniform(config.seed, &row.prompt_id)),
        };
        for (i, &copies) in copies.iter().enumerate() {
            let response = match folder {
                Some(folder) => continued(folder.tokenizer()?, question, row, i)?,
                None => row.responses[i].clone(),
            };
            let mut line = match question.of_a_chat() {
                Some(messages) => json!({
                    "prompt": messages,
                    "completion": [{"role": "assistant", "content": response}],
                }),
                None => json!({"prompt": row.prompt, "completion": response}),
            };
            if resample.is_none() {
                line["weight"] = json!(w[i]);
            }
            for _ in 0..copies {
                lines.push_str(&line.to_string());
                lines.push('\n');
                count += 1;
            }
        }
    }
    Ok(Set {
        lines,
        rows: count,
        k,
        effective: effective / rows.len().max(1) as f64,
    })
}

/// Writes the set of a variant.
fn distill(
    dir: &mut RunDir,
    config: &Config,
    rollouts: &Rollouts<'_>,
    (variant, resample): (&Variant, Option<usize>),
) -> Result<Distilled> {
    let form = resample.map_or_else(|| "weighted".to_owned(), |n| format!("resampled-{n}"));
    let name = format!("distill/{}-{form}.jsonl", variant.slug);
    let set = set(config, rollouts, (variant, resample))?;
    let inputs = Fingerprint::new()
        .stage(dir, "rewards")?
        .value("variant", &(&variant.reward, variant.kl, variant.beta))?
        .value("resample", &resample)?;
    dir.stage(&name, &inputs, &[&name], |dir| -> Result<()> {
        Ok(dir.write(&name, |out| out.write_all(set.lines.as_bytes()))?)
    })?;
    Ok(Distilled {
        name: variant.name.clone(),
        file: dir.file(&name).display().to_string(),
        rows: set.rows,
        k: set.k,
        effective: set.effective,
        healthy_k: set.healthy_k(),
    })
}

/// A number in [0, 1) that seed and prompt decide.
fn uniform(run: u64, prompt: &str) -> f64 {
    seed(run, &format!("distill/{prompt}")) as f64 / 2f64.powi(64)
}

/// How often each of K weighted items is taken among n.
fn systematic(weights: &[f64], n: usize, offset: f64) -> Vec<usize> {
    let total: f64 = weights.iter().sum();
    let mut taken = vec![0; weights.len()];
    let (mut sum, mut next) = (0.0, 0);
    for (i, w) in weights.iter().enumerate() {
        sum += w / total * n as f64;
        while next < n && (next as f64 + offset < sum || i + 1 == weights.len()) {
            taken[i] += 1;
            next += 1;
        }
    }
    taken
}

/// The variants that a set can be made for.
pub(crate) fn distilled(
    dir: &mut RunDir,
    config: &Config,
    rollouts: &Rollouts<'_>,
    (variants, resample): (&[Variant], Option<usize>),
) -> Result<Vec<Distilled>> {
    let mut made: Vec<(Option<Arc<dyn infalign::Transform>>, f64)> = Vec::new();
    let mut found = Vec::new();
    for variant in variants {
        // Seeds of training do not change the set.
        let known = |(t, kl): &(Option<Arc<dyn infalign::Transform>>, f64)| {
            *kl == variant.kl
                && t.as_ref().map(ToString::to_string)
                    == variant.transform.as_ref().map(ToString::to_string)
        };
        if made.iter().any(known) {
            continue;
        }
        made.push((variant.transform.clone(), variant.kl));
        found.push(distill(dir, config, rollouts, (variant, resample))?);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::systematic;

    #[test]
    fn copies_are_within_one_of_their_share() {
        let w = [0.1, 2.5, 0.0, 0.4, 1.0];
        for offset in [0.0, 0.3, 0.999] {
            let taken = systematic(&w, 40, offset);
            assert_eq!(taken.iter().sum::<usize>(), 40);
            for (taken, w) in taken.iter().zip(w) {
                let share = 40.0 * w / 4.0;
                assert!((*taken as f64 - share).abs() < 1.0, "{taken} for {share}");
            }
        }
    }
}
