//! The AVX-512 micro-kernel: six rows by four vectors of sixteen columns.
//!
//! 24 sums, 4 vectors of the panel and one broadcast fill 29 of 32 registers, and 24 independent chains hide the latency of two
//! multiply-add units (at least 8 are needed).

use core::arch::x86_64::*;

use super::kernel::{Block, take_rows};

pub(super) const WIDTH: usize = 64;
pub(super) const HEIGHT: usize = 6;
const LANES: usize = 16;

/// # Safety
/// AVX-512F, and the block's pointers as `Block` says.
#[expect(unsafe_code, reason = "vector instructions on pointers")]
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn run(block: &Block) {
    // SAFETY: the caller's promise.
    unsafe {
        match block.cols.div_ceil(LANES) {
            0 => {}
            1 => rows::<1>(block),
            2 => rows::<2>(block),
            3 => rows::<3>(block),
            _ => rows::<4>(block),
        }
    }
}

/// All rows, with as many vectors across as the columns need.
#[expect(unsafe_code, reason = "vector instructions on pointers")]
#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn rows<const ACROSS: usize>(block: &Block) {
    let mut row = 0;
    // Each of the first tiles brings one vector of every row of the next piece nearer: all at once would keep this piece's own loads waiting.
    let mut vectors = 0..WIDTH / LANES;
    while row < block.rows {
        let take = take_rows(block.rows - row, HEIGHT);
        let ahead = match vectors.next() {
            Some(vector) if !block.next.is_null() => block.next.wrapping_add(vector * LANES),
            _ => block.panel,
        };
        // SAFETY: the caller's promise; `row + take` is at most `block.rows`.
        unsafe {
            match take {
                1 => tile::<1, ACROSS>(block, row, ahead),
                2 => tile::<2, ACROSS>(block, row, ahead),
                3 => tile::<3, ACROSS>(block, row, ahead),
                4 => tile::<4, ACROSS>(block, row, ahead),
                5 => tile::<5, ACROSS>(block, row, ahead),
                _ => tile::<6, ACROSS>(block, row, ahead),
            }
        }
        row += take;
    }
}

/// `ROWS` rows from `row` on. The last vector is masked to the columns that exist. `ahead` begins what the caches are asked for, a line a step.
#[expect(unsafe_code, reason = "vector instructions on pointers")]
#[expect(
    clippy::needless_range_loop,
    reason = "indices keep the sums in registers"
)]
#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn tile<const ROWS: usize, const ACROSS: usize>(
    block: &Block,
    row: usize,
    ahead: *const f32,
) {
    // SAFETY: the caller's promise: rows `row..row + ROWS` exist, masks keep loads and stores of y and bias to `cols`, and the panel is
    // WIDTH ≥ 16 · ACROSS wide and `depth` deep.
    unsafe {
        let mut masks = [0xffff_u16; ACROSS];
        masks[ACROSS - 1] = 0xffff >> (ACROSS * LANES - block.cols);
        let mut sums = [[_mm512_setzero_ps(); ACROSS]; ROWS];
        let y = block.y.add(row * block.y_stride);
        if !block.start.is_null() {
            let start = block.start.add(row * block.y_stride);
            for i in 0..ROWS {
                for j in 0..ACROSS {
                    let from = start.add(i * block.y_stride + j * LANES);
                    sums[i][j] = _mm512_maskz_loadu_ps(masks[j], from);
                }
            }
        }
        if !block.bias.is_null() {
            for j in 0..ACROSS {
                let bias = _mm512_maskz_loadu_ps(masks[j], block.bias.add(j * LANES));
                for i in 0..ROWS {
                    sums[i][j] = _mm512_add_ps(sums[i][j], bias);
                }
            }
        }
        let x = block.x.add(row * block.x_stride);
        let (mut panel, mut ahead) = (block.panel, ahead);
        for p in 0..block.depth {
            _mm_prefetch::<_MM_HINT_T1>(ahead.cast());
            ahead = ahead.wrapping_add(WIDTH);
            let mut b = [_mm512_setzero_ps(); ACROSS];
            for j in 0..ACROSS {
                b[j] = _mm512_loadu_ps(panel.add(j * LANES));
            }
            for i in 0..ROWS {
                let a = _mm512_set1_ps(*x.add(i * block.x_stride + p));
                for j in 0..ACROSS {
                    sums[i][j] = _mm512_fmadd_ps(a, b[j], sums[i][j]);
                }
            }
            panel = panel.add(WIDTH);
        }
        for i in 0..ROWS {
            for j in 0..ACROSS {
                let to = y.add(i * block.y_stride + j * LANES);
                _mm512_mask_storeu_ps(to, masks[j], sums[i][j]);
            }
        }
    }
}
