//! What the page of a run is made from: the evaluation, and what an evaluation does not know.

use std::collections::BTreeMap;

use infalign::{design::Design, evaluation::Evaluation};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Everything that the page of a run shows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunReport {
    /// The title of the page, for example the run's name.
    pub title: String,
    /// What was asked, in words: procedures, KL budget, base policy, reward, prompts.
    pub question: String,
    /// What was measured.
    pub evaluation: Evaluation,
    /// Designs; those with `points` give the frontier lines of their procedure.
    #[serde(default)]
    pub designs: Vec<Design>,
    /// Metrics of training, one entry per policy; a policy may be without.
    #[serde(default)]
    pub curves: Vec<TrainingCurve>,
    /// Responses to read, one entry per prompt.
    #[serde(default)]
    pub samples: Vec<SampleSet>,
    /// How to make it again, in the order to be shown: command, configuration, versions, seeds, hashes. Values may have many lines.
    #[serde(default)]
    pub reproduce: Vec<(String, String)>,
}

/// Metrics of one policy's training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingCurve {
    /// The policy's name, as in the evaluation.
    pub policy: String,
    /// Optimiser steps, rising.
    pub step: Vec<u64>,
    /// Values at those steps, by metric: `reward_raw`, `reward_calibrated`, `reward_transformed`, `kl`, `kl_k1`, `beta`, `entropy`, `length`,
    /// `truncated`, `gradient_norm`, `tokens_per_second`; others are shown under their own name. A value that is not finite is left out.
    pub series: BTreeMap<String, Vec<f64>>,
}

/// Responses of several policies to one prompt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SampleSet {
    /// The prompt's identifier.
    pub prompt_id: String,
    /// The prompt.
    pub prompt: String,
    /// Responses, in the order to be shown.
    pub responses: Vec<SampleText>,
}

/// One response.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SampleText {
    /// The policy that wrote it, or the base.
    pub policy: String,
    /// Its text.
    pub text: String,
    /// Its raw reward by the training reward.
    pub raw: f64,
    /// Its calibrated reward Ĉ, in \[0,1\], where a table has the prompt.
    pub quantile: Option<f64>,
}

impl RunReport {
    /// What a page needs: policies, judges and procedures, finite figures, series as long as their steps.
    ///
    /// # Errors
    /// [`Error::Empty`], [`Error::NotFinite`], [`Error::MissingJudge`], [`Error::Lengths`].
    pub(crate) fn check(&self) -> Result<()> {
        let evaluation = &self.evaluation;
        for (name, empty, remedy) in [
            (
                "policies",
                evaluation.policies.is_empty(),
                "evaluate at least one policy beside the base",
            ),
            (
                "judges",
                evaluation.judges.is_empty(),
                "name at least the training reward",
            ),
            (
                "procedures",
                evaluation.procedures.is_empty(),
                "name at least one procedure, for example `standard`",
            ),
        ] {
            if empty {
                return Err(Error::Empty { name, remedy });
            }
        }
        for policy in &evaluation.policies {
            let place = &policy.name;
            Error::finite("quantile_kl.mean", place, policy.quantile_kl.mean)?;
            for rate in &policy.win_rates {
                Error::finite("win_rate.mean", place, rate.win_rate.mean)?;
            }
            for kl in policy.kl.iter().flat_map(|kl| {
                [
                    Some(kl.k1.mean),
                    Some(kl.k3.mean),
                    kl.rao_blackwell.map(|e| e.mean),
                ]
            }) {
                Error::finite("kl", place, kl.unwrap_or(0.0))?;
            }
            check_law(&policy.law, place)?;
            for judge in &evaluation.judges {
                if !policy.win_rates.iter().any(|rate| rate.judge == judge.name) {
                    return Err(Error::MissingJudge {
                        place: place.clone(),
                        judge: judge.name.clone(),
                    });
                }
            }
        }
        for comparison in &evaluation.comparisons {
            let place = format!("{} − {}", comparison.left, comparison.right);
            Error::finite("difference.mean", &place, comparison.difference.mean)?;
        }
        for duel in &evaluation.duels {
            let place = format!("{} against {}", duel.left, duel.right);
            Error::finite("duel.win_rate.mean", &place, duel.win_rate.mean)?;
        }
        for found in &evaluation.pairwise {
            if let Some(won) = &found.win_rate {
                let place = format!("{} by {}", found.policy, found.judge);
                Error::finite("pairwise.win_rate.mean", &place, won.mean)?;
            }
        }
        if let Some(diagnostics) = &evaluation.diagnostics {
            check_law(&diagnostics.law, "the base")?;
        }
        for curve in &self.curves {
            for (name, values) in &curve.series {
                if values.len() != curve.step.len() {
                    return Err(Error::Lengths {
                        name: name.clone(),
                        place: curve.policy.clone(),
                        length: values.len(),
                        wanted: curve.step.len(),
                    });
                }
            }
        }
        Ok(())
    }
}

fn check_law(law: &infalign::evaluation::LawOfU, place: &str) -> Result<()> {
    let wanted = law.edges.len().saturating_sub(1);
    for (name, values) in [("law.density", Some(&law.density))]
        .into_iter()
        .chain([("law.standard_error", Some(&law.standard_error))])
        .chain([("law.target", law.target.as_ref())])
        .chain([("law.expected", law.expected.as_ref())])
    {
        let Some(values) = values else { continue };
        if values.len() != wanted {
            return Err(Error::Lengths {
                name: name.to_owned(),
                place: place.to_owned(),
                length: values.len(),
                wanted,
            });
        }
        if name != "law.standard_error" {
            for value in values {
                Error::finite(name, place, *value)?;
            }
        }
    }
    for edge in &law.edges {
        Error::finite("law.edges", place, *edge)?;
    }
    Ok(())
}
