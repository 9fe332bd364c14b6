//! The micro-kernel of every other processor: four rows by sixteen columns of plain arithmetic, which compilers turn into vector code.

use super::kernel::{Block, take_rows};

pub(super) const WIDTH: usize = 16;
pub(super) const HEIGHT: usize = 4;

/// a · b + c, fused where the target is known to have the instruction: elsewhere it would be a call into the C library.
#[inline(always)]
fn multiply_add(a: f32, b: f32, c: f32) -> f32 {
    if cfg!(any(target_arch = "aarch64", target_feature = "fma")) {
        a.mul_add(b, c)
    } else {
        a * b + c
    }
}

/// # Safety
/// The block's pointers as `Block` says.
#[expect(
    unsafe_code,
    reason = "several threads write interleaved rows of one y"
)]
pub(super) unsafe fn run(block: &Block) {
    let mut row = 0;
    while row < block.rows {
        let take = take_rows(block.rows - row, HEIGHT);
        // SAFETY: the caller's promise; `row + take` is at most `block.rows`.
        unsafe {
            match take {
                1 => tile::<1>(block, row),
                2 => tile::<2>(block, row),
                3 => tile::<3>(block, row),
                _ => tile::<4>(block, row),
            }
        }
        row += take;
    }
}

/// `ROWS` rows from `row` on.
#[expect(
    unsafe_code,
    reason = "several threads write interleaved rows of one y"
)]
#[inline]
unsafe fn tile<const ROWS: usize>(block: &Block, row: usize) {
    let Block {
        cols,
        depth,
        x_stride,
        y_stride,
        ..
    } = *block;
    // SAFETY: the caller's promise: rows `row..row + ROWS` exist, the panel is WIDTH wide and `depth` deep, and only `cols` elements of a
    // row of y and of the bias are touched.
    unsafe {
        let y = block.y.add(row * y_stride);
        let mut sums = [[0.0_f32; WIDTH]; ROWS];
        for (i, sum) in sums.iter_mut().enumerate() {
            if !block.start.is_null() {
                let from = block.start.add((row + i) * y_stride);
                core::ptr::copy_nonoverlapping(from, sum.as_mut_ptr(), cols);
            }
            if !block.bias.is_null() {
                let bias = core::slice::from_raw_parts(block.bias, cols);
                for (sum, bias) in sum.iter_mut().zip(bias) {
                    *sum += bias;
                }
            }
        }
        let panel = core::slice::from_raw_parts(block.panel, depth * WIDTH);
        let x: [&[f32]; ROWS] = core::array::from_fn(|i| {
            core::slice::from_raw_parts(block.x.add((row + i) * x_stride), depth)
        });
        for (p, b) in panel.as_chunks::<WIDTH>().0.iter().enumerate() {
            for (sum, x) in sums.iter_mut().zip(&x) {
                for (sum, b) in sum.iter_mut().zip(b) {
                    *sum = multiply_add(x[p], *b, *sum);
                }
            }
        }
        for (i, sum) in sums.iter().enumerate() {
            core::ptr::copy_nonoverlapping(sum.as_ptr(), y.add(i * y_stride), cols);
        }
    }
}
