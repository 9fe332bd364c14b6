//! The AVX2 micro-kernel: six rows by two vectors of eight columns.
//!
//! 12 sums, 2 vectors of the panel and one broadcast fill 15 of 16 registers.

use core::arch::x86_64::*;

use super::kernel::{Block, take_rows};

pub(super) const WIDTH: usize = 16;
pub(super) const HEIGHT: usize = 6;
const LANES: usize = 8;

/// # Safety
/// AVX2 and FMA, and the block's pointers as `Block` says.
#[expect(unsafe_code, reason = "vector instructions on pointers")]
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn run(block: &Block) {
    let mut row = 0;
    // The first tile brings the next piece nearer; the others ask for what is near.
    let mut ahead = if block.next.is_null() {
        block.panel
    } else {
        block.next
    };
    while row < block.rows {
        let take = take_rows(block.rows - row, HEIGHT);
        // SAFETY: the caller's promise; `row + take` is at most `block.rows`.
        unsafe {
            match take {
                1 => tile::<1>(block, row, ahead),
                2 => tile::<2>(block, row, ahead),
                3 => tile::<3>(block, row, ahead),
                4 => tile::<4>(block, row, ahead),
                5 => tile::<5>(block, row, ahead),
                _ => tile::<6>(block, row, ahead),
            }
        }
        row += take;
        ahead = block.panel;
    }
}

/// `ROWS` rows from `row` on. An incomplete panel goes through a buffer of full width. `ahead` begins what the caches are asked for, a line a
/// step.
#[expect(unsafe_code, reason = "vector instructions on pointers")]
#[inline]
#[target_feature(enable = "avx2,fma")]
unsafe fn tile<const ROWS: usize>(block: &Block, row: usize, ahead: *const f32) {
    // SAFETY: the caller's promise: rows `row..row + ROWS` exist, the panel is WIDTH wide and `depth` deep, and only `cols` elements of a
    // row of y and of the bias are touched.
    unsafe {
        let y = block.y.add(row * block.y_stride);
        let mut bias = [0.0_f32; WIDTH];
        if !block.bias.is_null() {
            core::ptr::copy_nonoverlapping(block.bias, bias.as_mut_ptr(), block.cols);
        }
        let mut sums = [[_mm256_setzero_ps(); 2]; ROWS];
        for (i, sum) in sums.iter_mut().enumerate() {
            let mut start = [0.0_f32; WIDTH];
            if !block.start.is_null() {
                let from = block.start.add((row + i) * block.y_stride);
                core::ptr::copy_nonoverlapping(from, start.as_mut_ptr(), block.cols);
            }
            for (j, sum) in sum.iter_mut().enumerate() {
                let start = _mm256_loadu_ps(start.as_ptr().add(j * LANES));
                let bias = _mm256_loadu_ps(bias.as_ptr().add(j * LANES));
                *sum = _mm256_add_ps(start, bias);
            }
        }
        let x = block.x.add(row * block.x_stride);
        let (mut panel, mut ahead) = (block.panel, ahead);
        for p in 0..block.depth {
            _mm_prefetch::<_MM_HINT_T1>(ahead.cast());
            ahead = ahead.wrapping_add(WIDTH);
            let low = _mm256_loadu_ps(panel);
            let high = _mm256_loadu_ps(panel.add(LANES));
            for (i, sum) in sums.iter_mut().enumerate() {
                let a = _mm256_set1_ps(*x.add(i * block.x_stride + p));
                sum[0] = _mm256_fmadd_ps(a, low, sum[0]);
                sum[1] = _mm256_fmadd_ps(a, high, sum[1]);
            }
            panel = panel.add(WIDTH);
        }
        for (i, sum) in sums.iter().enumerate() {
            let to = y.add(i * block.y_stride);
            if block.cols == WIDTH {
                _mm256_storeu_ps(to, sum[0]);
                _mm256_storeu_ps(to.add(LANES), sum[1]);
            } else {
                let mut end = [0.0_f32; WIDTH];
                _mm256_storeu_ps(end.as_mut_ptr(), sum[0]);
                _mm256_storeu_ps(end.as_mut_ptr().add(LANES), sum[1]);
                core::ptr::copy_nonoverlapping(end.as_ptr(), to, block.cols);
            }
        }
    }
}
