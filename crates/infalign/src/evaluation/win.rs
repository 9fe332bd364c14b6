//! The win rate of selected responses against selected responses, by any judge.
//!
//! With masses `p_i` of one side's responses and `q_j` of the other's ([`super::selection`]), and the judge's rewards a, b,
//!
//! ```text
//! Ŵ = Σ_i Σ_j p_i q_j w(a_i, b_j) = Σ_i p_i ( q(b < a_i) + ½ q(b = a_i) ),     w = 1 if a > b, ½ if equal, else 0,
//! ```
//!
//! by one merge of the lists sorted by the judge: O((m+n) log(m+n)). Where the judge is the training reward, by which the procedure
//! selects, this is [`crate::estimate::win_rate`] (the tests hold them together).
//!
//! | case | result |
//! |---|---|
//! | a judge that sees all responses alike | ½ |
//! | −0 and +0 | tie |
//! | the same responses on both sides | ½ exactly, up to rounding |

/// One side of a prompt.
#[derive(Debug, Clone, Copy)]
pub(super) struct Side<'a> {
    /// Mass of each response.
    pub(super) masses: &'a [f64],
    /// The judge's rewards: finite, as many as masses.
    pub(super) rewards: &'a [f32],
}

/// How often `left` beats `right`, ties half; in \[0,1\].
pub(super) fn judged(left: Side<'_>, right: Side<'_>) -> f64 {
    let (left, right) = (sorted(left), sorted(right));
    let (mut below, mut next, mut sum) = (0.0, 0, 0.0);
    for group in left.chunk_by(|a, b| a.0 == b.0) {
        let reward = group[0].0;
        while next < right.len() && right[next].0 < reward {
            below += right[next].1;
            next += 1;
        }
        let tied = right[next..].iter().take_while(|b| b.0 == reward);
        let credit = below + 0.5 * tied.map(|b| b.1).sum::<f64>();
        sum += group.iter().map(|a| a.1).sum::<f64>() * credit;
    }
    sum.clamp(0.0, 1.0)
}

/// (reward, mass) in increasing order of reward.
fn sorted(side: Side<'_>) -> Vec<(f32, f64)> {
    let rewards = side.rewards.iter().map(|r| r + 0.0);
    let mut pairs: Vec<(f32, f64)> = rewards.zip(side.masses.iter().copied()).collect();
    pairs.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    pairs
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed construction is a failed test")]

    use proptest::prelude::*;

    use super::*;
    use crate::estimate::{OrderLaw, win_rate};

    proptest! {
        #[test]
        fn it_is_the_double_sum_and_sides_mirror(
            left in prop::collection::vec((-3i8..4, 0.0f64..1.0), 1..30),
            right in prop::collection::vec((-3i8..4, 0.0f64..1.0), 1..30),
        ) {
            let split = |side: &[(i8, f64)]| {
                let total: f64 = side.iter().map(|s| s.1 + 1e-9).sum();
                let masses: Vec<f64> = side.iter().map(|s| (s.1 + 1e-9) / total).collect();
                (masses, side.iter().map(|s| f32::from(s.0)).collect::<Vec<_>>())
            };
            let (p, a) = split(&left);
            let (q, b) = split(&right);
            let (ours, theirs) = (Side { masses: &p, rewards: &a }, Side { masses: &q, rewards: &b });
            let mut want = 0.0;
            for (p, a) in p.iter().zip(&a) {
                for (q, b) in q.iter().zip(&b) {
                    want += p * q * 0.5 * (f64::from(a > b) + f64::from(a >= b));
                }
            }
            prop_assert!((judged(ours, theirs) - want).abs() < 1e-13);
            prop_assert!((judged(ours, theirs) + judged(theirs, ours) - 1.0).abs() < 1e-13);
            prop_assert!((judged(ours, ours) - 0.5).abs() < 1e-13);
        }

        #[test]
        fn of_the_selecting_reward_it_is_the_merge_estimator(
            mut a in prop::collection::vec(-3i8..4, 4..30),
            mut b in prop::collection::vec(-3i8..4, 4..30),
            j in 1usize..4,
        ) {
            a.sort_unstable();
            b.sort_unstable();
            let (a, b) = [&a, &b].map(|v| v.iter().map(|r| f32::from(*r)).collect::<Vec<_>>()).into();
            let laws = [&a, &b].map(|v| OrderLaw::order(j, 4, v.len()).unwrap());
            let got = judged(
                Side { masses: laws[0].mass(), rewards: &a },
                Side { masses: laws[1].mass(), rewards: &b },
            );
            let want = win_rate(&a, &laws[0], &b, &laws[1]).unwrap();
            prop_assert!((got - want).abs() < 1e-13);
        }
    }

    #[test]
    fn a_judge_that_sees_no_difference_gives_half_and_zeros_tie() {
        let masses = [0.25, 0.75];
        let side = |rewards| Side {
            masses: &masses,
            rewards,
        };
        assert_eq!(judged(side(&[0.0, 0.0]), side(&[-0.0, 0.0])), 0.5);
        assert_eq!(
            judged(side(&[-0.0, 1.0]), side(&[0.0, 0.0])),
            0.25 * 0.5 + 0.75
        );
    }
}
