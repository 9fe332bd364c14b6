//! The language-model head: losses and figures of rows over the vocabulary, never more than a chunk of `(rows, vocabulary)` at a time.
//!
//! Logits are h Wᵀ, capped if the model caps them, divided by the temperature; the formulae of the figures and of their gradients stand in
//! [`infalign_kernels::vocab`]. On other devices than the CPU the same is composed of Burn's operations, a chunk of rows on a tape of its own.

use burn::{
    Tensor,
    tensor::{Device, IndexingUpdateOp, Int, TensorData, activation},
};
pub use infalign_kernels::vocab::{RowGrad, RowStats};
use infalign_kernels::vocab;

use super::{embedding::indices, fused};
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
    pub(crate) reference: Option<(Tensor<2>, &'a Tensor<2>)>,
}

/// A loss with its gradients.
pub(crate) struct Found {
    pub(crate) loss: f64,
    pub(crate) stats: Vec<Option<RowStats>>,
    pub(crate) d_hidden: Tensor<2>,
    pub(crate) d_matrix: Option<Tensor<2>>,
}

type Row<'a> = &'a (dyn Fn(usize, RowStats) -> RowGrad + Sync);

/// The loss of rows `hidden (rows, dim)` under the head `matrix (vocabulary, dim)`, with its gradients.
///
/// # Errors
/// A target beyond the vocabulary; as many targets as rows are needed.
pub(crate) fn loss(hidden: &Tensor<2>, matrix: &Tensor<2>, rows: &Rows<'_>, row: Row<'_>, want_matrix: bool) -> Result<Found> {
    check(hidden, matrix, rows)?;
    if fused::is_cpu(&hidden.device()) {
        return Ok(on_cpu(hidden, matrix, rows, row, want_matrix));
    }
    Ok(composed(hidden, matrix, rows, row, want_matrix))
}

/// The figures of rows, without gradients; `None` where there is no target.
///
/// # Errors
/// As [`loss`].
pub(crate) fn measure(hidden: &Tensor<2>, matrix: &Tensor<2>, rows: &Rows<'_>) -> Result<Vec<Option<RowStats>>> {
    check(hidden, matrix, rows)?;
    if fused::is_cpu(&hidden.device()) {
        return Ok(measure_on_cpu(hidden, matrix, rows));
    }
    let nothing = |_: usize, _: RowStats| RowGrad::default();
    Ok(composed(hidden, matrix, rows, &nothing, false).stats)
}

fn check(hidden: &Tensor<2>, matrix: &Tensor<2>, rows: &Rows<'_>) -> Result<()> {
    let (count, vocab) = (hidden.dims()[0], matrix.dims()[0]);
    if rows.targets.len() != count {
        return Err(Error::bug(format!("{} targets for {count} rows", rows.targets.len())));
    }
    match rows.targets.iter().flatten().find(|&&t| t as usize >= vocab) {
        Some(&token) => Err(Error::UnknownToken {
            sequence: 0,
            token,
            vocab,
        }),
        None => Ok(()),
    }
}

/// Chunks of the rows that have targets: their numbers, and their targets.
fn chunks(targets: &[Option<u32>]) -> Vec<(Vec<u32>, Vec<u32>)> {
    let with: Vec<(u32, u32)> = (0u32..)
        .zip(targets)
        .filter_map(|(n, t)| t.map(|t| (n, t)))
        .collect();
    with.chunks(CHUNK).map(|c| c.iter().copied().unzip()).collect()
}

fn composed(hidden: &Tensor<2>, matrix: &Tensor<2>, rows: &Rows<'_>, row: Row<'_>, want_matrix: bool) -> Found {
    let device = hidden.device();
    let mut stats = vec![None; rows.targets.len()];
    let mut d_hidden = Tensor::zeros_like(hidden);
    let mut d_matrix = None;
    let mut loss = 0.0;
    for (numbers, targets) in chunks(rows.targets) {
        let at = indices(&numbers, &device);
        let h = hidden.clone().select(0, at.clone()).autodiff().require_grad();
        let w = matrix.clone().autodiff();
        let w = if want_matrix { w.require_grad() } else { w };
        let log_p = log_probs(h.clone(), &w, rows);
        let p = log_p.clone().exp();
        let target: Tensor<2, Int> = indices(&targets, &device).reshape([targets.len(), 1]);
        let log_prob = log_p.clone().gather(1, target.clone());
        let entropy = (p.clone() * log_p.clone()).sum_dim(1).neg();
        let reference = rows.reference.as_ref().map(|(h, w)| {
            let h = h.clone().select(0, at.clone());
            log_probs(h, w, rows)
        });
        let kl = reference.as_ref().map(|q| (p * (log_p.clone() - q.clone())).sum_dim(1));
        let read = |t: &Tensor<2>| t.clone().inner().into_data().iter::<f32>().collect::<Vec<f32>>();
        let (log_probs, entropies) = (read(&log_prob), read(&entropy));
        let kls = kl.as_ref().map(read);
        let references = reference.map(|q| read(&q.gather(1, target)));
        let mut d = [Vec::new(), Vec::new(), Vec::new()];
        for (i, &n) in numbers.iter().enumerate() {
            let found = RowStats {
                log_prob: log_probs[i],
                ref_log_prob: references.as_ref().map_or(0.0, |r| r[i]),
                kl: kls.as_ref().map_or(0.0, |k| k[i]),
                entropy: entropies[i],
            };
            let g = row(n as usize, found);
            stats[n as usize] = Some(found);
            loss += f64::from(g.loss);
            d[0].push(g.d_log_prob);
            d[1].push(g.d_entropy);
            d[2].push(g.d_kl);
        }
        let [d_log_prob, d_entropy, d_kl] = d.map(|d| column(d, &device));
        let mut sum = (log_prob * d_log_prob).sum() + (entropy * d_entropy).sum();
        if let Some(kl) = kl {
            sum = sum + (kl * d_kl).sum();
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
        d_matrix = Some(Tensor::zeros_like(matrix));
    }
    Found {
        loss,
        stats,
        d_hidden,
        d_matrix,
    }
}

fn log_probs(h: Tensor<2>, w: &Tensor<2>, rows: &Rows<'_>) -> Tensor<2> {
    let mut logits = h.matmul(w.clone().transpose());
    if let Some(cap) = rows.softcap {
        logits = logits.div_scalar(cap).tanh().mul_scalar(cap);
    }
    activation::log_softmax(logits.div_scalar(rows.temperature), 1)
}

fn column(values: Vec<f32>, device: &Device) -> Tensor<2> {
    let rows = values.len();
    Tensor::from_data(TensorData::new(values, [rows, 1]), &device.clone().without_autodiff())
}
