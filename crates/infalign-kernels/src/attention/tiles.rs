//! Products of small blocks for attention: R rows of one matrix against V vectors of columns of another, sums in registers.
//!
//! acc[r][v] += Σₖ a[r][k] · b[k][v], over k in order, one fused multiply-add a step: what an output row gets does not depend on the rows
//! computed beside it. `b` is stored with `width` vectors a step k.

use pulp::Simd;

/// Sums of R rows by V vectors.
pub(crate) type Tile<S, const R: usize, const V: usize> = [[<S as Simd>::f32s; V]; R];

/// acc += a b with `a` given by rows, all of one length, the number of steps.
///
/// # Panics
/// If the rows' lengths differ, or `b` has no such columns or not so many steps.
#[expect(
    unsafe_code,
    reason = "a bound checked for every row and step takes as long as the multiplications"
)]
#[inline(always)]
pub(crate) fn by_rows<S: Simd, const R: usize, const V: usize>(
    simd: S,
    a: [&[f32]; R],
    b: &[S::f32s],
    width: usize,
    at: usize,
    acc: &mut Tile<S, R, V>,
) {
    let n = a[0].len();
    assert!(a.iter().all(|row| row.len() == n), "rows of one length");
    assert!(at + V <= width && n * width <= b.len(), "columns and steps");
    let a = a.map(<[f32]>::as_ptr);
    let mut sums = *acc;
    for k in 0..n {
        // SAFETY: k < n, the length of every row; k · width + at + V ≤ n · width ≤ the length of b.
        let (x, b) = unsafe {
            let step = b.as_ptr().add(k * width + at);
            (a.map(|row| *row.add(k)), *step.cast::<[S::f32s; V]>())
        };
        for r in 0..R {
            let x = simd.splat_f32s(x[r]);
            for v in 0..V {
                sums[r][v] = simd.mul_add_e_f32s(x, b[v], sums[r][v]);
            }
        }
    }
    *acc = sums;
}

/// acc += a b as [`by_rows`], with every vector's column in a slice of its own, `width` vectors a step.
///
/// # Panics
/// As [`by_rows`].
#[expect(unsafe_code, reason = "as in `by_rows`")]
#[inline(always)]
pub(crate) fn by_rows_apart<S: Simd, const R: usize, const V: usize>(
    simd: S,
    a: [&[f32]; R],
    b: [&[S::f32s]; V],
    width: usize,
    at: usize,
    acc: &mut Tile<S, R, V>,
) {
    let n = a[0].len();
    assert!(a.iter().all(|row| row.len() == n), "rows of one length");
    assert!(
        at < width && b.iter().all(|b| n * width <= b.len()),
        "columns and steps"
    );
    let a = a.map(<[f32]>::as_ptr);
    let b = b.map(<[S::f32s]>::as_ptr);
    let mut sums = *acc;
    for k in 0..n {
        // SAFETY: k < n, the length of every row; k · width + at < n · width ≤ the length of every b.
        let (x, b) = unsafe { (a.map(|row| *row.add(k)), b.map(|b| *b.add(k * width + at))) };
        for r in 0..R {
            let x = simd.splat_f32s(x[r]);
            for v in 0..V {
                sums[r][v] = simd.mul_add_e_f32s(x, b[v], sums[r][v]);
            }
        }
    }
    *acc = sums;
}

/// acc += aᵀ b with `a` given by steps: row r's value of step k is `a[k · stride + r]`.
#[inline(always)]
pub(crate) fn by_columns<S: Simd, const R: usize, const V: usize>(
    simd: S,
    a: &[f32],
    stride: usize,
    b: &[S::f32s],
    width: usize,
    at: usize,
    acc: &mut Tile<S, R, V>,
) {
    let mut sums = *acc;
    for (a, step) in a.chunks(stride).zip(b.chunks_exact(width)) {
        let (a, b) = (&a[..R], &step[at..at + V]);
        for r in 0..R {
            let x = simd.splat_f32s(a[r]);
            for v in 0..V {
                sums[r][v] = simd.mul_add_e_f32s(x, b[v], sums[r][v]);
            }
        }
    }
    *acc = sums;
}

/// Zeros.
#[inline(always)]
pub(crate) fn zeros<S: Simd, const R: usize, const V: usize>(simd: S) -> Tile<S, R, V> {
    [[simd.splat_f32s(0.0); V]; R]
}
