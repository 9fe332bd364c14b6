//! Transposition of a block of a row-major matrix, eight rows by eight columns at a time.

/// Writes `to[c * to_stride + r] = from[r * from_stride + c]` for r < `rows`, c < `cols`. Other elements of `to` are left alone.
///
/// # Panics
/// If a slice is shorter than that reads or writes.
pub(super) fn transpose(
    from: &[f32],
    from_stride: usize,
    (rows, cols): (usize, usize),
    to: &mut [f32],
    to_stride: usize,
) {
    if rows == 0 || cols == 0 {
        return;
    }
    assert!((rows - 1) * from_stride + cols <= from.len());
    assert!((cols - 1) * to_stride + rows <= to.len());
    let (full_rows, full_cols) = if has_avx() {
        (rows / 8 * 8, cols / 16 * 16)
    } else {
        (0, 0)
    };
    #[cfg(target_arch = "x86_64")]
    #[expect(unsafe_code, reason = "vector instructions on pointers")]
    // SAFETY: the processor has AVX, and the lengths have been checked for more rows and columns than these.
    unsafe {
        let size = (full_rows, full_cols);
        full_blocks(from.as_ptr(), from_stride, size, to.as_mut_ptr(), to_stride);
    }
    // What is left: the columns on the right, then the rows below the full blocks.
    for (c_range, r_range) in [(full_cols..cols, 0..rows), (0..full_cols, full_rows..rows)] {
        for c in c_range.step_by(8) {
            let c_end = (c + 8).min(cols);
            for r in r_range.clone() {
                let row = &from[r * from_stride..][..c_end];
                for (c, value) in row.iter().enumerate().skip(c) {
                    to[c * to_stride + r] = *value;
                }
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
fn has_avx() -> bool {
    is_x86_feature_detected!("avx")
}

#[cfg(not(target_arch = "x86_64"))]
fn has_avx() -> bool {
    false
}

/// Blocks of eight rows by sixteen columns: a whole cache line of a row at a time, since the rows' distance often is a power of two, which
/// would drive half-read lines out of the cache.
///
/// # Safety
/// AVX; `rows` is a multiple of 8 and `cols` of 16; such a matrix must be readable from `from` and its transpose writable at `to`.
#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "vector instructions on pointers")]
#[target_feature(enable = "avx")]
unsafe fn full_blocks(
    from: *const f32,
    from_stride: usize,
    (rows, cols): (usize, usize),
    to: *mut f32,
    to_stride: usize,
) {
    for c in (0..cols).step_by(16) {
        for r in (0..rows).step_by(8) {
            // SAFETY: the caller's promise.
            unsafe {
                for c in [c, c + 8] {
                    let (from, to) = (from.add(r * from_stride + c), to.add(c * to_stride + r));
                    eight_by_eight(from, from_stride, to, to_stride);
                }
            }
        }
    }
}

/// # Safety
/// AVX; eight rows of eight elements must be readable from `from` and writable at `to`.
#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "vector instructions on pointers")]
#[inline]
#[target_feature(enable = "avx")]
unsafe fn eight_by_eight(from: *const f32, from_stride: usize, to: *mut f32, to_stride: usize) {
    use core::arch::x86_64::*;
    // SAFETY: the caller's promise.
    unsafe {
        let mut a = [_mm256_setzero_ps(); 8];
        // Rows i and i + 4 side by side, left halves first: then all shuffles stay within halves.
        for i in 0..4 {
            let upper = from.add(i * from_stride);
            let lower = from.add((i + 4) * from_stride);
            let left = _mm256_castps128_ps256(_mm_loadu_ps(upper));
            let right = _mm256_castps128_ps256(_mm_loadu_ps(upper.add(4)));
            a[i] = _mm256_insertf128_ps::<1>(left, _mm_loadu_ps(lower));
            a[i + 4] = _mm256_insertf128_ps::<1>(right, _mm_loadu_ps(lower.add(4)));
        }
        for half in 0..2 {
            let rows = &a[4 * half..4 * half + 4];
            let even_low = _mm256_unpacklo_ps(rows[0], rows[1]);
            let even_high = _mm256_unpackhi_ps(rows[0], rows[1]);
            let odd_low = _mm256_unpacklo_ps(rows[2], rows[3]);
            let odd_high = _mm256_unpackhi_ps(rows[2], rows[3]);
            let to = to.add(4 * half * to_stride);
            _mm256_storeu_ps(to, _mm256_shuffle_ps::<0x44>(even_low, odd_low));
            _mm256_storeu_ps(
                to.add(to_stride),
                _mm256_shuffle_ps::<0xee>(even_low, odd_low),
            );
            _mm256_storeu_ps(
                to.add(2 * to_stride),
                _mm256_shuffle_ps::<0x44>(even_high, odd_high),
            );
            _mm256_storeu_ps(
                to.add(3 * to_stride),
                _mm256_shuffle_ps::<0xee>(even_high, odd_high),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_element_lands_and_no_other_is_touched(
            rows in 0_usize..40, cols in 0_usize..40, pad in 0_usize..3,
        ) {
            let (from_stride, to_stride) = (cols + pad, rows + pad);
            let from: Vec<f32> = (0..rows * from_stride).map(|i| i as f32 + 1.0).collect();
            let mut to = vec![-1.0; cols * to_stride];
            transpose(&from, from_stride, (rows, cols), &mut to, to_stride);
            for c in 0..cols {
                for r in 0..to_stride {
                    let expected = if r < rows { from[r * from_stride + c] } else { -1.0 };
                    prop_assert_eq!(to[c * to_stride + r], expected);
                }
            }
        }
    }
}
