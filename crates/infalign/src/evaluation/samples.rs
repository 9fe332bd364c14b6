//! What an evaluation starts from: fresh responses of the base and of every policy on held-out prompts, and the calibration table.
//!
//! | input | answer |
//! |---|---|
//! | no prompts, judges, procedures or responses | [`Error::Empty`] |
//! | a list of another length than the rest | [`Error::Responses`] with policy and prompt |
//! | as many responses as in the first prompt, at every prompt | required, of the base and of each policy by itself |
//! | log-probabilities, exact KLs, answers | of all prompts of a policy, or of none |
//! | a reward that is NaN or infinite | [`Error::Response`] with policy, prompt and place |
//! | two policies of one name | [`Error::Duplicate`] |

use std::sync::Arc;

use super::Judge;
use crate::{Error, Result, estimate::LogProbsOf, procedure::Procedure, transform::Transform};

/// Fresh responses of the base and of the policies, on the same prompts in the same order.
#[derive(Debug, Clone, Default)]
pub struct Samples<'a> {
    /// Identities of the held-out prompts.
    pub prompts: Vec<&'a str>,
    /// The base's responses, one entry per prompt.
    pub base: Vec<Responses<'a>>,
    /// The policies.
    pub policies: Vec<PolicySamples<'a>>,
    /// The calibration table: of these prompts, of the training prompts, or of both; empty where there is none.
    pub calibration: Vec<CalibratedPrompt<'a>>,
}

/// One prompt's responses of one policy. Every list has one entry per response, in the same order.
#[derive(Debug, Clone, Default)]
pub struct Responses<'a> {
    /// Raw rewards by judge, the training reward first.
    pub rewards: Vec<&'a [f32]>,
    /// Log-probabilities of whole responses; `None` for the base, and where they are not known.
    pub log_probs: Option<LogProbs<'a>>,
    /// Lengths in tokens.
    pub lengths: &'a [u32],
    /// Whether the response was cut at the token limit.
    pub truncated: &'a [bool],
    /// The answer that each response gives, for voting.
    pub answers: Option<Vec<&'a str>>,
}

/// Log-probabilities of responses, summed over their tokens, in nats.
#[derive(Debug, Clone, Copy, Default)]
pub struct LogProbs<'a> {
    /// log π(y), of the policy that sampled y.
    pub policy: &'a [f64],
    /// log p(y).
    pub base: &'a [f64],
    /// The exact KLs at each position, summed over positions, where these were computed.
    pub exact_kl: Option<&'a [f64]>,
}

/// A policy and its responses.
#[derive(Debug, Clone)]
pub struct PolicySamples<'a> {
    /// A name of its own.
    pub name: String,
    /// What it was trained on.
    pub trained_on: TrainedOn,
    /// The procedure that its reward was designed for.
    pub designed_for: Option<Arc<dyn Procedure>>,
    /// Seed of its training.
    pub seed: Option<u64>,
    /// KL that training was asked to spend, in nats.
    pub kl_budget: Option<f64>,
    /// Price of KL at the end of training.
    pub beta: Option<f64>,
    /// What the log-probabilities are probabilities of.
    pub log_probs_of: LogProbsOf,
    /// Its responses, one entry per prompt.
    pub responses: Vec<Responses<'a>>,
}

/// What a policy was trained on.
#[derive(Debug, Clone)]
pub enum TrainedOn {
    /// The raw reward.
    Raw,
    /// Φ(Ĉ); for `optimal`, [`crate::optimum::Optimum::transform`] at the budget.
    Transform(Arc<dyn Transform>),
    /// Anything else, in the caller's words: nothing is predicted of it.
    Other(String),
}

impl std::fmt::Display for TrainedOn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Raw => f.write_str("raw"),
            Self::Transform(transform) => transform.fmt(f),
            Self::Other(words) => f.write_str(words),
        }
    }
}

/// A prompt of the calibration table.
#[derive(Debug, Clone, Copy)]
pub struct CalibratedPrompt<'a> {
    /// The prompt's identity.
    pub id: &'a str,
    /// Training rewards of the K rollouts that Ĉ is built on.
    pub rollouts: &'a [f32],
    /// Training rewards of other responses of the base to this prompt, for the diagnostics; may be empty.
    pub fresh: &'a [f32],
}

impl Samples<'_> {
    /// Everything as long as it must be, and every reward a finite number.
    pub(super) fn check(&self, judges: &[Judge]) -> Result<()> {
        for (name, empty) in [
            ("the list of held-out prompts", self.prompts.is_empty()),
            ("the list of judges", judges.is_empty()),
            ("the list of policies", self.policies.is_empty()),
        ] {
            if empty {
                return Err(Error::Empty { name });
            }
        }
        self.check_side("base", &self.base, judges)?;
        for (i, policy) in self.policies.iter().enumerate() {
            if self.policies[..i].iter().any(|p| p.name == policy.name) {
                let (kind, name) = ("policy", policy.name.clone());
                return Err(Error::Duplicate { kind, name });
            }
            self.check_side(&policy.name, &policy.responses, judges)?;
        }
        Ok(())
    }

    fn check_side(&self, side: &str, all: &[Responses<'_>], judges: &[Judge]) -> Result<()> {
        let wrong = |prompt: &str, what, have, wanted| Error::Responses {
            policy: side.to_owned(),
            prompt: prompt.to_owned(),
            what,
            have,
            wanted,
        };
        if all.len() != self.prompts.len() {
            return Err(wrong("all", "prompts", all.len(), self.prompts.len()));
        }
        let wanted = all[0].len();
        if wanted == 0 {
            let name = "the list of fresh responses";
            return Err(Error::Empty { name });
        }
        for (responses, id) in all.iter().zip(&self.prompts) {
            if responses.rewards.len() != judges.len() {
                let have = responses.rewards.len();
                return Err(wrong(id, "rewards by judge", have, judges.len()));
            }
            for (what, have) in responses.lengths_of_lists() {
                if have != wanted {
                    return Err(wrong(id, what, have, wanted));
                }
            }
            let kinds = responses.kinds();
            for ((what, first), (_, have)) in all[0].kinds().into_iter().zip(kinds) {
                if first != have {
                    let count = |given| if given { wanted } else { 0 };
                    return Err(wrong(id, what, count(have), count(first)));
                }
            }
            for (rewards, judge) in responses.rewards.iter().zip(judges) {
                if let Some(index) = rewards.iter().position(|r| !r.is_finite()) {
                    return Err(Error::Response {
                        policy: side.to_owned(),
                        prompt: (*id).to_owned(),
                        index,
                        what: format!("reward by `{}`", judge.name),
                        value: f64::from(rewards[index]),
                        allowed: "finite",
                    });
                }
            }
        }
        Ok(())
    }
}

impl Responses<'_> {
    /// The number of responses.
    pub(super) fn len(&self) -> usize {
        self.lengths.len()
    }

    /// Which of the lists that may be left out are there.
    fn kinds(&self) -> [(&'static str, bool); 3] {
        let exact = self.log_probs.is_some_and(|l| l.exact_kl.is_some());
        [
            ("log-probabilities", self.log_probs.is_some()),
            ("exact KLs", exact),
            ("answers", self.answers.is_some()),
        ]
    }

    /// Name and length of every list.
    fn lengths_of_lists(&self) -> Vec<(&'static str, usize)> {
        let mut lists = vec![
            ("lengths", self.lengths.len()),
            ("marks of truncation", self.truncated.len()),
        ];
        lists.extend(self.rewards.iter().map(|r| ("rewards", r.len())));
        if let Some(log_probs) = &self.log_probs {
            lists.push(("log π(y)", log_probs.policy.len()));
            lists.push(("log p(y)", log_probs.base.len()));
            lists.extend(log_probs.exact_kl.map(|kl| ("exact KLs", kl.len())));
        }
        lists.extend(self.answers.as_ref().map(|a| ("answers", a.len())));
        lists
    }
}
