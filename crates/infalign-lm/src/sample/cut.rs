//! Which tokens top-k, top-p and min-p keep, as transformers' logits warpers do, without sorting the vocabulary.
//!
//! Order (transformers 5, `generation/utils.py`, `_get_logits_processor`): temperature, top-k, top-p, min-p; each sees what the ones before
//! left. With scores `s_i = l_i / T` and `z_i = s_i − max s`:
//!
//! ```text
//! top-k: removes s_i < the k-th largest score                      (all that tie with the k-th stay)
//! top-p: sorts ascending, removes while removed mass ≤ 1 − p        (f32 comparison; of equal scores the lower ids go first; one stays)
//! min-p: removes p_i < min_p · max p,  i.e. z_i < ln min_p          (the likeliest always stays)
//! ```
//!
//! All three keep an upper set of the tokens ordered by (score, id), so that the result is one threshold. The k-th largest comes from the
//! maxima of blocks: k blocks with a maximum ≥ b prove that the k-th largest is ≥ b, and few tokens are. The mass is found by halving a
//! partially ordered list (each time `select_nth_unstable`), linear in its length. Tokens lighter than (1 − p) / V hold together less than
//! 1 − p and are removed unseen.
//!
//! | case | result |
//! |---|---|
//! | k ≥ V, k = 0; p = 1; `min_p` = 0 | keeps all |
//! | −∞ scores at the k-th place | kept, without weight |
//! | p so small that 1 − p rounds to 1 | the likeliest token; of equal ones the highest id |

use std::cmp::Ordering;

use super::softmax;

/// Tokens of which the maximum is taken together.
const BLOCK: usize = 32;
/// A list this short is sorted rather than halved again.
const SHORT: usize = 32;

/// The smallest kept token in the order of (score, id), and the lowest kept log-weight.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Cut {
    score: f32,
    id: u32,
    floor: f32,
}

impl Cut {
    const NONE: Self = Self {
        score: f32::NEG_INFINITY,
        id: 0,
        floor: f32::NEG_INFINITY,
    };

    /// Whether token `id` stays, with `score` l/T and log-weight `z`.
    #[inline(always)]
    pub(super) fn keeps(&self, score: f32, id: u32, z: f32) -> bool {
        let above = (score > self.score) | ((score == self.score) & (id >= self.id));
        above & (z >= self.floor)
    }
}

/// What is to be cut off.
#[derive(Debug, Clone, Copy)]
pub(super) struct Truncation {
    pub(super) temperature: f32,
    pub(super) top_k: usize,
    pub(super) top_p: f64,
    pub(super) min_p: f64,
}

/// Buffers that live from row to row.
#[derive(Debug, Clone, Default)]
pub(super) struct Scratch {
    scores: Vec<f32>,
    values: Vec<f32>,
    nucleus: Vec<Candidate>,
}

#[derive(Debug, Clone, Copy)]
struct Candidate {
    score: f32,
    id: u32,
    weight: f32,
}

impl Candidate {
    fn order(&self, other: &Self) -> Ordering {
        self.score
            .total_cmp(&other.score)
            .then(self.id.cmp(&other.id))
    }
}

impl Truncation {
    /// Whether it can remove a token of a vocabulary of this size.
    pub(super) fn removes(&self, vocab: usize) -> bool {
        self.cuts_k(vocab) || self.top_p < 1.0 || self.min_p > 0.0
    }

    fn cuts_k(&self, vocab: usize) -> bool {
        self.top_k > 0 && self.top_k < vocab
    }

    /// The threshold of a row with the finite largest logit `max`. NaN in the row gives an arbitrary one.
    pub(super) fn cut(&self, row: &[f32], max: f32, scratch: &mut Scratch) -> Cut {
        let Scratch {
            scores,
            values,
            nucleus,
        } = scratch;
        let scores: &[f32] = if self.temperature == 1.0 {
            row
        } else {
            scores.clear();
            scores.extend(row.iter().map(|&l| l / self.temperature));
            scores
        };
        let mut cut = Cut::NONE;
        if self.cuts_k(row.len()) {
            cut.score = kth_largest(scores, self.top_k, values);
        }
        if self.top_p < 1.0 {
            softmax::weights(row, max, self.temperature, values);
            self.nucleus(scores, values, &mut cut, nucleus);
        }
        if self.min_p > 0.0 {
            cut.floor = self.min_p.ln() as f32;
        }
        cut
    }

    fn nucleus(&self, scores: &[f32], weights: &[f32], cut: &mut Cut, into: &mut Vec<Candidate>) {
        let limit = (1.0 - self.top_p) as f32;
        into.clear();
        let all = || scores.iter().zip(weights).enumerate();
        let kept = |s: f32| s >= cut.score;
        let total: f64 = all()
            .filter(|&(_, (&s, _))| kept(s))
            .map(|(_, (_, &w))| f64::from(w))
            .sum();
        // Half of the bound: no rounding can then make the unseen tokens hold more than 1 − p.
        let light = (0.5 * f64::from(limit) * total / scores.len() as f64) as f32;
        let mut removed = 0.0;
        for (i, (&score, &weight)) in all().filter(|&(_, (&s, _))| kept(s)) {
            if weight < light {
                removed += f64::from(weight);
            } else {
                into.push(Candidate {
                    score: score + 0.0, // −0 and 0 tie
                    id: i as u32,
                    weight,
                });
            }
        }
        let stays = |mass: f64| (mass / total) as f32 > limit;
        // Below `part` all are removed; `above`, the next one over it, stays.
        let mut part = into.as_mut_slice();
        let mut above = None;
        while part.len() > SHORT {
            let half = part.len() / 2;
            let (low, middle, _) = part.select_nth_unstable_by(half, Candidate::order);
            let mass: f64 = low.iter().map(|c| f64::from(c.weight)).sum();
            if stays(removed + mass) {
                above = Some(*middle);
                part = &mut part[..half];
            } else {
                removed += mass;
                part = &mut part[half..];
            }
        }
        part.sort_unstable_by(Candidate::order);
        let first = part.iter().find(|c| {
            removed += f64::from(c.weight);
            stays(removed)
        });
        if let Some(first) = first.copied().or(above).or(part.last().copied()) {
            cut.score = first.score;
            cut.id = first.id;
        }
    }
}

/// The k-th largest score, 0 < k ≤ the number of scores.
fn kth_largest(scores: &[f32], k: usize, values: &mut Vec<f32>) -> f32 {
    fn select(values: &mut [f32], k: usize) -> f32 {
        *values
            .select_nth_unstable_by(k - 1, |a, b| b.total_cmp(a))
            .1
    }
    values.clear();
    if scores.len() / BLOCK < k {
        values.extend_from_slice(scores);
        return select(values, k);
    }
    let largest = |block: &[f32]| {
        block
            .iter()
            .fold(f32::NEG_INFINITY, |a, &b| if b > a { b } else { a })
    };
    values.extend(scores.chunks(BLOCK).map(largest));
    let bound = select(values, k);
    values.clear();
    values.extend(scores.iter().filter(|&&s| s >= bound));
    // Only NaN can leave fewer than k.
    if values.len() < k {
        return bound;
    }
    select(values, k)
}
