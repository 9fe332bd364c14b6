//! The gradients of a linear layer: dx = dy W, dW = dyᵀ x, db = Σ rows of dy.
//!
//! All three are sums in one fixed order, whatever the number of threads: over the outputs for dx, over the rows for dW and db.

use core::cell::RefCell;

use rayon::prelude::*;

use super::Dims;
use super::kernel::{Kernel, fastest};
use super::product::{Product, Right, threads};
use super::transpose::transpose;
use crate::aligned::Aligned;

/// Rows of dy that are transposed at a time.
const ROWS: usize = 512;

thread_local! {
    /// Kept, since new memory costs more than the transposition.
    static TRANSPOSED: RefCell<Aligned> = const { RefCell::new(Aligned::new()) };
}

/// dx = dy W, or dx += dy W if `accumulate`; dy (rows, outputs), w (outputs, inputs), dx (rows, inputs).
///
/// # Panics
/// If a slice's length is not what `dims` say.
pub fn linear_backward_input(dims: Dims, dy: &[f32], w: &[f32], accumulate: bool, dx: &mut [f32]) {
    backward_input(fastest(), dims, dy, w, accumulate, dx);
}

pub(super) fn backward_input(
    kernel: &'static Kernel,
    dims: Dims,
    dy: &[f32],
    w: &[f32],
    accumulate: bool,
    dx: &mut [f32],
) {
    let Dims {
        rows,
        outputs,
        inputs,
    } = dims;
    let right = Right::Straight(w);
    Product {
        rows,
        depth: outputs,
        cols: inputs,
        x: dy,
        right,
        bias: None,
        accumulate,
    }
    .run(kernel, dx);
}

/// dW = dyᵀ x, or dW += dyᵀ x if `accumulate`; dy (rows, outputs), x (rows, inputs), dw (outputs, inputs).
///
/// # Panics
/// If a slice's length is not what `dims` say.
pub fn linear_backward_weight(dims: Dims, dy: &[f32], x: &[f32], accumulate: bool, dw: &mut [f32]) {
    backward_weight(fastest(), dims, dy, x, accumulate, dw);
}

pub(super) fn backward_weight(
    kernel: &'static Kernel,
    dims: Dims,
    dy: &[f32],
    x: &[f32],
    accumulate: bool,
    dw: &mut [f32],
) {
    let Dims {
        rows,
        outputs,
        inputs,
    } = dims;
    assert_eq!(dy.len(), rows * outputs, "length of dy");
    assert_eq!(x.len(), rows * inputs, "length of x");
    assert_eq!(dw.len(), outputs * inputs, "length of dw");
    if rows == 0 && !accumulate {
        dw.fill(0.0);
    }
    // Taken, not borrowed: the thread may compute someone else's gradient while it waits for others.
    let mut scratch = TRANSPOSED.take();
    for first in (0..rows).step_by(ROWS) {
        let count = (rows - first).min(ROWS);
        let dy = &dy[first * outputs..][..count * outputs];
        let transposed = scratch.at_least(outputs * count);
        transpose_in_parallel(dy, count, outputs, transposed);
        Product {
            rows: outputs,
            depth: count,
            cols: inputs,
            x: transposed,
            right: Right::Straight(&x[first * inputs..][..count * inputs]),
            bias: None,
            accumulate: accumulate || first > 0,
        }
        .run(kernel, dw);
    }
    TRANSPOSED.set(scratch);
}

/// Writes the transpose of `from` (rows, cols).
fn transpose_in_parallel(from: &[f32], rows: usize, cols: usize, to: &mut [f32]) {
    // A multiple of the transposition's eight.
    const COLS: usize = 64;
    let write = |(part, to): (usize, &mut [f32])| {
        let first = part * COLS;
        transpose(
            &from[first..],
            cols,
            (rows, (cols - first).min(COLS)),
            to,
            rows,
        );
    };
    if threads(from.len()) == 1 {
        to.chunks_mut(COLS * rows).enumerate().for_each(write);
    } else {
        to.par_chunks_mut(COLS * rows).enumerate().for_each(write);
    }
}

/// db = Σ rows of dy, or db += Σ rows of dy if `accumulate`; dy (rows, outputs), db (outputs).
///
/// # Panics
/// If a slice's length is not what `dims` say.
pub fn linear_backward_bias(dims: Dims, dy: &[f32], accumulate: bool, db: &mut [f32]) {
    let Dims { rows, outputs, .. } = dims;
    assert_eq!(dy.len(), rows * outputs, "length of dy");
    assert_eq!(db.len(), outputs, "length of db");
    if !accumulate {
        db.fill(0.0);
    }
    if outputs == 0 {
        return;
    }
    for row in dy.chunks_exact(outputs) {
        for (sum, dy) in db.iter_mut().zip(row) {
            *sum += dy;
        }
    }
}
