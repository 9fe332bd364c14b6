//! From samples to the answer: every policy under every procedure by every judge, beside what the theory says.

use std::sync::Arc;

use super::{
    CalibrationDiagnostics, Deployed, Evaluation, Planned, Question, Samples,
    behaviour::behaviour,
    diagnose,
    executed::{Executed, Opponent, PerJudge, compare, duel},
    measured::Measured,
    prediction::{TIED, Theory},
    samples::TrainedOn,
};
use crate::{Result, Warning, raw::RawRewards};

/// Measures policies against the base.
///
/// # Errors
/// For samples that do not fit, [`Error::Empty`], [`Error::Responses`], [`Error::Response`], [`Error::Duplicate`]; [`Error::TooFewFresh`]
/// for a procedure that draws more than there are; [`Error::Unsupported`] for one that samples cannot execute, or voting without answers;
/// [`Error::Unknown`] for a pair that names no policy; [`Error::BadValue`] for log-probabilities that are none.
///
/// [`Error::Empty`]: crate::Error::Empty
/// [`Error::Responses`]: crate::Error::Responses
/// [`Error::Response`]: crate::Error::Response
/// [`Error::Duplicate`]: crate::Error::Duplicate
/// [`Error::TooFewFresh`]: crate::Error::TooFewFresh
/// [`Error::Unsupported`]: crate::Error::Unsupported
/// [`Error::Unknown`]: crate::Error::Unknown
/// [`Error::BadValue`]: crate::Error::BadValue
pub fn evaluate(samples: &Samples<'_>, question: &Question) -> Result<Evaluation> {
    question.check()?;
    samples.check(&question.judges)?;
    let table = if samples.calibration.is_empty() {
        None
    } else {
        let rows = samples.calibration.iter().map(|p| p.rollouts);
        Some(RawRewards::new(rows)?)
    };
    let deployed: Vec<Opponent<'_>> = question
        .procedures
        .iter()
        .map(|procedure| Opponent::new(procedure, &samples.base))
        .collect::<Result<_>>()?;
    let mut evaluation = Evaluation {
        base: question.base.clone(),
        prompts: samples.prompts.len(),
        samples: samples
            .policies
            .iter()
            .map(|p| p.responses[0].len())
            .min()
            .unwrap_or(0),
        base_samples: samples.base[0].len(),
        seed: question.seed,
        judges: question.judges.clone(),
        procedures: question
            .procedures
            .iter()
            .map(ToString::to_string)
            .collect(),
        base_behaviour: behaviour(&samples.base, &question.judges)?,
        policies: Vec::new(),
        comparisons: Vec::new(),
        duels: Vec::new(),
        pairwise: Vec::new(),
        diagnostics: diagnose_table(samples, question.seed)?,
        warnings: Vec::new(),
    };
    if let Some(share) = table
        .as_ref()
        .map(RawRewards::tie_share)
        .filter(|s| *s > TIED)
    {
        let column = question.judges[0].name.clone();
        evaluation.warnings.push(Warning::Ties { column, share });
    }
    let sides: Vec<Executed<'_>> = samples
        .policies
        .iter()
        .map(|policy| Executed::new(policy, &deployed))
        .collect::<Result<_>>()?;
    let won: Vec<Vec<PerJudge>> = sides
        .iter()
        .map(|side| {
            deployed
                .iter()
                .enumerate()
                .map(|(t, d)| d.against_base(side, t))
                .collect()
        })
        .collect::<Result<_>>()?;
    let sorted: Vec<Vec<f32>> = samples.base.iter().map(|r| sorted(r.rewards[0])).collect();
    let mut theories: Vec<Option<Theory>> = question.procedures.iter().map(theory).collect();
    for (policy, won) in samples.policies.iter().zip(&won) {
        let measured = Measured::new(policy, won, &sorted, (samples, question))?;
        let result =
            measured.beside_theory(&mut theories, table.as_ref(), &mut evaluation.warnings)?;
        evaluation.policies.push(result);
    }
    for warning in theories
        .iter()
        .flatten()
        .flat_map(|t| &t.warnings)
        .flatten()
    {
        evaluation.warnings.push(warning.clone());
    }
    let names: Vec<&str> = samples.policies.iter().map(|p| p.name.as_str()).collect();
    for (left, right) in question.comparisons.among(&names)? {
        evaluation.comparisons.extend(compare(
            question,
            (names[left], &won[left]),
            (names[right], &won[right]),
        )?);
    }
    for (left, right) in question.duels.among(&names)? {
        evaluation
            .duels
            .extend(duel(question, &sides[left], &sides[right])?);
    }
    Ok(evaluation)
}

/// The theory of a procedure that has one.
fn theory(procedure: &Deployed) -> Option<Theory> {
    match procedure {
        Deployed::Ranked(procedure) => Some(Theory::new(procedure)),
        Deployed::Voting(_) => None,
    }
}

/// Diagnostics of the table, with the K that each policy's design needs.
fn diagnose_table(samples: &Samples<'_>, seed: u64) -> Result<Option<CalibrationDiagnostics>> {
    if samples.calibration.is_empty() {
        return Ok(None);
    }
    let planned: Vec<Planned> = samples
        .policies
        .iter()
        .filter_map(|p| match (&p.trained_on, &p.designed_for, p.kl_budget) {
            (TrainedOn::Transform(transform), Some(procedure), Some(kl)) => Some(Planned {
                transform: Arc::clone(transform),
                procedure: Arc::clone(procedure),
                kl,
            }),
            _ => None,
        })
        .collect();
    diagnose(&samples.calibration, &planned, seed)
}

fn sorted(rewards: &[f32]) -> Vec<f32> {
    let mut sorted = rewards.to_vec();
    sorted.sort_unstable_by(f32::total_cmp);
    sorted
}
