//! Which of a prompt's m responses deployment outputs: the mass of each when a procedure runs on N of them drawn without replacement.
//!
//! A procedure of order statistics selects by the training reward r. With `P_i` its law on m samples ([`OrderLaw`]) and responses
//! sorted by r, a group of equal rewards in places i…k shares `P_i + … + P_k` evenly: within the group the procedure cannot tell.
//!
//! Voting outputs the answer that most of N responses give, ties broken uniformly, as one of the responses that give it. With `c_a` of
//! the m responses giving answer a, a has mass P(a wins N of m) and each of its responses 1/`c_a` of that.
//!
//! Summed with any win variable over both sides, masses give the average over all pairs of N-subsets: a U-statistic, hence unbiased
//! whoever judges (derived; as in `estimate/win_rate.rs`).
//!
//! | case | result |
//! |---|---|
//! | N > m | [`Error::TooFewFresh`], which names the flag to raise |
//! | a procedure that is no mixture of order statistics | [`Error::Unsupported`] |
//! | voting without answers | [`Error::Unsupported`] |
//! | all rewards tied | 1/m each |

use std::{fmt, sync::Arc};

use super::samples::Responses;
use crate::{
    Error, Result,
    estimate::OrderLaw,
    finite::{MAX_VOTES, winners_of_counts},
    procedure::Procedure,
};

/// A procedure of deployment that samples can execute.
#[derive(Debug, Clone)]
pub enum Deployed {
    /// Selects by the training reward.
    Ranked(Arc<dyn Procedure>),
    /// Plurality voting over this many answers.
    Voting(usize),
}

impl fmt::Display for Deployed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ranked(procedure) => procedure.fmt(f),
            Self::Voting(n) => write!(f, "voting:{n}"),
        }
    }
}

/// A procedure made ready for m responses.
#[derive(Debug, Clone)]
pub(super) enum Selection {
    Ranked(OrderLaw),
    Voting(usize),
}

impl Selection {
    /// `side` names the policy, for errors.
    pub(super) fn new(deployed: &Deployed, m: usize, side: &str) -> Result<Self> {
        let enough = |needed: usize| {
            if needed <= m {
                return Ok(());
            }
            Err(Error::TooFewFresh {
                procedure: deployed.to_string(),
                needed,
                have: m,
                policy: side.to_owned(),
            })
        };
        match deployed {
            Deployed::Voting(n) => {
                let (name, allowed) = ("N of voting", "a whole number between 1 and 512");
                Error::range(name, *n as f64, (1..=MAX_VOTES).contains(n), allowed)?;
                enough(*n)?;
                Ok(Self::Voting(*n))
            }
            Deployed::Ranked(procedure) => {
                let terms = procedure.order_terms().ok_or_else(|| Error::Unsupported {
                    procedure: procedure.to_string(),
                    why: "it is no mixture of order statistics of a fixed number of draws, which is what samples can execute without \
                          bias; use best-of, worst-of, order, or a mixture of them"
                        .to_owned(),
                })?;
                enough(terms.iter().map(|t| t.n).max().unwrap_or(1))?;
                let parts = terms
                    .iter()
                    .map(|t| Ok((t.weight, OrderLaw::order(t.j, t.n, m)?)))
                    .collect::<Result<Vec<_>>>()?;
                match parts.as_slice() {
                    [(_, only)] => Ok(Self::Ranked(only.clone())),
                    _ => Ok(Self::Ranked(OrderLaw::mixture(&parts)?)),
                }
            }
        }
    }

    /// The mass of each response, in the order given; they sum to 1.
    pub(super) fn masses(&self, responses: &Responses<'_>) -> Result<Vec<f64>> {
        match self {
            Self::Ranked(law) => Ok(by_order(responses.rewards[0], law)),
            Self::Voting(n) => {
                let answers = responses.answers.as_ref();
                let answers = answers.ok_or_else(|| Error::Unsupported {
                    procedure: format!("voting:{n}"),
                    why: "it counts answers, and some responses come without: record an answer with every response, or leave \
                          voting out"
                        .to_owned(),
                })?;
                Ok(by_votes(answers, *n))
            }
        }
    }
}

fn by_order(rewards: &[f32], law: &OrderLaw) -> Vec<f64> {
    let mut order: Vec<usize> = (0..rewards.len()).collect();
    order.sort_by(|&a, &b| rewards[a].total_cmp(&rewards[b]));
    let mut masses = vec![0.0; rewards.len()];
    let mut start = 0;
    for group in order.chunk_by(|&a, &b| rewards[a] == rewards[b]) {
        let end = start + group.len();
        let mass: f64 = law.mass()[start..end].iter().sum();
        for &i in group {
            masses[i] = mass / group.len() as f64;
        }
        start = end;
    }
    masses
}

fn by_votes(answers: &[&str], n: usize) -> Vec<f64> {
    let mut order: Vec<usize> = (0..answers.len()).collect();
    order.sort_by_key(|&i| answers[i]);
    let groups: Vec<&[usize]> = order.chunk_by(|&a, &b| answers[a] == answers[b]).collect();
    let counts: Vec<usize> = groups.iter().map(|g| g.len()).collect();
    let mut masses = vec![0.0; answers.len()];
    for (group, win) in groups.iter().zip(winners_of_counts(&counts, n)) {
        for &i in *group {
            masses[i] = win / group.len() as f64;
        }
    }
    masses
}
