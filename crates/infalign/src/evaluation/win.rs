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
