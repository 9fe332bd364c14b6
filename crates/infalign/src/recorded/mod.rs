//! CTRL tried on recorded rollouts: what reweighting a finite table of responses says before any training.
//!
//! Whoever has sampled K responses per prompt and scored them holds all that calibrate-and-transform needs (\[IA\], arXiv 2412.19792,
//! algorithm 1) but the training. Each prompt's responses are split at random: on the *calibration part* Ĉ is built; on the *evaluation
//! part*, m responses that Ĉ has not seen, the base policy is uniform and the aligned policy is the tilt `w_i ∝ e^{Φ(Ĉ_i)/β}`. Then, per prompt,
//!
//! ```text
//! KL = Σ w_i log(m w_i), effective samples = 1/Σ w_i², W = Σ_i Σ_j T(w)_i T(uniform)_j win(i, j),
//! ```
//!
//! where T selects by the training reward and the judge's reward decides `win`: the same deployed responses, seen by two judges. β is the one
//! that spends the budget with a calibration of this K ([`crate::finite_k`]); for `raw` (`w_i ∝ e^{r_i/β}`, one β for all prompts) it
//! is solved on the calibration part. Figures are means over prompts.

mod answer;
mod expected;
mod prompt;
pub(crate) mod split;

use std::sync::Arc;

pub use answer::{Judged, Measurement, Prediction, Recorded};
use prompt::{Evaluation, Outcome, Policy, Side};

use crate::{
    Error, Result, Warning,
    design::{Budget, Design, Question as DesignQuestion, TransformRow, design_with_transforms},
    estimate::Estimate,
    procedure::Procedure,
    raw::RawRewards,
    transform::TransformSpec,
};

/// Fewest responses that a prompt can be split into two parts with.
const FEWEST: usize = 4;

/// One prompt of a table: its identity and each column's rewards of the same responses.
#[derive(Debug, Clone)]
pub struct PromptRewards<'a> {
    /// Identity of the prompt; with the seed it decides the split.
    pub id: &'a str,
    /// Rewards by column, the training reward first.
    pub columns: Vec<&'a [f32]>,
}

/// What to measure.
#[derive(Debug, Clone)]
pub struct Question {
    /// Procedures of deployment.
    pub procedures: Vec<Arc<dyn Procedure>>,
    /// KL budgets in nats.
    pub kls: Vec<f64>,
    /// Transforms beside `raw`; empty for the default set and `optimal`.
    pub transforms: Vec<TransformSpec>,
    /// Names of the reward columns, the training reward first.
    pub columns: Vec<String>,
    /// Seed of the split and of the simulated tables.
    pub seed: u64,
}

/// Measures every policy on a table, and returns the designs that it stands beside.
///
/// # Errors
/// [`Error::Empty`] without prompts, procedures or budgets; [`Error::Lengths`] for columns of different lengths;
/// [`Error::BadReward`] for a reward that is not finite; what [`crate::design::design`] refuses.
pub fn run(table: &[PromptRewards<'_>], question: &Question) -> Result<(Recorded, Vec<Design>)> {
    for (name, empty) in [
        ("the table of rollouts", table.is_empty()),
        ("the list of procedures", question.procedures.is_empty()),
        ("the list of KL budgets", question.kls.is_empty()),
        ("the list of reward columns", question.columns.is_empty()),
    ] {
        if empty {
            return Err(Error::Empty { name });
        }
    }
    let mut warnings = Vec::new();
    let sides = sides(table, question, &mut warnings)?;
    let raw = RawRewards::new(sides.iter().map(|s| s.calibration.as_slice()))?;
    let (_, calibration_responses, _) = raw.k();
    let evaluation_responses = median(sides.iter().map(|s| s.evaluation.len()));
    let simulated = expected::tables(calibration_responses, evaluation_responses, question.seed)?;
    let mut measurements = Vec::new();
    let mut designs: Vec<Design> = Vec::new();
    for procedure in &question.procedures {
        let measured = prepared(procedure, &sides)?;
        let imagined = prepared(procedure, &simulated)?;
        for (i, &kl) in question.kls.iter().enumerate() {
            let (design, transforms) = design_with_transforms(&DesignQuestion {
                transforms: transforms(question, procedure, kl)?,
                k: Some(calibration_responses),
                raw: Some(raw.clone()),
                frontier: i == 0,
                ..DesignQuestion::new(Arc::clone(procedure), Budget::Kl(kl))
            })?;
            let raw_row = design.transforms.iter().find(|r| r.transform == "raw");
            let raw_outcomes: Vec<Outcome> = raw_row.map_or_else(Vec::new, |row| {
                let policy = Policy {
                    transform: None,
                    beta: beta(row),
                };
                measured.iter().map(|p| p.outcome(&policy)).collect()
            });
            for row in &design.transforms {
                let transform = transforms.iter().find(|t| t.to_string() == row.transform);
                let policy = Policy {
                    transform: transform.map(AsRef::as_ref),
                    beta: beta(row),
                };
                let expected = match policy.transform {
                    Some(_) => Some(expected::mean(&policy, &imagined)?),
                    None => None,
                };
                let measurement = measure(
                    &policy,
                    &measured,
                    row,
                    kl,
                    (question, &raw_outcomes),
                    expected,
                )?;
                warn_of_few(
                    &measurement,
                    procedure.as_ref(),
                    evaluation_responses,
                    &mut warnings,
                );
                measurements.push(measurement);
            }
            designs.push(design);
        }
    }
    for warning in designs.iter().flat_map(|d| &d.warnings) {
        if !warnings.contains(warning) {
            warnings.push(warning.clone());
        }
    }
    let recorded = Recorded {
        prompts: sides.len(),
        calibration_responses,
        evaluation_responses,
        training_reward: question.columns[0].clone(),
        judges: question.columns.clone(),
        seed: question.seed,
        measurements,
        warnings,
    };
    Ok((recorded, designs))
}

/// The default set with `optimal`, or what the caller asked for.
fn transforms(
    question: &Question,
    procedure: &Arc<dyn Procedure>,
    kl: f64,
) -> Result<Vec<TransformSpec>> {
    if !question.transforms.is_empty() {
        return Ok(question.transforms.clone());
    }
    let deployment = crate::Deployment::new(Arc::clone(procedure), &[]);
    let mut transforms: Vec<TransformSpec> = crate::design::default_transforms(&deployment, kl)?
        .into_iter()
        .map(Into::into)
        .collect();
    transforms.push(TransformSpec::Optimal);
    Ok(transforms)
}

/// The β to use: the one that spends the budget at this K, where that is known.
fn beta(row: &TransformRow) -> f64 {
    row.at_k.map_or(row.beta, |at| at.beta)
}

/// Splits every prompt that has enough responses.
fn sides(
    table: &[PromptRewards<'_>],
    question: &Question,
    warnings: &mut Vec<Warning>,
) -> Result<Vec<Side>> {
    let mut sides = Vec::with_capacity(table.len());
    let mut left_out: Vec<&str> = Vec::new();
    for (index, prompt) in table.iter().enumerate() {
        let n = prompt.columns.first().map_or(0, |c| c.len());
        for column in &prompt.columns {
            if column.len() != n {
                return Err(Error::Lengths {
                    left: "the training reward's column",
                    left_len: n,
                    right: "another reward column",
                    right_len: column.len(),
                });
            }
            if let Some(at) = column.iter().position(|r| !r.is_finite()) {
                return Err(Error::BadReward {
                    prompt: index,
                    index: at,
                    value: f64::from(column[at]),
                });
            }
        }
        if n < FEWEST {
            left_out.push(prompt.id);
        } else {
            sides.push(Side::new(prompt, question.seed)?);
        }
    }
    if let Some(first) = left_out.first() {
        let why = format!("fewer than {FEWEST} responses, too few to split (the first: `{first}`)");
        warnings.push(Warning::PromptsLeftOut {
            count: left_out.len(),
            why,
        });
    }
    if sides.is_empty() {
        return Err(Error::Empty {
            name: "the set of prompts with at least 4 responses",
        });
    }
    let counts = || table.iter().map(|p| p.columns[0].len());
    if let (Some(min), Some(max)) = (counts().min(), counts().max())
        && min != max
    {
        warnings.push(Warning::UnevenK { min, max });
    }
    for (c, column) in question.columns.iter().enumerate() {
        let share = RawRewards::new(
            table
                .iter()
                .filter(|p| !p.columns[c].is_empty())
                .map(|p| p.columns[c]),
        )?
        .tie_share();
        if share > 0.05 {
            warnings.push(Warning::Ties {
                column: column.clone(),
                share,
            });
        }
    }
    Ok(sides)
}

/// What a procedure and the judges make of the base on every prompt.
fn prepared<'a>(procedure: &Arc<dyn Procedure>, sides: &'a [Side]) -> Result<Vec<Evaluation<'a>>> {
    sides
        .iter()
        .map(|side| Evaluation::new(Arc::clone(procedure), side))
        .collect()
}

fn measure(
    policy: &Policy<'_>,
    prompts: &[Evaluation<'_>],
    row: &TransformRow,
    kl_budget: f64,
    (question, raw): (&Question, &[Outcome]),
    expected: Option<Prediction>,
) -> Result<Measurement> {
    let outcomes: Vec<_> = prompts.iter().map(|p| p.outcome(policy)).collect();
    let over_prompts = |value: &dyn Fn(&Outcome) -> f64| {
        Estimate::from_values(&outcomes.iter().map(value).collect::<Vec<f64>>())
    };
    let judged = question
        .columns
        .iter()
        .enumerate()
        .map(|(j, reward)| {
            let ours =
                |outcomes: &[Outcome]| outcomes.iter().map(|o| o.judged[j].0).collect::<Vec<_>>();
            let paired = row.transform != "raw" && !raw.is_empty();
            let over_raw = paired
                .then(|| Estimate::paired_difference(&ours(&outcomes), &ours(raw)))
                .transpose()?;
            Ok(Judged {
                over_raw,
                reward: reward.clone(),
                win_rate: over_prompts(&|o| o.judged[j].0)?.within(0.0, 1.0),
                standard_win_rate: over_prompts(&|o| o.judged[j].1)?.within(0.0, 1.0),
            })
        })
        .collect::<Result<Vec<Judged>>>()?;
    let procedure = prompts[0].procedure();
    let n = outcomes.len() as f64;
    let repeats = outcomes
        .iter()
        .map(|o| 1.0 / o.effective_samples)
        .sum::<f64>()
        / n
        + prompts
            .iter()
            .map(|p| 1.0 / p.responses() as f64)
            .sum::<f64>()
            / n;
    Ok(Measurement {
        procedure: procedure.to_string(),
        transform: row.transform.clone(),
        kl_budget,
        beta: policy.beta,
        kl: over_prompts(&|o| o.kl)?,
        effective_samples: over_prompts(&|o| o.effective_samples)?,
        judged,
        predicted: Prediction {
            kl: row.kl,
            win_rate: row.win_rate,
            standard_win_rate: row.standard_win_rate,
        },
        expected,
        bias_bound: pairs_drawn(procedure).map(|pairs| (pairs * repeats).min(1.0)),
    })
}

/// Expected number of pairs among a procedure's draws, where it is a mixture of order statistics.
fn pairs_drawn(procedure: &dyn Procedure) -> Option<f64> {
    let pairs = |n: usize| 0.5 * n as f64 * (n as f64 - 1.0);
    procedure
        .order_terms()
        .map(|terms| terms.iter().map(|t| t.weight * pairs(t.n)).sum())
}

/// A warning where fewer effective responses are left than the procedure needs to be imitated.
fn warn_of_few(
    row: &Measurement,
    procedure: &dyn Procedure,
    responses: usize,
    warnings: &mut Vec<Warning>,
) {
    let draws = procedure
        .order_terms()
        .map_or(4, |t| t.iter().map(|t| t.n).max().unwrap_or(1));
    let ess = row.effective_samples.mean;
    if let Some(expected) = row.expected
        && ess < 3.0 * draws as f64
    {
        warnings.push(Warning::LowEffectiveSamples {
            transform: row.transform.clone(),
            procedure: row.procedure.clone(),
            kl: row.kl_budget,
            ess,
            responses,
            shift: expected.win_rate - row.predicted.win_rate,
        });
    }
}

fn median(values: impl Iterator<Item = usize>) -> usize {
    let mut values: Vec<usize> = values.collect();
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests;
