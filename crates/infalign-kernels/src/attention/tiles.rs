//! Products of small blocks for attention: R rows of one matrix against V vectors of columns of another, sums in registers.
//!
//! acc[r][v] += Σₖ a[r][k] · b[k][v], over k in order, one fused multiply-add a step: what an output row gets does not depend on the rows
//! computed beside it. `b` is stored with `width` vectors a step k.

use pulp::Simd;

/// Sums of R rows by V vectors.
pub(crate) type Tile<S, const R: usize, const V: usize> = [[<S as Simd>::f32s; V]; R];

/// acc += a b with `a` given by rows, all of one length, the number of steps.
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
    let a: [&[f32]; R] = a.map(|row| &row[..n]);
    let mut sums = *acc;
    for (k, step) in b[..n * width].chunks_exact(width).enumerate() {
        let b = &step[at..at + V];
        for r in 0..R {
            let x = simd.splat_f32s(a[r][k]);
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
