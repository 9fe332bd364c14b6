//! Rows of a table by token: `y_t = s · E[token_t]`; the gradient scatters back, `∂E[v] = s · Σ ∂y_t` over all t with `token_t = v`.

use std::sync::Arc;

use burn::{
    Tensor,
    tensor::{Int, TensorData},
};

use infalign_kernels::embedding as kernel;

use super::fused::{self, Forward, Fused, Matrix, Tape};

/// Embeds `tokens`: `(tokens, dim)` from a table `(vocabulary, dim)`, times `scale`.
///
/// # Panics
/// If a token is not in the table: batches are checked where they are made.
pub(crate) fn embedding(table: &Tensor<2>, tokens: &Arc<[u32]>, scale: f32) -> Tensor<2> {
    let device = table.device();
    if fused::is_cpu(&device) {
        let op = Embedding {
            tokens: tokens.clone(),
            scale,
        };
        return fused::apply(op, [table.clone()]);
    }
    let y = table.clone().select(0, indices(tokens, &device));
    if scale == 1.0 { y } else { y.mul_scalar(scale) }
}

/// Row numbers as a tensor.
pub(crate) fn indices(rows: &[u32], device: &burn::tensor::Device) -> Tensor<1, Int> {
    let rows: Vec<i32> = rows.iter().map(|&r| r.cast_signed()).collect();
    let count = rows.len();
    Tensor::from_data(
        TensorData::new(rows, [count]),
        &device.clone().without_autodiff(),
    )
}

#[derive(Debug)]
struct Embedding {
    tokens: Arc<[u32]>,
    scale: f32,
}

impl Fused<1> for Embedding {
    fn forward(&self, [table]: [Matrix<'_>; 1], _: bool) -> Forward {
        let mut y = vec![0.0; self.tokens.len() * table.cols];
        kernel::embedding(table.values, table.cols, &self.tokens, self.scale, &mut y);
        Forward::new(y, self.tokens.len(), table.cols)
    }

    fn backward(&self, tape: &Tape<'_, 1>) -> [Option<Vec<f32>>; 1] {
        let [table] = tape.inputs;
        let mut d = vec![0.0; table.values.len()];
        kernel::embedding_backward(
            tape.gradient.values,
            table.cols,
            &self.tokens,
            self.scale,
            &mut d,
        );
        [Some(d)]
    }
}
