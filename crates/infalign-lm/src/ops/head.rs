//! The language-model head: losses and figures of rows over the vocabulary, never more than a chunk of `(rows, vocabulary)` at a time.
//!
//! Logits are h Wᵀ, capped if the model caps them, divided by the temperature; the formulae of the figures and of their gradients stand in
//! [`infalign_kernels::vocab`]. On other devices than the CPU the same is composed of Burn's operations, a chunk of rows on a tape of its own.

use burn::{
    Tensor,
    tensor::{Device, IndexingUpdateOp, Int, TensorData, activation},
};
use infalign_kernels::vocab::{self, HeadGradients, IGNORED};
pub use infalign_kernels::vocab::{RowGrad, RowStats};

use super::{Weight, embedding::indices, fused, fused::Matrix};
use crate::error::{Error, Result};

/// Rows of logits that are made at a time where the kernel does not apply.
const CHUNK: usize = 256;

/// Which rows are looked at, and how.
pub(crate) struct Rows<'a> {
    /// The token that each row should predict; `None` leaves the row out.
    pub(crate) targets: &'a [Option<u32>],
    /// Divides the logits.
    pub(crate) temperature: f32,
    /// c of c · tanh(logit / c).
    pub(crate) softcap: Option<f32>,
    /// Hidden states and head of the policy that the KL is taken against.
    pub(crate) reference: Option<(Tensor<2>, &'a Weight)>,
}

/// A loss with its gradients.
pub(crate) struct Found {
    pub(crate) loss: f64,
    pub(crate) stats: Vec<Option<RowStats>>,
    pub(crate) d_hidden: Tensor<2>,
    pub(crate) d_matrix: Option<Tensor<2>>,
}

/// How rows' losses follow from what is found at the rows.
pub enum Rule<'a> {
    /// A row's loss and its derivatives, from the row's number and what was found there; asked in row order.
    Row(&'a mut dyn FnMut(usize, RowStats) -> RowGrad),
    /// Those of all rows at once, from what was found at all of them: a row's may depend on later rows (a KL still to go, say). One answer for
    /// each row, with or without a target. Logits beyond 64 MiB, and all on a GPU, are computed twice.
    Batch(&'a mut dyn FnMut(&[Option<RowStats>]) -> Vec<RowGrad>),
}

/// The loss of rows `hidden (rows, dim)` under the head `matrix (vocabulary, dim)`, with its gradients.
///
/// # Errors
/// A target beyond the vocabulary; as many targets as rows are needed.
pub(crate) fn loss(
    hidden: &Tensor<2>,
    matrix: &Weight,
    rows: &Rows<'_>,
    rule: Rule<'_>,
    want_matrix: bool,
) -> Result<Found> {
    check(hidden, matrix, rows)?;
    if fused::is_cpu(&hidden.device()) {
        return on_cpu(hidden, matrix, rows, rule, want_matrix);
    }
    match rule {
        Rule::Row(row) => Ok(composed(hidden, matrix, rows, row, want_matrix)),
        Rule::Batch(plan) => {
            let answers = answered(plan(&measure(hidden, matrix, rows)?), rows)?;
            let mut row = |n: usize, _: RowStats| answers[n];
            Ok(composed(hidden, matrix, rows, &mut row, want_matrix))
        }
    }
}

fn answered(answers: Vec<RowGrad>, rows: &Rows<'_>) -> Result<Vec<RowGrad>> {
    let (found, wanted) = (answers.len(), rows.targets.len());
    if found != wanted {
        return Err(Error::bug(format!("{found} answers for {wanted} rows")));
    }
    Ok(answers)
}

/// The figures of rows, without gradients; `None` where there is no target.
///
/// # Errors
/// As [`loss`].
pub(crate) fn measure(
    hidden: &Tensor<2>,
    matrix: &Weight,
    rows: &Rows<'_>,
) -> Result<Vec<Option<RowStats>>> {
    check(hidden, matrix, rows)?;
    if fused::is_cpu(&hidden.device()) {
        return Ok(measure_on_cpu(hidden, matrix, rows));
    }
    let mut nothing = |_: usize, _: RowStats| RowGrad::default();
    Ok(composed(hidden, matrix, rows, &mut nothing, false).stats)
}

fn check(hidden: &Tensor<2>, matrix: &Weight, rows: &Rows<'_>) -> Result<()> {
    let (count, vocab) = (hidden.dims()[0], matrix.tensor.dims()[0]);
    if rows.targets.len() != count {
        return Err(Error::bug(format!(
            "{} targets for {count} rows",
            rows.targets.len()
        )));
    }
    match rows
        .targets
        .iter()
        .flatten()
        .find(|&&t| t as usize >= vocab)
    {
        Some(&token) => Err(Error::UnknownToken {
            sequence: 0,
            token,
            vocab,
        }),
        None => Ok(()),
    }
}

fn on_cpu(
    hidden: &Tensor<2>,
    matrix: &Weight,
    rows: &Rows<'_>,
    rule: Rule<'_>,
    want_matrix: bool,
) -> Result<Found> {
    let [count, dim] = hidden.dims();
    let device = hidden.device();
    let targets = targets(rows);
    let mut stats = vec![RowStats::default(); count];
    let mut d_hidden = vec![0.0; count * dim];
    let mut d_matrix = want_matrix.then(|| vec![0.0; matrix.tensor.dims()[0] * dim]);
    let loss = with_heads(hidden, matrix, rows, |policy, reference| {
        let gradients = HeadGradients {
            hidden: &mut d_hidden,
            weight: d_matrix.as_deref_mut(),
            bias: None,
        };
        let reference = reference.as_ref();
        match rule {
            Rule::Row(row) => Ok(vocab::head_loss(
                &policy, reference, &targets, row, gradients, &mut stats,
            )),
            Rule::Batch(plan) => {
                let mut failed = None;
                let mut plan = |stats: &[RowStats]| {
                    answered(plan(&there(stats, rows)), rows).unwrap_or_else(|e| {
                        failed = Some(e);
                        vec![RowGrad::default(); count]
                    })
                };
                let loss = vocab::head_loss_together(
                    &policy, reference, &targets, &mut plan, gradients, &mut stats,
                );
                failed.map_or(Ok(loss), Err)
            }
        }
    })?;
    let tensor = |values: Vec<f32>, rows: usize| {
        Tensor::from_data(TensorData::new(values, [rows, dim]), &device)
    };
    Ok(Found {
        loss,
        stats: there(&stats, rows),
        d_hidden: tensor(d_hidden, count),
        d_matrix: d_matrix.map(|d| tensor(d, matrix.tensor.dims()[0])),
    })
}

fn measure_on_cpu(hidden: &Tensor<2>, matrix: &Weight, rows: &Rows<'_>) -> Vec<Option<RowStats>> {
    let targets = targets(rows);
    let mut stats = vec![RowStats::default(); targets.len()];
    with_heads(hidden, matrix, rows, |policy, reference| match reference {
        Some(reference) => vocab::kl_rows(&policy, &reference, &targets, &mut stats),
        None => vocab::log_probs(&policy, &targets, &mut stats),
    });
    there(&stats, rows)
}

/// Calls `f` with the kernel's view of the policy's head and of the reference's.
fn with_heads<R>(
    hidden: &Tensor<2>,
    matrix: &Weight,
    rows: &Rows<'_>,
    f: impl FnOnce(vocab::Head<'_>, Option<vocab::Head<'_>>) -> R,
) -> R {
    fused::with(hidden, |h| {
        fused::with(&matrix.tensor, |w| {
            let policy = head(h, w, matrix, rows);
            match &rows.reference {
                None => f(policy, None),
                Some((hidden, matrix)) => fused::with(hidden, |h| {
                    fused::with(&matrix.tensor, |w| {
                        f(policy, Some(head(h, w, matrix, rows)))
                    })
                }),
            }
        })
    })
}

fn head<'a>(
    hidden: Matrix<'a>,
    values: Matrix<'a>,
    matrix: &'a Weight,
    rows: &Rows<'_>,
) -> vocab::Head<'a> {
    vocab::Head {
        hidden: hidden.values,
        weight: values.values,
        packed: matrix.packed(),
        bias: None,
        vocab: values.rows,
        dim: values.cols,
        soft_cap: rows.softcap,
        temperature: rows.temperature,
    }
}

fn targets(rows: &Rows<'_>) -> Vec<i32> {
    rows.targets
        .iter()
        .map(|t| t.map_or(IGNORED, u32::cast_signed))
        .collect()
}

/// The figures of the rows that have a target.
fn there(stats: &[RowStats], rows: &Rows<'_>) -> Vec<Option<RowStats>> {
    stats
        .iter()
        .zip(rows.targets)
        .map(|(s, t)| t.map(|_| *s))
        .collect()
}

/// Chunks of the rows that have targets: their numbers, and their targets.
fn chunks(targets: &[Option<u32>]) -> Vec<(Vec<u32>, Vec<u32>)> {
    let with: Vec<(u32, u32)> = (0u32..)
        .zip(targets)
        .filter_map(|(n, t)| t.map(|t| (n, t)))
        .collect();
    with.chunks(CHUNK)
        .map(|c| c.iter().copied().unzip())
        .collect()
}

fn composed(
    hidden: &Tensor<2>,
    matrix: &Weight,
    rows: &Rows<'_>,
    row: &mut dyn FnMut(usize, RowStats) -> RowGrad,
    want_matrix: bool,
) -> Found {
    let device = hidden.device();
    let mut stats = vec![None; rows.targets.len()];
    let mut d_hidden = Tensor::zeros_like(hidden);
    let mut d_matrix = None;
    let mut loss = 0.0;
    for (numbers, targets) in chunks(rows.targets) {
        let at = indices(&numbers, &device);
        let h = hidden
            .clone()
            .select(0, at.clone())
            .autodiff()
            .require_grad();
        let w = matrix.tensor.clone().autodiff();
        let w = if want_matrix { w.require_grad() } else { w };
        let (normalisers, log_p) = log_softmax(h.clone(), &w, rows);
        let p = log_p.clone().exp();
        let target: Tensor<2, Int> = indices(&targets, &device).reshape([targets.len(), 1]);
        let log_prob = log_p.clone().gather(1, target.clone());
        let entropy = (p.clone() * log_p.clone()).sum_dim(1).neg();
        let reference = rows.reference.as_ref().map(|(h, w)| {
            let h = h.clone().select(0, at.clone());
            log_softmax(h, &w.tensor, rows).1
        });
        let kl = reference
            .as_ref()
            .map(|q| (p * (log_p.clone() - q.clone())).sum_dim(1));
        let cross = reference
            .as_ref()
            .map(|q| (q.clone().exp() * log_p.clone()).sum_dim(1).neg());
        let read = |t: &Tensor<2>| {
            t.clone()
                .inner()
                .into_data()
                .iter::<f32>()
                .collect::<Vec<f32>>()
        };
        let (log_probs, entropies, normalisers) =
            (read(&log_prob), read(&entropy), read(&normalisers));
        let kls = kl.as_ref().map(read);
        let references = reference.map(|q| read(&q.gather(1, target)));
        let mut d = [Vec::new(), Vec::new(), Vec::new(), Vec::new()];
        for (i, &n) in numbers.iter().enumerate() {
            let found = RowStats {
                log_prob: log_probs[i],
                log_sum_exp: normalisers[i],
                ref_log_prob: references.as_ref().map_or(log_probs[i], |r| r[i]),
                kl: kls.as_ref().map_or(0.0, |k| k[i]),
                entropy: entropies[i],
            };
            let g = row(n as usize, found);
            stats[n as usize] = Some(found);
            loss += f64::from(g.loss);
            d[0].push(g.d_log_prob);
            d[1].push(g.d_entropy);
            d[2].push(g.d_kl);
            d[3].push(g.d_ref_cross_entropy);
        }
        let [d_log_prob, d_entropy, d_kl, d_cross] = d.map(|d| column(d, &device));
        let mut sum = (log_prob * d_log_prob).sum() + (entropy * d_entropy).sum();
        if let Some((kl, cross)) = kl.zip(cross) {
            sum = sum + (kl * d_kl).sum() + (cross * d_cross).sum();
        }
        let mut grads = sum.backward();
        if let Some(g) = h.grad_remove(&mut grads) {
            d_hidden = d_hidden.select_assign(0, at, g, IndexingUpdateOp::Add);
        }
        if let Some(g) = w.grad_remove(&mut grads) {
            d_matrix = Some(match d_matrix {
                Some(d) => d + g,
                None => g,
            });
        }
    }
    if want_matrix && d_matrix.is_none() {
        d_matrix = Some(Tensor::zeros_like(&matrix.tensor));
    }
    Found {
        loss,
        stats,
        d_hidden,
        d_matrix,
    }
}

/// Log-sum-exps `(rows, 1)` and log-probabilities `(rows, vocabulary)`.
fn log_softmax(h: Tensor<2>, w: &Tensor<2>, rows: &Rows<'_>) -> (Tensor<2>, Tensor<2>) {
    let mut logits = h.matmul(w.clone().transpose());
    if let Some(cap) = rows.softcap {
        logits = logits.div_scalar(cap).tanh().mul_scalar(cap);
    }
    let logits = logits.div_scalar(rows.temperature);
    let log_p = activation::log_softmax(logits.clone(), 1);
    // Any column gives the normaliser; the first is as good as another.
    let first = |t: Tensor<2>| t.narrow(1, 0, 1);
    (first(logits) - first(log_p.clone()), log_p)
}

fn column(values: Vec<f32>, device: &Device) -> Tensor<2> {
    let rows = values.len();
    Tensor::from_data(
        TensorData::new(values, [rows, 1]),
        &device.clone().without_autodiff(),
    )
}
