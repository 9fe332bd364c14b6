//! Gradients of a loss of a classification or value head's scores: preferences of reward models, values of PPO.

use burn::{Tensor, tensor::TensorData};

use super::Gradients;
use crate::{
    batch::Batch,
    error::{Error, Result},
    model::{Decoder, values},
    ops::{embedding::indices, known::known},
    score::{head_scores, last_token},
    spec::Head,
};

/// A loss of scores and its derivatives.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoreGrad {
    /// The loss.
    pub loss: f64,
    /// ∂loss / ∂score, one for each score.
    pub d_scores: Vec<f32>,
}

/// The loss of a batch's scores and its gradients with respect to the model's leaves.
///
/// `loss` is given all scores, row by row: of a classifier `(sequences, labels)`, at each sequence's last token that is not padding; of a value
/// head `(tokens, 1)`, at every token.
///
/// # Errors
/// A model without such a head.
pub fn score_gradients(
    model: &Decoder,
    batch: &Batch,
    loss: impl FnOnce(&[f32]) -> ScoreGrad,
) -> Result<Gradients> {
    let pad = model.spec().tokens.pad;
    let rows: Option<Vec<u32>> = match model.spec().head {
        Head::Classifier { .. } => Some(
            batch
                .offsets()
                .windows(2)
                .map(|w| last_token(batch, w, pad))
                .collect(),
        ),
        Head::Value => None,
        Head::CausalLm => {
            return Err(Error::WrongHead {
                found: model.spec().head,
                needed: "a classification or value head",
            });
        }
    };
    let taped = model.taped();
    let hidden = taped.hidden(batch);
    let hidden = match rows {
        Some(rows) => {
            let device = hidden.device();
            hidden.select(0, indices(&rows, &device))
        }
        None => hidden,
    };
    let scores = head_scores(&taped, hidden);
    let found = loss(&values(&scores.clone().inner()));
    let shape = scores.dims();
    if found.d_scores.len() != shape[0] * shape[1] {
        return Err(Error::bug(format!(
            "{} derivatives for scores of shape {shape:?}",
            found.d_scores.len()
        )));
    }
    let d = Tensor::from_data(TensorData::new(found.d_scores, shape), model.device());
    let mut grads = known(0.0, [scores], [Some(d)]).backward();
    Ok(Gradients {
        loss: found.loss,
        stats: Vec::new(),
        leaves: taped.leaves().map(|t| t.grad_remove(&mut grads)).collect(),
    })
}
