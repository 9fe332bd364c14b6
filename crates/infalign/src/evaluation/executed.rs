//! Procedures run on samples: which responses each side outputs, and how often a policy's beat another's.

use super::{
    Comparison, Deployed, Duel, Question,
    samples::{PolicySamples, Responses},
    selection::Selection,
    win::{Side, judged},
};
use crate::{
    Result,
    estimate::{Estimate, win_rate},
};

/// By judge, one win rate per prompt.
pub(super) type PerJudge = Vec<Vec<f64>>;

/// A procedure, and which responses of the base it outputs.
pub(super) struct Opponent<'a> {
    procedure: &'a Deployed,
    base: &'a [Responses<'a>],
    selection: Selection,
    /// One list of masses per prompt.
    masses: Vec<Vec<f64>>,
}

impl<'a> Opponent<'a> {
    pub(super) fn new(procedure: &'a Deployed, base: &'a [Responses<'a>]) -> Result<Self> {
        let selection = Selection::new(procedure, base[0].len(), "base")?;
        let masses = base
            .iter()
            .map(|r| selection.masses(r))
            .collect::<Result<_>>()?;
        Ok(Self {
            procedure,
            base,
            selection,
            masses,
        })
    }

    /// The win rates of a policy, whose `t`-th selection is by this procedure.
    pub(super) fn against_base(&self, side: &Executed<'_>, t: usize) -> Result<PerJudge> {
        let (selection, masses) = &side.selected[t];
        let mut won = vec![Vec::with_capacity(masses.len()); self.base[0].rewards.len()];
        let prompts = side
            .responses
            .iter()
            .zip(masses)
            .zip(self.base.iter().zip(&self.masses));
        for ((ours, our_masses), (theirs, their_masses)) in prompts {
            for (judge, won) in won.iter_mut().enumerate() {
                let (a, b) = (ours.rewards[judge], theirs.rewards[judge]);
                won.push(match (selection, &self.selection) {
                    (Selection::Ranked(p), Selection::Ranked(q)) if judge == 0 => {
                        win_rate(a, p, b, q)?
                    }
                    _ => judged(
                        Side {
                            masses: our_masses,
                            rewards: a,
                        },
                        Side {
                            masses: their_masses,
                            rewards: b,
                        },
                    ),
                });
            }
        }
        Ok(won)
    }
}

/// A policy's responses, and which of them each procedure outputs.
pub(super) struct Executed<'a> {
    name: &'a str,
    responses: &'a [Responses<'a>],
    /// By procedure; masses of each prompt's responses.
    selected: Vec<(Selection, Vec<Vec<f64>>)>,
}

impl<'a> Executed<'a> {
    pub(super) fn new(policy: &'a PolicySamples<'a>, deployed: &[Opponent<'_>]) -> Result<Self> {
        let m = policy.responses[0].len();
        let select = |d: &Opponent<'_>| {
            let selection = Selection::new(d.procedure, m, &policy.name)?;
            let masses = policy.responses.iter().map(|r| selection.masses(r));
            let masses = masses.collect::<Result<_>>()?;
            Ok((selection, masses))
        };
        Ok(Self {
            name: &policy.name,
            responses: &policy.responses,
            selected: deployed.iter().map(select).collect::<Result<_>>()?,
        })
    }
}

/// Differences in win rate against the base: one row per procedure and judge.
pub(super) fn compare(
    question: &Question,
    (left, ours): (&str, &[PerJudge]),
    (right, theirs): (&str, &[PerJudge]),
) -> Result<Vec<Comparison>> {
    let mut rows = Vec::new();
    for (procedure, (ours, theirs)) in question.procedures.iter().zip(ours.iter().zip(theirs)) {
        for (judge, (ours, theirs)) in question.judges.iter().zip(ours.iter().zip(theirs)) {
            rows.push(Comparison {
                left: left.to_owned(),
                right: right.to_owned(),
                procedure: procedure.to_string(),
                judge: judge.name.clone(),
                difference: Estimate::paired_difference(ours, theirs)?.within(-1.0, 1.0),
            });
        }
    }
    Ok(rows)
}

/// Win rates of two policies against each other: one row per procedure and judge.
pub(super) fn duel(
    question: &Question,
    left: &Executed<'_>,
    right: &Executed<'_>,
) -> Result<Vec<Duel>> {
    let mut rows = Vec::new();
    for (t, procedure) in question.procedures.iter().enumerate() {
        for (i, judge) in question.judges.iter().enumerate() {
            let side = |executed: &Executed<'_>, x: usize| {
                let masses = executed.selected[t].1[x].clone();
                (masses, executed.responses[x].rewards[i].to_vec())
            };
            let prompts = 0..left.responses.len();
            let won: Vec<f64> = prompts
                .map(|x| {
                    let (ours, theirs) = (side(left, x), side(right, x));
                    judged(
                        Side {
                            masses: &ours.0,
                            rewards: &ours.1,
                        },
                        Side {
                            masses: &theirs.0,
                            rewards: &theirs.1,
                        },
                    )
                })
                .collect();
            rows.push(Duel {
                left: left.name.to_owned(),
                right: right.name.to_owned(),
                procedure: procedure.to_string(),
                judge: judge.name.clone(),
                win_rate: Estimate::from_values(&won)?.within(0.0, 1.0),
            });
        }
    }
    Ok(rows)
}
