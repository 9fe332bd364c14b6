//! A loss of a batch and its gradients, on one tape or, under activation checkpointing, layer by layer.
//!
//! With checkpointing only the input of every layer is kept; the backward pass computes each layer again on a tape of its own. That costs a
//! second forward pass and divides the memory of activations by about the number of layers. The gradients are the same bits.

use burn::Tensor;

use crate::{
    batch::Batch,
    error::Result,
    model::Decoder,
    ops::{
        head::{self, RowStats, Rows, Rule},
        known::known,
    },
};

/// A loss of rows, its statistics and gradients.
#[derive(Debug)]
pub struct Gradients {
    /// Σ of the rows' losses.
    pub loss: f64,
    /// What was found at every row that has a target, in row order.
    pub stats: Vec<Option<RowStats>>,
    /// For every leaf of the model ([`Decoder::leaves`]), in order.
    pub(crate) leaves: Vec<Option<Tensor<2>>>,
}

impl Gradients {
    /// Adds the gradients of another part of the same batch.
    pub fn merge(&mut self, other: Self) {
        self.loss += other.loss;
        self.stats.extend(other.stats);
        for (mine, theirs) in self.leaves.iter_mut().zip(other.leaves) {
            *mine = match (mine.take(), theirs) {
                (Some(a), Some(b)) => Some(a + b),
                (a, b) => a.or(b),
            };
        }
    }
}

/// What a loss is made of.
pub struct Objective<'a> {
    /// The token that each row should predict; `None` leaves the row out.
    pub targets: &'a [Option<u32>],
    /// The policy that the exact KL is taken against.
    pub reference: Option<&'a Decoder>,
    /// The logits are divided by it before anything else; 1 is the model's own distribution.
    pub temperature: f32,
    /// What each row's loss is.
    pub rule: Rule<'a>,
}

/// The loss of `batch` and its gradients with respect to the model's leaves.
///
/// # Errors
/// What the head says of targets that do not fit.
pub fn gradients(
    model: &Decoder,
    batch: &Batch,
    objective: Objective<'_>,
    checkpoint: bool,
) -> Result<Gradients> {
    let reference = objective.reference.map(|r| r.hidden(batch));
    let rows = Rows {
        targets: objective.targets,
        temperature: objective.temperature,
        softcap: model.spec().logit_softcap,
        reference: objective
            .reference
            .zip(reference)
            .map(|(r, h)| (h, r.head())),
    };
    if checkpoint {
        by_layer(model, batch, &rows, objective.rule)
    } else {
        at_once(model, batch, &rows, objective.rule)
    }
}

fn at_once(model: &Decoder, batch: &Batch, rows: &Rows<'_>, rule: Rule<'_>) -> Result<Gradients> {
    let taped = model.taped();
    let hidden = taped.hidden(batch);
    let (loss, stats, scalar) = head_loss(&taped, hidden, rows, rule)?;
    let mut grads = scalar.backward();
    let leaves = taped.leaves().map(|t| t.grad_remove(&mut grads)).collect();
    Ok(Gradients {
        loss,
        stats,
        leaves,
    })
}

fn by_layer(model: &Decoder, batch: &Batch, rows: &Rows<'_>, rule: Rule<'_>) -> Result<Gradients> {
    let leaf = |t: &Tensor<2>| t.clone().autodiff().require_grad();
    let computed = batch.computed(model.device());
    let layers = model.spec().layers;
    let mut inputs = Vec::with_capacity(layers);
    let mut x = model.embed(&computed.tokens, &computed.positions);
    for n in 0..layers {
        let next = model.layer(n, x.clone(), |qkv| {
            model.attention(n).forward(qkv, &computed.groups)
        });
        inputs.push(std::mem::replace(&mut x, next));
    }
    let taped = model.taped();
    let mut leaves: Vec<Option<Tensor<2>>> = taped.leaves().map(|_| None).collect();
    let mut collect = |grads: &mut burn::tensor::Gradients| {
        for (sum, t) in leaves.iter_mut().zip(taped.leaves()) {
            if let Some(g) = t.grad_remove(grads) {
                *sum = Some(match sum.take() {
                    Some(s) => s + g,
                    None => g,
                });
            }
        }
    };
    let last = leaf(&x);
    drop(x);
    let hidden = computed.of_batch(taped.final_norm(last.clone()));
    let (loss, stats, scalar) = head_loss(&taped, hidden, rows, rule)?;
    let mut grads = scalar.backward();
    collect(&mut grads);
    let mut d = last.grad_remove(&mut grads);
    while let Some(x) = inputs.pop() {
        let n = inputs.len();
        let input = leaf(&x);
        drop(x);
        let y = taped.layer(n, input.clone(), |qkv| {
            taped.attention(n).forward(qkv, &computed.groups)
        });
        let mut grads = known(0.0, [y], [d.take()]).backward();
        collect(&mut grads);
        d = input.grad_remove(&mut grads);
    }
    let x = taped.embed(&computed.tokens, &computed.positions);
    if x.is_tracked() {
        collect(&mut known(0.0, [x], [d]).backward());
    }
    Ok(Gradients {
        loss,
        stats,
        leaves,
    })
}

/// The head's loss, put on the tape of the hidden states and of the head's matrix.
fn head_loss(
    taped: &Decoder,
    hidden: Tensor<2>,
    rows: &Rows<'_>,
    rule: Rule<'_>,
) -> Result<(f64, Vec<Option<RowStats>>, Tensor<2>)> {
    let matrix = taped.head().tensor.clone();
    let (inner, head) = (hidden.clone().inner(), taped.head().inner());
    let found = head::loss(&inner, &head, rows, rule, matrix.is_tracked())?;
    let scalar = match found.d_matrix {
        Some(d) => known(
            found.loss as f32,
            [hidden, matrix],
            [Some(found.d_hidden), Some(d)],
        ),
        None => known(found.loss as f32, [hidden], [Some(found.d_hidden)]),
    };
    Ok((found.loss, found.stats, scalar))
}
