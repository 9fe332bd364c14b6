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

use std::{fmt, str::FromStr, sync::Arc};

use super::samples::Responses;
use crate::{
    Error, ProcedureSpec, Result,
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

impl FromStr for Deployed {
    type Err = Error;

    /// `voting:N`, or any procedure that samples can execute.
    fn from_str(text: &str) -> Result<Self> {
        if let Some(n) = text.trim().strip_prefix("voting:") {
            let votes = n.trim().parse().ok().filter(|n| VOTES.contains(n));
            return votes.map(Self::Voting).ok_or_else(|| Error::Unsupported {
                procedure: text.to_owned(),
                why: format!("voting takes {VOTERS}, such as voting:8"),
            });
        }
        match text.parse()? {
            ProcedureSpec::Ready(procedure) => Ok(Self::Ranked(procedure)),
            ProcedureSpec::Cdf(_) => Err(Error::Unsupported {
                procedure: text.to_owned(),
                why: NO_MIXTURE.to_owned(),
            }),
        }
    }
}

impl Deployed {
    /// The most draws that it takes; `None` where samples cannot execute it.
    #[must_use]
    pub fn draws(&self) -> Option<usize> {
        match self {
            Self::Voting(n) => Some(*n),
            Self::Ranked(procedure) => procedure.order_terms()?.iter().map(|term| term.n).max(),
        }
    }
}

/// Numbers of votes.
const VOTES: std::ops::RangeInclusive<usize> = 1..=MAX_VOTES;
const VOTERS: &str = "a whole number between 1 and 512";
const NO_MIXTURE: &str = "it is no mixture of order statistics of a fixed number of draws, which is what samples can execute without \
                          bias; use best-of, worst-of, order, or a mixture of them";

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
                Error::range("N of voting", *n as f64, VOTES.contains(n), VOTERS)?;
                enough(*n)?;
                Ok(Self::Voting(*n))
            }
            Deployed::Ranked(procedure) => {
                let terms = procedure.order_terms().ok_or_else(|| Error::Unsupported {
                    procedure: procedure.to_string(),
                    why: NO_MIXTURE.to_owned(),
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

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed construction is a failed test")]

    use super::*;
    use crate::evaluation::win::{Side, judged};

    fn deployed(text: &str) -> Deployed {
        text.parse().unwrap()
    }

    fn responses<'a>(rewards: &'a [f32], answers: Option<Vec<&'a str>>) -> Responses<'a> {
        Responses {
            rewards: vec![rewards],
            answers,
            ..Responses::default()
        }
    }

    /// Mass of each response when the procedure outputs the j-th smallest of every n-subset, ties shared.
    fn over_subsets(rewards: &[f32], (j, n): (usize, usize)) -> Vec<f64> {
        let m = rewards.len();
        let (mut masses, mut subsets) = (vec![0.0; m], 0.0);
        for set in (0u32..1 << m).filter(|s| s.count_ones() as usize == n) {
            let chosen: Vec<usize> = (0..m).filter(|i| set >> i & 1 == 1).collect();
            let mut values: Vec<f32> = chosen.iter().map(|&i| rewards[i]).collect();
            values.sort_by(f32::total_cmp);
            let tied: Vec<&usize> = chosen
                .iter()
                .filter(|i| rewards[**i] == values[j - 1])
                .collect();
            for i in &tied {
                masses[**i] += 1.0 / tied.len() as f64;
            }
            subsets += 1.0;
        }
        masses.iter().map(|m| m / subsets).collect()
    }

    #[test]
    fn masses_are_those_of_all_subsets() {
        for rewards in [
            [0.5f32, -1.0, 3.0, 2.0, 0.1, 7.0, -2.0],
            [1.0, 0.0, 1.0, 1.0, 2.0, 0.0, 2.0],
            [1.0; 7],
        ] {
            for (text, j, n) in [
                ("standard", 1, 1),
                ("best-of:3", 3, 3),
                ("worst-of:4", 1, 4),
                ("order:2/5", 2, 5),
                ("best-of:7", 7, 7),
            ] {
                let selection = Selection::new(&deployed(text), 7, "x").unwrap();
                let got = selection.masses(&responses(&rewards, None)).unwrap();
                for (got, want) in got.iter().zip(over_subsets(&rewards, (j, n))) {
                    assert!(
                        (got - want).abs() < 1e-14,
                        "{text} {rewards:?}: {got} not {want}"
                    );
                }
            }
        }
        let mixed = Selection::new(&deployed("mixture:0.5*best-of:3+0.5*worst-of:4"), 7, "x");
        let rewards = [0.5f32, -1.0, 3.0, 2.0, 0.1, 7.0, -2.0];
        let got = mixed.unwrap().masses(&responses(&rewards, None)).unwrap();
        let best = over_subsets(&rewards, (3, 3));
        for ((got, b), w) in got.iter().zip(best).zip(over_subsets(&rewards, (1, 4))) {
            assert!((got - 0.5 * (b + w)).abs() < 1e-14);
        }
    }

    /// Best-of-2 by one reward, judged by another: the average over all pairs of 2-subsets.
    #[test]
    fn another_judge_sees_what_every_pair_of_subsets_outputs() {
        let (ours, our_gold) = ([1.0f32, 2.0, 2.0, 0.0], [5.0f32, 1.0, 4.0, 4.0]);
        let (theirs, their_gold) = ([0.0f32, 3.0, 2.0, 3.0, 1.0], [4.0f32, 0.0, 1.0, 5.0, 2.0]);
        let outputs = |rewards: &[f32]| over_subsets(rewards, (2, 2));
        let mut want = 0.0;
        for (p, a) in outputs(&ours).iter().zip(our_gold) {
            for (q, b) in outputs(&theirs).iter().zip(their_gold) {
                want += p * q * 0.5 * (f64::from(a > b) + f64::from(a >= b));
            }
        }
        let masses = |rewards: &[f32]| {
            let selection = Selection::new(&deployed("best-of:2"), rewards.len(), "x").unwrap();
            selection.masses(&responses(rewards, None)).unwrap()
        };
        let got = judged(
            Side {
                masses: &masses(&ours),
                rewards: &our_gold,
            },
            Side {
                masses: &masses(&theirs),
                rewards: &their_gold,
            },
        );
        assert!((got - want).abs() < 1e-14);
    }

    /// Over all samples of m = 3 from a law on (selecting reward, judge's reward), the estimate for N = 2 averages to what two fresh draws
    /// on each side give: unbiased.
    #[test]
    fn it_is_unbiased_for_a_judge_that_does_not_select() {
        let law: [(f32, f32, f64); 4] = [
            (0.0, 1.0, 0.3),
            (1.0, 0.0, 0.2),
            (1.0, 2.0, 0.4),
            (2.0, 0.5, 0.1),
        ];
        let other: [f64; 4] = [0.25, 0.35, 0.1, 0.3];
        let output = |weights: [f64; 4]| {
            let mut out = [0.0; 4];
            for i in 0..4 {
                for j in 0..4 {
                    let chance = weights[i] * weights[j];
                    let (a, b) = (law[i].0, law[j].0);
                    out[i] += chance * 0.5 * (f64::from(a > b) + f64::from(a >= b));
                    out[j] += chance * 0.5 * (f64::from(b > a) + f64::from(b >= a));
                }
            }
            out
        };
        let weights = law.map(|l| l.2);
        let (ours, theirs) = (output(weights), output(other));
        let gold = law.map(|l| l.1);
        let truth = judged(
            Side {
                masses: &ours,
                rewards: &gold,
            },
            Side {
                masses: &theirs,
                rewards: &gold,
            },
        );
        let selection = Selection::new(&deployed("best-of:2"), 3, "x").unwrap();
        let side = |code: usize| {
            let draws = [code % 4, code / 4 % 4, code / 16];
            let rewards = draws.map(|i| law[i].0);
            (
                draws,
                selection.masses(&responses(&rewards, None)).unwrap(),
                draws.map(|i| gold[i]),
            )
        };
        let mut mean = 0.0;
        for s in 0..64 {
            for t in 0..64 {
                let ((d, p, a), (e, q, b)) = (side(s), side(t));
                let chance: f64 = d.map(|i| weights[i]).iter().product::<f64>()
                    * e.map(|i| other[i]).iter().product::<f64>();
                mean += chance
                    * judged(
                        Side {
                            masses: &p,
                            rewards: &a,
                        },
                        Side {
                            masses: &q,
                            rewards: &b,
                        },
                    );
            }
        }
        assert!((mean - truth).abs() < 1e-13, "{mean} not {truth}");
    }

    #[test]
    fn votes_are_counted_over_all_subsets() {
        let answers = vec!["4", "5", "4", "6", "5", "4"];
        let rewards = [1.0f32, 0.0, 1.0, 0.0, 0.0, 1.0];
        for n in 1..=6 {
            let selection = Selection::new(&Deployed::Voting(n), 6, "x").unwrap();
            let got = selection
                .masses(&responses(&rewards, Some(answers.clone())))
                .unwrap();
            let (mut want, mut subsets) = (0.0, 0.0);
            for set in (0u32..64).filter(|s| s.count_ones() as usize == n) {
                let votes = ["4", "5", "6"].map(|a| {
                    (0..6)
                        .filter(|i| set >> i & 1 == 1 && answers[*i] == a)
                        .count()
                });
                let most = votes.into_iter().max().unwrap();
                let tied = votes.iter().filter(|v| **v == most).count();
                want += f64::from(votes[0] == most) / tied as f64;
                subsets += 1.0;
            }
            let right: f64 = got.iter().zip(rewards).map(|(m, r)| m * f64::from(r)).sum();
            assert!((right - want / subsets).abs() < 1e-13, "N = {n}");
            assert!((got.iter().sum::<f64>() - 1.0).abs() < 1e-13);
        }
    }

    #[test]
    fn deployed_are_typed_and_written_alike() {
        for (text, draws) in [
            ("voting:8", Some(8)),
            ("best-of:4", Some(4)),
            ("rewind:0.5/4", None),
        ] {
            assert_eq!(deployed(text).to_string(), text);
            assert_eq!(deployed(text).draws(), draws, "{text}");
        }
        for text in [
            "voting:0",
            "voting:513",
            "voting:x",
            "cdf:file.csv",
            "votes:3",
        ] {
            assert!(text.parse::<Deployed>().is_err(), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_executed_says_what_to_do() {
        let few = Selection::new(&deployed("best-of:8"), 6, "exp")
            .unwrap_err()
            .to_string();
        assert!(
            few.contains("`exp`") && few.contains("raise `--samples` to at least 8"),
            "{few}"
        );
        let votes = Selection::new(&Deployed::Voting(9), 6, "base").unwrap_err();
        assert!(matches!(
            votes,
            Error::TooFewFresh {
                needed: 9,
                have: 6,
                ..
            }
        ));
        assert!(Selection::new(&Deployed::Voting(0), 6, "base").is_err());
        let rewind = Selection::new(&deployed("rewind:0.5/4"), 6, "exp")
            .unwrap_err()
            .to_string();
        assert!(
            rewind.contains("rewind:0.5/4: it is no mixture"),
            "{rewind}"
        );
        let voting = Selection::new(&Deployed::Voting(3), 6, "exp").unwrap();
        let silent = voting
            .masses(&responses(&[0.0; 6], None))
            .unwrap_err()
            .to_string();
        assert!(silent.contains("record an answer"), "{silent}");
    }
}
