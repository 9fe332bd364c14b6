//! Linear layers, y = x Wᵀ + b: the forward pass for few and for many rows, and the gradients.
//!
//! y\[i, o\] = start + Σ x\[i, p\] · w\[o, p\] over p, ascending, where start is 0, what y held or a residual, plus the bias. Every element is one
//! chain of fused multiply-adds (where the processor has them): its bits do not depend on the number of rows, on its neighbours, on the number of
//! threads, nor on whether the weights were packed before.
//!
//! Weights that stay for a while are packed once ([`Packed`]); [`linear_forward`] packs a piece at a time in passing.
//!
//! | case | result |
//! |---|---|
//! | no rows, no outputs | nothing is written |
//! | no inputs | the start |
//! | NaN, ±∞ | as the arithmetic has it; only elements of the same row and output are touched |

use kernel::{Kernel, fastest};
use product::{Product, Right};

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod backward;
mod kernel;
mod packed;
mod portable;
mod product;
mod transpose;

pub use backward::{
    linear_backward_bias, linear_backward_input, linear_backward_weight, linear_input_gradient,
    linear_weight_gradient,
};
pub use packed::Packed;

/// The sizes of a linear layer's pass: x (rows, inputs), w (outputs, inputs), y (rows, outputs).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dims {
    /// Rows of x and y.
    pub rows: usize,
    /// Rows of w, columns of y.
    pub outputs: usize,
    /// Columns of x and w.
    pub inputs: usize,
}

/// y = x Wᵀ + bias, or y += x Wᵀ + bias if `accumulate`; x (rows, inputs), w (outputs, inputs), bias (outputs), y (rows, outputs).
///
/// # Panics
/// If a slice's length is not what `dims` say.
pub fn linear_forward(
    dims: Dims,
    x: &[f32],
    w: &[f32],
    bias: Option<&[f32]>,
    accumulate: bool,
    y: &mut [f32],
) {
    transposed(dims, x, w, bias).run(fastest(), accumulate, y);
}

/// x Wᵀ + bias + residual in a new vector; shapes as in [`linear_forward`], the residual (rows, outputs).
///
/// Its bits are those of adding to a copy of the residual.
///
/// # Panics
/// If a slice's length is not what `dims` say.
#[must_use]
pub fn linear(
    dims: Dims,
    x: &[f32],
    w: &[f32],
    bias: Option<&[f32]>,
    residual: Option<&[f32]>,
) -> Vec<f32> {
    transposed(dims, x, w, bias).fresh(fastest(), residual)
}

fn transposed<'a>(dims: Dims, x: &'a [f32], w: &'a [f32], bias: Option<&'a [f32]>) -> Product<'a> {
    Product {
        rows: dims.rows,
        depth: dims.inputs,
        cols: dims.outputs,
        x,
        right: Right::Transposed(w),
        bias,
    }
}

/// The name of the micro-kernel that this processor gets.
#[must_use]
pub fn instruction_set() -> &'static str {
    let Kernel { name, .. } = fastest();
    name
}

#[cfg(test)]
mod tests;
