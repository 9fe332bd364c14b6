//! Sums over a slice in sixteen lanes, always taken in the same order.
//!
//! Lane l adds the values at 16 i + l; then lanes are folded in halves (8, 4, 2, 1); then the tail is added, summed in order. Compilers turn
//! the loop into vector code of any width without changing this order, so that a row's sum does not depend on the instruction set either.

/// Lanes of every partial sum.
pub(crate) const LANES: usize = 16;

/// Copies a short slice to another of its length: a call of `memcpy` would take longer than a head's or a panel's few vectors.
#[inline(always)]
pub(crate) fn copy(from: &[f32], to: &mut [f32]) {
    #[inline(always)]
    fn fixed<const N: usize>(from: &[f32], to: &mut [f32]) {
        if let (Some(from), Some(to)) = (from.first_chunk::<N>(), to.first_chunk_mut::<N>()) {
            *to = *from;
        }
    }
    assert_eq!(from.len(), to.len(), "lengths of a copy");
    match from.len() {
        16 => fixed::<16>(from, to),
        32 => fixed::<32>(from, to),
        64 => fixed::<64>(from, to),
        128 => fixed::<128>(from, to),
        _ => to.copy_from_slice(from),
    }
}

/// Σ f(aᵢ) over a slice.
#[inline(always)]
pub(crate) fn sum(a: &[f32], f: impl Fn(f32) -> f32) -> f32 {
    let (chunks, tail) = a.as_chunks::<LANES>();
    let mut lanes = [0.0; LANES];
    for chunk in chunks {
        for l in 0..LANES {
            lanes[l] += f(chunk[l]);
        }
    }
    let mut rest = 0.0;
    for x in tail {
        rest += f(*x);
    }
    fold(lanes) + rest
}

/// Σ f(aᵢ, bᵢ) over two slices of one length.
#[inline(always)]
pub(crate) fn sum2(a: &[f32], b: &[f32], f: impl Fn(f32, f32) -> f32) -> f32 {
    let (a_chunks, a_tail) = a.as_chunks::<LANES>();
    let (b_chunks, b_tail) = b.as_chunks::<LANES>();
    let mut lanes = [0.0; LANES];
    for (x, y) in a_chunks.iter().zip(b_chunks) {
        for l in 0..LANES {
            lanes[l] += f(x[l], y[l]);
        }
    }
    let mut rest = 0.0;
    for (x, y) in a_tail.iter().zip(b_tail) {
        rest += f(*x, *y);
    }
    fold(lanes) + rest
}

/// Σ f(aᵢ, bᵢ, cᵢ) over three slices of one length.
#[inline(always)]
pub(crate) fn sum3(a: &[f32], b: &[f32], c: &[f32], f: impl Fn(f32, f32, f32) -> f32) -> f32 {
    let (a_chunks, a_tail) = a.as_chunks::<LANES>();
    let (b_chunks, b_tail) = b.as_chunks::<LANES>();
    let (c_chunks, c_tail) = c.as_chunks::<LANES>();
    let mut lanes = [0.0; LANES];
    for ((x, y), z) in a_chunks.iter().zip(b_chunks).zip(c_chunks) {
        for l in 0..LANES {
            lanes[l] += f(x[l], y[l], z[l]);
        }
    }
    let mut rest = 0.0;
    for ((x, y), z) in a_tail.iter().zip(b_tail).zip(c_tail) {
        rest += f(*x, *y, *z);
    }
    fold(lanes) + rest
}

/// The greatest value of a slice whose length is a multiple of sixteen; −∞ for an empty one.
#[inline(always)]
pub(crate) fn max(a: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; LANES];
    for chunk in a.as_chunks::<LANES>().0 {
        for l in 0..LANES {
            lanes[l] = if chunk[l] > lanes[l] {
                chunk[l]
            } else {
                lanes[l]
            };
        }
    }
    lanes.into_iter().fold(f32::NEG_INFINITY, f32::max)
}

#[inline(always)]
pub(crate) fn fold(lanes: [f32; LANES]) -> f32 {
    let mut lanes = lanes;
    let mut width = LANES / 2;
    while width > 0 {
        for l in 0..width {
            lanes[l] += lanes[l + width];
        }
        width /= 2;
    }
    lanes[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_of_any_length_are_whole() {
        for n in [0, 1, 15, 16, 20, 32, 33, 64, 100, 128, 129] {
            let from: Vec<f32> = (0..n).map(|i| i as f32 - 3.5).collect();
            let mut to = vec![f32::NAN; n];
            copy(&from, &mut to);
            assert_eq!(from, to);
        }
    }

    /// Integers below 2²⁴ add without rounding, so the sums are exact.
    #[test]
    fn sums_and_maximum_are_exact_on_integers() {
        for n in [0_usize, 1, 15, 16, 17, 33, 100] {
            let a: Vec<f32> = (0..n).map(|i| (i % 7) as f32).collect();
            let b: Vec<f32> = (0..n).map(|i| (i % 5) as f32).collect();
            let expected: f32 = a.iter().zip(&b).map(|(x, y)| x * y).sum();
            assert_eq!(sum2(&a, &b, |x, y| x * y), expected);
            assert_eq!(sum3(&a, &b, &b, |x, y, _| x * y), expected);
            assert_eq!(sum(&a, |x| x), a.iter().sum::<f32>());
        }
        let mut a = [-3.0; 48];
        assert_eq!(max(&a), -3.0);
        a[37] = 5.0;
        assert_eq!(max(&a), 5.0);
        assert_eq!(max(&[]), f32::NEG_INFINITY);
    }
}
