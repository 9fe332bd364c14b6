//! Win rates by a judge that compares two texts: what a procedure outputs of disjoint groups of draws, and what verdicts on them come to.
//!
//! A judge that rates gives every response a number, so that all pairs of N-subsets can be averaged ([`super::win`]). One that compares is asked
//! pair by pair, and every question costs. So a prompt's fresh responses are cut, in the order in which they were drawn, into disjoint groups of N;
//! the procedure outputs one response of each group by the training reward, and the g-th of the policy meets the g-th of the base:
//!
//! ```text
//! Ŵ_x = 1/G Σ_g w(y_g, z_g),     w = 1 if the judge prefers y_g, ½ for neither, 0 if it prefers z_g
//! ```
//!
//! Each `y_g` and `z_g` is what the procedure outputs of N fresh draws, so `Ŵ_x` is unbiased for the judge's win rate at this prompt, and the G terms
//! are independent (derived). The win rate is the mean over prompts, with its 95% interval over prompts. What wins is what the judge prefers, for
//! worst-of-N as for best-of-N: under worst-of-N the compared texts are the worst ones.
//!
//! | case | result |
//! |---|---|
//! | equal training rewards in a group | ordered as they were drawn: draws are exchangeable, so none is favoured |
//! | fewer than N responses | no group |
//! | voting, or a mixture of several order statistics | `None`: a group does not tell its output |
//! | a pair without a verdict | left out of `Ŵ_x` |
//! | a prompt without one | left out, and counted; without any, there is no win rate |

use super::{Deployed, Pairwise};
use crate::{Result, estimate::Estimate};

/// How pairs ended. They add up to the number of pairs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Outcomes {
    /// The policy's response is better, in both orders.
    pub wins: usize,
    /// The base's is, in both orders.
    pub losses: usize,
    /// Neither is, in both orders.
    pub ties: usize,
    /// Another verdict in the other order.
    pub inconsistent: usize,
    /// No verdict in one order at least.
    pub unparsed: usize,
}

impl Deployed {
    /// Whether the output of a group of draws is known: the procedure is one order statistic.
    #[must_use]
    pub fn is_one_order(&self) -> bool {
        self.order().is_some()
    }

    /// Of at most `most` disjoint groups of draws, the places of the responses that it outputs by their rewards; `None` where a group does not
    /// tell its output.
    #[must_use]
    pub fn outputs(&self, rewards: &[f32], most: usize) -> Option<Vec<usize>> {
        let (j, n) = self.order()?;
        let one = |(group, rewards): (usize, &[f32])| {
            let mut order: Vec<usize> = (0..n).collect();
            // Stable: equals stay in the order of the draws. Adding 0 makes one zero of two.
            order.sort_by(|&a, &b| (rewards[a] + 0.0).total_cmp(&(rewards[b] + 0.0)));
            group * n + order[j - 1]
        };
        let groups = rewards.chunks_exact(n).take(most).enumerate();
        Some(groups.map(one).collect())
    }

    /// (j, N) of the j-th smallest of N.
    fn order(&self) -> Option<(usize, usize)> {
        let Self::Ranked(procedure) = self else {
            return None;
        };
        match procedure.order_terms()?.as_slice() {
            [only] if (1..=only.n).contains(&only.j) => Some((only.j, only.n)),
            _ => None,
        }
    }
}

impl Pairwise {
    /// From the policy's share of every pair, by prompt: 1, ½ or 0; `None` without a verdict.
    ///
    /// # Errors
    /// [`crate::Error`] for a share that is no number.
    pub fn new(
        (policy, procedure, judge): (&str, &Deployed, &str),
        shares: &[Vec<Option<f64>>],
        outcomes: Outcomes,
    ) -> Result<Self> {
        let mean = |shares: &Vec<Option<f64>>| {
            let known: Vec<f64> = shares.iter().flatten().copied().collect();
            (!known.is_empty()).then(|| known.iter().sum::<f64>() / known.len() as f64)
        };
        let won: Vec<f64> = shares.iter().filter_map(mean).collect();
        let estimate = |won: &[f64]| Ok(Estimate::from_values(won)?.within(0.0, 1.0));
        Ok(Self {
            policy: policy.to_owned(),
            procedure: procedure.to_string(),
            judge: judge.to_owned(),
            win_rate: (!won.is_empty()).then(|| estimate(&won)).transpose()?,
            pairs: shares.iter().map(Vec::len).sum(),
            wins: outcomes.wins,
            losses: outcomes.losses,
            ties: outcomes.ties,
            inconsistent: outcomes.inconsistent,
            unparsed: outcomes.unparsed,
            left_out: shares.len() - won.len(),
        })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed construction is a failed test")]

    use super::*;

    fn outputs(text: &str, rewards: &[f32], most: usize) -> Option<Vec<usize>> {
        text.parse::<Deployed>().unwrap().outputs(rewards, most)
    }

    #[test]
    fn groups_are_disjoint_and_in_the_order_of_the_draws() {
        let rewards = [0.5, 2.0, -1.0, 2.0, 0.0, -0.0, 9.0];
        assert_eq!(outputs("best-of:2", &rewards, 9), Some(vec![1, 3, 5]));
        assert_eq!(outputs("worst-of:2", &rewards, 9), Some(vec![0, 2, 4]));
        assert_eq!(outputs("best-of:2", &rewards, 2), Some(vec![1, 3]));
        assert_eq!(outputs("worst-of:4", &rewards, 9), Some(vec![2]));
        assert_eq!(outputs("best-of:4", &rewards, 9), Some(vec![3]));
        assert_eq!(outputs("standard", &rewards, 3), Some(vec![0, 1, 2]));
        assert_eq!(outputs("order:2/3", &rewards, 9), Some(vec![0, 5]));
        assert_eq!(outputs("best-of:8", &rewards, 9), Some(vec![]));
        assert_eq!(outputs("best-of:2", &rewards, 0), Some(vec![]));
        let mixture = "mixture:0.5*best-of:3+0.5*worst-of:4";
        assert_eq!(outputs(mixture, &rewards, 9), None);
        assert_eq!(outputs("voting:3", &rewards, 9), None);
    }

    /// Over all samples of 2 groups of 2 from a law on (training reward, what the judge makes of it), the mean of Ŵ is the win rate of what two
    /// fresh draws on each side output.
    #[test]
    fn it_is_unbiased_for_a_judge_that_goes_its_own_way() {
        // (chance, training reward); the judge prefers the response of the higher number here, and 1 to 2 is a tie.
        let ours = [(0.5, 0.0f32), (0.3, 1.0), (0.2, 1.0)];
        let theirs = [(0.25, 0.0f32), (0.25, 1.0), (0.5, 2.0)];
        let share = |a: usize, b: usize| match (a, b) {
            (1, 2) | (2, 1) => 0.5,
            _ if a == b => 0.5,
            _ => f64::from(u8::from(a > b)),
        };
        let best: Deployed = "best-of:2".parse().unwrap();
        // The law of the output of two draws, ties shared.
        let law = |side: &[(f64, f32); 3]| {
            let mut out = [0.0; 3];
            for (i, a) in side.iter().enumerate() {
                for (k, b) in side.iter().enumerate() {
                    let first = 0.5 * (f64::from(a.1 > b.1) + f64::from(a.1 >= b.1));
                    out[i] += a.0 * b.0 * first;
                    out[k] += a.0 * b.0 * (1.0 - first);
                }
            }
            out
        };
        let (p, q) = (law(&ours), law(&theirs));
        let mut truth = 0.0;
        for (a, p) in p.iter().enumerate() {
            for (b, q) in q.iter().enumerate() {
                truth += p * q * share(a, b);
            }
        }
        let draws = |side: &[(f64, f32); 3], code: usize| {
            let kinds = [code % 3, code / 3 % 3, code / 9 % 3, code / 27];
            let chance: f64 = kinds.iter().map(|&k| side[k].0).product();
            let rewards: Vec<f32> = kinds.iter().map(|&k| side[k].1).collect();
            let out = best.outputs(&rewards, 2).unwrap();
            (chance, [kinds[out[0]], kinds[out[1]]])
        };
        let mut mean = 0.0;
        for s in 0..81 {
            for t in 0..81 {
                let ((c, a), (d, b)) = (draws(&ours, s), draws(&theirs, t));
                mean += c * d * 0.5 * (share(a[0], b[0]) + share(a[1], b[1]));
            }
        }
        assert!((mean - truth).abs() < 1e-12, "{mean} not {truth}");
    }

    #[test]
    fn groups_are_averaged_before_prompts_and_silence_is_left_out() {
        let best: Deployed = "best-of:2".parse().unwrap();
        let named = ("exp:5", &best, "judge:http://h#m");
        let shares = [
            vec![Some(1.0), Some(0.0)],
            vec![Some(1.0), None],
            vec![None, None],
            vec![Some(0.5), Some(1.0)],
        ];
        let outcomes = Outcomes {
            wins: 3,
            losses: 1,
            ties: 1,
            inconsistent: 0,
            unparsed: 3,
        };
        let found = Pairwise::new(named, &shares, outcomes).unwrap();
        // By hand: (½ + 1 + ¾) / 3, over three prompts.
        let e = found.win_rate.unwrap();
        assert!((e.mean - 0.75).abs() < 1e-15, "{e:?}");
        assert_eq!((e.prompts, found.left_out, found.pairs), (3, 1, 8));
        // The standard error of ½, 1, ¾: sqrt(0.0625 / 3).
        assert!((e.standard_error - (0.0625f64 / 3.0).sqrt()).abs() < 1e-15);
        assert!(e.high == 1.0 && e.low > 0.0);
        let silent = Pairwise::new(named, &[vec![None], vec![]], Outcomes::default()).unwrap();
        assert_eq!(
            (silent.win_rate, silent.left_out, silent.pairs),
            (None, 2, 1)
        );
    }
}
