//! The head of a language model together with its softmax, without all rows' logits in memory at once.
//!
//! A row with hidden state h has raw logits l = W h + b, shaped logits z = c tanh(l / c) / T (z = l / T without a soft cap), p = softmax(z),
//! and a target y:
//!
//! - `log_prob` = log p(y), `log_sum_exp` = ln Σ eᶻ, `entropy` H = −Σ p log p;
//! - with a reference head q of the same vocabulary: `kl` = KL = Σ p (log p − log q), `ref_log_prob` = log q(y).
//!
//! [`head_loss`] and [`head_loss_together`] give the gradient of the sum over rows of losses f(log p(y), KL, H, CE), CE = −Σ q log p, of which the caller gives the partial
//! derivatives f₁ to f₄ for every row: ∂f/∂z = f₁ (1\[y\] − p) + f₂ p (log p − log q − KL) − f₃ p (log p + H) + f₄ (p − q), then
//! ∂f/∂l = ∂f/∂z (1 − tanh²(l / c)) / T. Cross-entropy is f = −log p(y), f₁ = −1; policy gradients, clipped ratios, exact KL penalties and
//! projections onto the reference (f₄) are as short. The reference is held fixed; without one f₂ and f₄ count for nothing.
//!
//! Rows pass in chunks of 64 to 512, the fewer the larger the vocabulary. A row's results do not depend on the chunk it is in, nor on the number of threads.
//!
//! | case | result |
//! |---|---|
//! | target [`IGNORED`] | the row is skipped: statistics 0, gradient 0, the objective is not asked |
//! | no rows | loss 0; gradients of the weights are left as they are |
//! | one word | log probability, entropy and divergence 0, gradients 0 |
//! | logits ±∞ | as ±10³⁰ |
//! | NaN | NaN in that row's results |

use core::cell::RefCell;

use rayon::prelude::*;

use crate::aligned::Aligned;
use crate::linear::{
    Dims, Packed, linear_backward_bias, linear_backward_input, linear_backward_weight,
};
use chunk::{Chunk, in_parallel, rows_at_a_time};
use softmax::{Measured, Shaping, divergence, gradient};

mod chunk;
mod softmax;

/// Logits that [`head_loss_together`] keeps for its plan, of both heads: 64 MiB.
pub const KEPT: usize = 1 << 24;

/// The target of rows that are left out.
pub const IGNORED: i32 = -100;

/// Hidden states and the head that turns them into logits.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// (rows, dim).
    pub hidden: &'a [f32],
    /// W (vocab, dim).
    pub weight: &'a [f32],
    /// W again, packed, if it is there: forward passes are then about a tenth faster.
    pub packed: Option<&'a Packed>,
    /// b (vocab).
    pub bias: Option<&'a [f32]>,
    /// Words.
    pub vocab: usize,
    /// Width of a hidden state.
    pub dim: usize,
    /// c > 0 of c tanh(l / c).
    pub soft_cap: Option<f32>,
    /// T > 0, by which shaped logits are divided.
    pub temperature: f32,
}

/// What is known of one row. All are 0 where the target is [`IGNORED`].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RowStats {
    /// Log probability of the target, in nats.
    pub log_prob: f32,
    /// Log of the sum of e to the shaped logits.
    pub log_sum_exp: f32,
    /// Entropy of the row's distribution, in nats.
    pub entropy: f32,
    /// Log probability of the target under the reference; `log_prob` if there is none.
    pub ref_log_prob: f32,
    /// KL divergence from the reference, in nats; 0 if there is none. Rounding may leave it slightly negative.
    pub kl: f32,
}

/// A row's loss and its derivatives with respect to the row's statistics.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RowGrad {
    /// Added to the total.
    pub loss: f32,
    /// f₁ = ∂loss / ∂`log_prob`.
    pub d_log_prob: f32,
    /// f₂ = ∂loss / ∂`kl`.
    pub d_kl: f32,
    /// f₃ = ∂loss / ∂`entropy`.
    pub d_entropy: f32,
    /// f₄ = ∂loss / ∂CE, the cross-entropy −Σ q log p of the reference's whole distribution under the policy's.
    pub d_ref_cross_entropy: f32,
}

/// Where [`head_loss`] leaves its gradients.
#[derive(Debug)]
pub struct HeadGradients<'a> {
    /// (rows, dim), overwritten.
    pub hidden: &'a mut [f32],
    /// (vocab, dim), added to. `None` if the head is frozen.
    pub weight: Option<&'a mut [f32]>,
    /// (vocab), added to.
    pub bias: Option<&'a mut [f32]>,
}

impl Head<'_> {
    fn shaping(&self) -> Shaping {
        Shaping {
            soft_cap: self.soft_cap,
            temperature: self.temperature,
        }
    }

    fn check(&self, rows: usize) {
        assert_eq!(
            self.hidden.len(),
            rows * self.dim,
            "length of the hidden states"
        );
        assert_eq!(
            self.weight.len(),
            self.vocab * self.dim,
            "length of the weight"
        );
        assert!(
            self.bias.is_none_or(|bias| bias.len() == self.vocab),
            "length of the bias"
        );
        let dims = Dims {
            rows,
            outputs: self.vocab,
            inputs: self.dim,
        };
        assert!(
            self.packed.is_none_or(|packed| packed.dims(rows) == dims),
            "packed sizes"
        );
    }
}

/// Buffers that live as long as the thread, so that a step does not fault in its memory again.
#[derive(Default)]
struct Buffers {
    policy: Chunk,
    reference: Chunk,
    d_hidden: Aligned,
}

impl Buffers {
    fn fill(&mut self, policy: &Head<'_>, reference: Option<&Head<'_>>, rows: &[usize]) {
        self.policy.fill(policy, rows);
        if let Some(reference) = reference {
            self.reference.fill(reference, rows);
        }
    }
}

thread_local! {
    static BUFFERS: RefCell<Buffers> = RefCell::default();
}

/// Log probabilities of the targets, normalisers and entropies; no gradient.
///
/// # Panics
/// If a slice's length is not what the sizes say, or a target is neither a word nor [`IGNORED`].
pub fn log_probs(head: &Head<'_>, targets: &[i32], stats: &mut [RowStats]) {
    measure(head, None, targets, stats, |_, _, _, _| {});
}

/// The same together with each row's exact KL divergence from a reference; no gradient.
///
/// # Panics
/// As [`log_probs`], or if the vocabularies differ.
pub fn kl_rows(policy: &Head<'_>, reference: &Head<'_>, targets: &[i32], stats: &mut [RowStats]) {
    measure(policy, Some(reference), targets, stats, |_, _, _, _| {});
}

/// The summed loss and its gradient; `objective` is asked once for every row that is not ignored, in ascending order.
///
/// # Panics
/// As [`kl_rows`], or if a gradient's length is not what the sizes say.
pub fn head_loss(
    policy: &Head<'_>,
    reference: Option<&Head<'_>>,
    targets: &[i32],
    objective: &mut dyn FnMut(usize, RowStats) -> RowGrad,
    gradients: HeadGradients<'_>,
    stats: &mut [RowStats],
) -> f64 {
    let mut totals = Totals::new(policy, gradients);
    measure(
        policy,
        reference,
        targets,
        stats,
        |buffers, rows, stats, has_reference| {
            let answers = rows.iter().map(|row| objective(*row, stats[*row]));
            let wanted = wanted(rows, targets, stats, answers);
            totals.add(policy, buffers, rows, &wanted, has_reference);
        },
    );
    totals.loss
}

/// The same for losses of rows that depend on other rows: `plan` is asked once, of the statistics of all rows, and answers for every row; what it
/// says of ignored rows is left aside.
///
/// Logits of up to [`KEPT`] numbers wait for the plan; the others are computed a second time.
///
/// # Panics
/// As [`head_loss`], or if the plan's length is not the number of rows.
pub fn head_loss_together(
    policy: &Head<'_>,
    reference: Option<&Head<'_>>,
    targets: &[i32],
    plan: &mut dyn FnMut(&[RowStats]) -> Vec<RowGrad>,
    gradients: HeadGradients<'_>,
    stats: &mut [RowStats],
) -> f64 {
    let mut totals = Totals::new(policy, gradients);
    let heads = 1 + usize::from(reference.is_some());
    let mut room = KEPT;
    // Of each chunk its rows, and its logits if there is room.
    let mut waiting: Vec<(Vec<usize>, Option<Buffers>)> = Vec::new();
    measure(policy, reference, targets, stats, |buffers, rows, _, _| {
        let size = heads * rows.len() * policy.vocab;
        let kept = (size <= room).then(|| {
            room -= size;
            core::mem::take(buffers)
        });
        waiting.push((rows.to_vec(), kept));
    });
    let answers = plan(stats);
    assert_eq!(answers.len(), targets.len(), "length of the plan");
    for (rows, kept) in waiting {
        let mut buffers = kept.unwrap_or_else(|| {
            let mut buffers = BUFFERS.take();
            buffers.fill(policy, reference, &rows);
            buffers
        });
        let wanted = wanted(&rows, targets, stats, rows.iter().map(|row| answers[*row]));
        totals.add(policy, &mut buffers, &rows, &wanted, reference.is_some());
        BUFFERS.set(buffers);
    }
    totals.loss
}

/// What a row's gradient needs: what was measured, and what the objective answered.
type Wanted = (Measured, RowGrad);

fn wanted(
    rows: &[usize],
    targets: &[i32],
    stats: &[RowStats],
    answers: impl Iterator<Item = RowGrad>,
) -> Vec<Wanted> {
    let one = |(row, answer): (&usize, RowGrad)| {
        let RowStats { kl, entropy, .. } = stats[*row];
        let target = targets[*row] as usize;
        let measured = Measured {
            target,
            kl,
            entropy,
        };
        (measured, answer)
    };
    rows.iter().zip(answers).map(one).collect()
}

/// The loss and its gradients, chunk by chunk.
struct Totals<'a> {
    loss: f64,
    gradients: HeadGradients<'a>,
}

impl<'a> Totals<'a> {
    fn new(policy: &Head<'_>, gradients: HeadGradients<'a>) -> Self {
        let HeadGradients {
            hidden,
            weight,
            bias,
        } = &gradients;
        let Head { vocab, dim, .. } = *policy;
        assert_eq!(
            hidden.len(),
            policy.hidden.len(),
            "length of the hidden states' gradient"
        );
        assert!(
            weight.as_ref().is_none_or(|d| d.len() == vocab * dim),
            "length of dW"
        );
        assert!(
            bias.as_ref().is_none_or(|d| d.len() == vocab),
            "length of the bias' gradient"
        );
        gradients.hidden.fill(0.0);
        Self {
            loss: 0.0,
            gradients,
        }
    }

    /// Adds a chunk, whose logits become their gradients.
    fn add(
        &mut self,
        policy: &Head<'_>,
        buffers: &mut Buffers,
        rows: &[usize],
        wanted: &[Wanted],
        has_reference: bool,
    ) {
        let Head { vocab, dim, .. } = *policy;
        for (_, answer) in wanted {
            self.loss += f64::from(answer.loss);
        }
        let Buffers {
            policy: chunk,
            reference,
            d_hidden: scratch,
        } = buffers;
        let normalisers = core::mem::take(&mut chunk.normalisers);
        let each = |(at, z): (usize, &mut [f32])| {
            let against = has_reference.then(|| reference.row(at));
            let (measured, answer) = wanted[at];
            gradient(
                (z, normalisers[at].0),
                against,
                policy.shaping(),
                measured,
                answer,
            );
        };
        let logits = chunk.logits_mut();
        if in_parallel(logits.len()) {
            logits
                .par_chunks_exact_mut(vocab)
                .enumerate()
                .for_each(each);
        } else {
            logits.chunks_exact_mut(vocab).enumerate().for_each(each);
        }
        chunk.normalisers = normalisers;
        let dims = Dims {
            rows: rows.len(),
            outputs: vocab,
            inputs: dim,
        };
        let d_rows = scratch.at_least(rows.len() * dim);
        linear_backward_input(dims, chunk.logits(), policy.weight, false, d_rows);
        for (at, row) in rows.iter().enumerate() {
            self.gradients.hidden[row * dim..][..dim].copy_from_slice(&d_rows[at * dim..][..dim]);
        }
        if let Some(d_weight) = &mut self.gradients.weight {
            linear_backward_weight(dims, chunk.logits(), chunk.hidden(), true, d_weight);
        }
        if let Some(d_bias) = &mut self.gradients.bias {
            linear_backward_bias(dims, chunk.logits(), true, d_bias);
        }
    }
}

/// Fills `stats` chunk by chunk, and hands each chunk on while its logits exist.
fn measure(
    policy: &Head<'_>,
    reference: Option<&Head<'_>>,
    targets: &[i32],
    stats: &mut [RowStats],
    mut then: impl FnMut(&mut Buffers, &[usize], &[RowStats], bool),
) {
    policy.check(targets.len());
    assert_eq!(stats.len(), targets.len(), "length of the statistics");
    if let Some(reference) = reference {
        reference.check(targets.len());
        assert_eq!(reference.vocab, policy.vocab, "vocabulary of the reference");
    }
    stats.fill(RowStats::default());
    let mut rows = Vec::with_capacity(targets.len());
    for (row, target) in targets.iter().enumerate() {
        if *target != IGNORED {
            let known = usize::try_from(*target).is_ok_and(|target| target < policy.vocab);
            assert!(
                known,
                "target {target} of row {row} is not a word of {}",
                policy.vocab
            );
            rows.push(row);
        }
    }
    // Taken, not borrowed: the thread may work for someone else's head while it waits for others.
    let mut buffers = BUFFERS.take();
    for rows in rows.chunks(rows_at_a_time(policy.vocab)) {
        buffers.fill(policy, reference, rows);
        let one = |at: usize| {
            let target = targets[rows[at]] as usize;
            let mut stats = buffers.policy.stats(at, target);
            if reference.is_some() {
                let other = buffers.reference.row(at);
                stats.ref_log_prob = other.1.log_prob(other.0[target]);
                stats.kl = divergence(buffers.policy.row(at), other);
            }
            stats
        };
        let found: Vec<RowStats> = if in_parallel(rows.len() * policy.vocab) {
            (0..rows.len()).into_par_iter().map(one).collect()
        } else {
            (0..rows.len()).map(one).collect()
        };
        for (row, found) in rows.iter().zip(found) {
            stats[*row] = found;
        }
        then(&mut buffers, rows, stats, reference.is_some());
    }
    BUFFERS.set(buffers);
}

#[cfg(test)]
mod tests;
