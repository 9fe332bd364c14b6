//! Sorts many short rows of equal length at once: the whole cost of calibrating in bulk.
//!
//! Batcher's odd-even merge sort (Batcher 1968; Knuth 5.2.2, Algorithm M) is a fixed list of
//! compare-and-swap steps, so `LANES` rows go through it side by side: each step is a minimum and
//! a maximum of two vectors, with no branch to mispredict. A network for the next power of two sorts
//! K values when steps that touch an index ≥ K are left out, as if those held +∞ (1104 steps for
//! K = 100). Its ¼K log²K steps lose to `sort_unstable` for long rows, hence `NETWORK_MAX`.
//!
//! | case | result |
//! |---|---|
//! | rows not a multiple of `LANES` | the last block is filled up with zeros |
//! | ±∞ | sorted like any other value |
//! | NaN | the caller has excluded it |
//! | −0 | becomes +0 |

/// Rows sorted together: four 128-bit vectors, the baseline of every x86-64 and aarch64.
const LANES: usize = 16;

/// The longest row for the network. Measured on x86-64 without target flags: see `benches/`.
const NETWORK_MAX: usize = 1024;

/// Sorts each `k` values of `rows` ascending; what is left over at the end stays as it is. −0 becomes +0.
///
/// No NaN: rows that hold one come out in some order. [`super::CalibrationTables`] checks that.
pub fn sort_rows(rows: &mut [f32], k: usize) {
    if k == 0 {
        return;
    }
    let whole = rows.len() / k * k;
    let rows = &mut rows[..whole];
    if k > NETWORK_MAX {
        for row in rows.chunks_exact_mut(k) {
            row.iter_mut().for_each(|x| *x += 0.0);
            row.sort_unstable_by(f32::total_cmp);
        }
        return;
    }
    let network = batcher(k);
    let mut columns = vec![[0.0; LANES]; k];
    for block in rows.chunks_mut(LANES * k) {
        for (lane, row) in block.chunks_exact(k).enumerate() {
            for (column, x) in columns.iter_mut().zip(row) {
                column[lane] = x + 0.0;
            }
        }
        sort_columns(&mut columns, &network);
        for (lane, row) in block.chunks_exact_mut(k).enumerate() {
            for (column, x) in columns.iter().zip(row) {
                *x = column[lane];
            }
        }
    }
}

/// The steps (i, j), i < j, that sort k values: after each, the value at i is not above that at j.
fn batcher(k: usize) -> Vec<(u32, u32)> {
    let n = k.next_power_of_two();
    let mut steps = Vec::new();
    let mut merged = 1;
    while merged < n {
        let mut distance = merged;
        while distance > 0 {
            let first = distance % merged;
            for start in (first..n - distance).step_by(2 * distance) {
                for i in start..(start + distance).min(n - distance) {
                    let j = i + distance;
                    if i / (2 * merged) == j / (2 * merged) && j < k {
                        steps.push((i as u32, j as u32));
                    }
                }
            }
            distance /= 2;
        }
        merged *= 2;
    }
    steps
}

fn sort_columns(columns: &mut [[f32; LANES]], network: &[(u32, u32)]) {
    for &(i, j) in network {
        let (i, j) = (i as usize, j as usize);
        let (a, b) = (columns[i], columns[j]);
        // Written as the hardware's minimum and maximum; `f32::min` would first look for NaN.
        columns[i] = core::array::from_fn(|l| if a[l] < b[l] { a[l] } else { b[l] });
        columns[j] = core::array::from_fn(|l| if a[l] < b[l] { b[l] } else { a[l] });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_network_for_100_has_1104_steps() {
        assert_eq!(batcher(100).len(), 1104);
    }

    /// The 0–1 principle: a network that sorts every list of zeros and ones sorts everything.
    #[test]
    fn it_sorts_all_zeros_and_ones() {
        for k in 1..=14u32 {
            let mut rows: Vec<f32> = (0..1u32 << k)
                .flat_map(|x| (0..k).map(move |i| (x >> i & 1) as f32))
                .collect();
            sort_rows(&mut rows, k as usize);
            for (x, row) in (0u32..).zip(rows.chunks_exact(k as usize)) {
                assert!(row.is_sorted() && row.iter().sum::<f32>() == x.count_ones() as f32);
            }
        }
    }

    proptest! {
        #[test]
        fn it_equals_the_standard_sort(
            k in prop_oneof![1usize..140, Just(1024usize), Just(1025)],
            p in 1usize..40,
            seed in prop::collection::vec(prop_oneof![
                any::<f32>().prop_filter("no NaN", |x| !x.is_nan()), (-3i8..3).prop_map(f32::from),
            ], 50..100),
        ) {
            let rows: Vec<f32> =
                (0..p * k).map(|i| seed[(i * 7919 + i / 31) % seed.len()] + 0.0).collect();
            let mut expected = rows.clone();
            expected.chunks_exact_mut(k).for_each(|row| row.sort_by(f32::total_cmp));
            let mut got = rows;
            sort_rows(&mut got, k);
            prop_assert_eq!(got, expected);
        }
    }
}
