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

/// dy W in a new vector; shapes as in [`linear_backward_input`].
///
/// # Panics
/// If a slice's length is not what `dims` say.
#[must_use]
pub fn linear_input_gradient(dims: Dims, dy: &[f32], w: &[f32]) -> Vec<f32> {
    straight(dims, dy, w).fresh(fastest(), None)
}

pub(super) fn backward_input(
    kernel: &'static Kernel,
    dims: Dims,
    dy: &[f32],
    w: &[f32],
    accumulate: bool,
    dx: &mut [f32],
) {
    straight(dims, dy, w).run(kernel, accumulate, dx);
}

fn straight<'a>(dims: Dims, dy: &'a [f32], w: &'a [f32]) -> Product<'a> {
    Product {
        rows: dims.rows,
        depth: dims.outputs,
        cols: dims.inputs,
        x: dy,
        right: Right::Straight(w),
        bias: None,
    }
}

/// dW = dyᵀ x, or dW += dyᵀ x if `accumulate`; dy (rows, outputs), x (rows, inputs), dw (outputs, inputs).
///
/// # Panics
/// If a slice's length is not what `dims` say.
pub fn linear_backward_weight(dims: Dims, dy: &[f32], x: &[f32], accumulate: bool, dw: &mut [f32]) {
    backward_weight(fastest(), dims, dy, x, accumulate, dw);
}

/// dyᵀ x in a new vector; shapes as in [`linear_backward_weight`].
///
/// # Panics
/// If a slice's length is not what `dims` say.
#[must_use]
pub fn linear_weight_gradient(dims: Dims, dy: &[f32], x: &[f32]) -> Vec<f32> {
    let mut dw = Vec::new();
    each_product(dims, dy, x, |first, product| {
        if first {
            dw = product.fresh(fastest(), None);
        } else {
            product.run(fastest(), true, &mut dw);
        }
    });
    dw.resize(dims.outputs * dims.inputs, 0.0); // without rows nothing was written
    dw
}

pub(super) fn backward_weight(
    kernel: &'static Kernel,
    dims: Dims,
    dy: &[f32],
    x: &[f32],
    accumulate: bool,
    dw: &mut [f32],
) {
    assert_eq!(dw.len(), dims.outputs * dims.inputs, "length of dw");
    if dims.rows == 0 && !accumulate {
        dw.fill(0.0);
    }
    each_product(dims, dy, x, |first, product| {
        product.run(kernel, accumulate || !first, dw);
    });
}

/// Hands `f` the products, one for some rows each, whose sum dW is, and whether it is the first.
fn each_product(dims: Dims, dy: &[f32], x: &[f32], mut f: impl FnMut(bool, &Product<'_>)) {
    let Dims {
        rows,
        outputs,
        inputs,
    } = dims;
    assert_eq!(dy.len(), rows * outputs, "length of dy");
    assert_eq!(x.len(), rows * inputs, "length of x");
    // Taken, not borrowed: the thread may compute someone else's gradient while it waits for others.
    let mut scratch = TRANSPOSED.take();
    for first in (0..rows).step_by(ROWS) {
        let count = (rows - first).min(ROWS);
        let dy = &dy[first * outputs..][..count * outputs];
        let transposed = scratch.at_least(outputs * count);
        transpose_in_parallel(dy, count, outputs, transposed);
        let product = Product {
            rows: outputs,
            depth: count,
            cols: inputs,
            x: transposed,
            right: Right::Straight(&x[first * inputs..][..count * inputs]),
            bias: None,
        };
        f(first == 0, &product);
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
