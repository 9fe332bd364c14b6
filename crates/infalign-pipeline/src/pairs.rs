//! A judge that compares two texts, asked about what procedures output of a policy and of the base.
//!
//! ```text
//! fresh responses ─groups of N─▶ the procedure's output of each (training reward) ─g-th against g-th─▶ Judge::compare ─▶ Pairwise
//! ```

use std::borrow::Cow;

use infalign::evaluation::{Deployed, Outcomes, Pairwise};
use infalign_remote::reward::{Judge, Pair};

use crate::error::Result;

/// A policy and the base at one prompt.
#[derive(Debug, Clone)]
pub struct Met<'a> {
    /// Names the prompt.
    pub id: &'a str,
    /// The prompt as the judge reads it; a conversation turn by turn.
    pub prompt: Cow<'a, str>,
    /// The right answer, where there is one.
    pub answer: Option<&'a str>,
    /// The policy's responses.
    pub policy: Side<'a>,
    /// The base's.
    pub base: Side<'a>,
}

/// Fresh responses of one side, in the order in which they were drawn.
#[derive(Debug, Clone)]
pub struct Side<'a> {
    /// What was responded.
    pub texts: Vec<&'a str>,
    /// Training rewards, by which procedures select; as many.
    pub rewards: &'a [f32],
}

/// Win rates of `policy`, one for each procedure that outputs one order statistic; the others are passed over. Of a prompt at most `most` pairs
/// are compared under each.
///
/// # Errors
/// What the judge says; what it answered is kept by its folder of verdicts.
pub fn compare(
    judge: &mut Judge,
    policy: &str,
    procedures: &[Deployed],
    most: usize,
    prompts: &[Met<'_>],
) -> Result<Vec<Pairwise>> {
    let name = judge.name().to_owned();
    let mut found = Vec::new();
    for procedure in procedures.iter().filter(|p| p.is_one_order()) {
        let mut pairs = Vec::new();
        let mut counts = Vec::with_capacity(prompts.len());
        for met in prompts {
            let outputs = |side: &Side<'_>| procedure.outputs(side.rewards, most);
            let (ours, theirs) = (outputs(&met.policy), outputs(&met.base));
            let (ours, theirs) = (ours.unwrap_or_default(), theirs.unwrap_or_default());
            let before = pairs.len();
            pairs.extend(ours.into_iter().zip(theirs).map(|(a, b)| Pair {
                prompt_id: met.id,
                prompt: &met.prompt,
                a: met.policy.texts[a],
                b: met.base.texts[b],
                answer: met.answer,
            }));
            counts.push(pairs.len() - before);
        }
        let said = judge
            .compare(&pairs)
            .map_err(infalign_reward::Error::from)?;
        let mut rest = said.shares.as_slice();
        let mut of_prompt = |count: usize| {
            let (own, other) = rest.split_at(count);
            rest = other;
            own.to_vec()
        };
        let shares: Vec<Vec<Option<f64>>> = counts.into_iter().map(&mut of_prompt).collect();
        let c = said.counts;
        let outcomes = Outcomes {
            wins: c.wins,
            losses: c.losses,
            ties: c.ties,
            inconsistent: c.inconsistent,
            unparsed: c.unparsed,
        };
        found.push(Pairwise::new(
            (policy, procedure, &name),
            &shares,
            outcomes,
        )?);
    }
    Ok(found)
}
