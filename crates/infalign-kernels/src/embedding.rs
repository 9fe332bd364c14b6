//! Rows of a table by token, and the gradient of the table.
//!
//! `y[i] = scale · table[id[i]]` (scale √dim in Gemma, else 1). Backward: `dtable[v] += scale · Σ dy[i]` over the i with `id[i] = v`, added in
//! the order of i, each table row by one thread: the same bits whatever the threads.

use crate::parallel::{each, rows_a_piece, vectorised};

/// Table rows that a task of the backward pass owns.
const ROWS: usize = 256;

/// Writes `y` (tokens, dim) of `table` (vocabulary, dim) and `ids` (tokens).
///
/// # Panics
/// If an id is not below the vocabulary, or shapes contradict each other.
pub fn embedding(table: &[f32], dim: usize, ids: &[u32], scale: f32, y: &mut [f32]) {
    assert!(
        dim > 0 && table.len().is_multiple_of(dim),
        "{} values are not rows of {dim}",
        table.len()
    );
    assert_eq!(y.len(), ids.len() * dim, "values of y");
    let rows = rows_a_piece(dim);
    let tasks = ids.chunks(rows).zip(y.chunks_mut(rows * dim)).collect();
    each(tasks, |(ids, y)| {
        vectorised(
            #[inline(always)]
            || {
                for (id, y) in ids.iter().zip(y.chunks_exact_mut(dim)) {
                    let row = &table[*id as usize * dim..][..dim];
                    for (y, x) in y.iter_mut().zip(row) {
                        *y = x * scale;
                    }
                }
            },
        );
    });
}

/// Adds to `dtable` (vocabulary, dim) the gradient given `dy` (tokens, dim); rows of tokens that do not occur are not touched.
///
/// # Panics
/// As [`embedding`].
pub fn embedding_backward(dy: &[f32], dim: usize, ids: &[u32], scale: f32, dtable: &mut [f32]) {
    assert!(
        dim > 0 && dtable.len().is_multiple_of(dim),
        "{} values are not rows of {dim}",
        dtable.len()
    );
    assert_eq!(dy.len(), ids.len() * dim, "values of dy");
    let vocabulary = dtable.len() / dim;
    assert!(
        ids.iter().all(|id| (*id as usize) < vocabulary),
        "an id is not below the vocabulary of {vocabulary}"
    );
    let mut order: Vec<(u32, usize)> = ids.iter().copied().zip(0..).collect();
    order.sort_unstable();
    let mut rest = &order[..];
    let mut tasks = Vec::new();
    for (n, table) in dtable.chunks_mut(ROWS * dim).enumerate() {
        let first = n * ROWS;
        let (mine, others) =
            rest.split_at(rest.partition_point(|(id, _)| (*id as usize) < first + ROWS));
        rest = others;
        if !mine.is_empty() {
            tasks.push((first, mine, table));
        }
    }
    each(tasks, |(first, mine, table)| {
        vectorised(
            #[inline(always)]
            || {
                for (id, i) in mine {
                    let to = &mut table[(*id as usize - first) * dim..][..dim];
                    for (to, dy) in to.iter_mut().zip(&dy[i * dim..][..dim]) {
                        *to += dy * scale;
                    }
                }
            },
        );
    });
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::check::{assert_close, random};

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn gathered_rows_and_added_gradients(
            ids in prop::collection::vec(0_u32..700, 0..60), dim in 1_usize..40, seed: u64,
        ) {
            let table = random(700 * dim, seed);
            let mut y = vec![f32::NAN; ids.len() * dim];
            embedding(&table, dim, &ids, 1.5, &mut y);
            let dy = random(y.len(), seed ^ 1);
            let start = random(table.len(), seed ^ 2);
            let mut dtable = start.clone();
            embedding_backward(&dy, dim, &ids, 1.5, &mut dtable);
            let mut expected: Vec<f64> = start.iter().map(|x| f64::from(*x)).collect();
            for (i, id) in ids.iter().enumerate() {
                for d in 0..dim {
                    assert_eq!(y[i * dim + d], 1.5 * table[*id as usize * dim + d]);
                    expected[*id as usize * dim + d] += 1.5 * f64::from(dy[i * dim + d]);
                }
            }
            assert_close(&dtable, &expected, 1e-5);
        }
    }

    #[test]
    #[should_panic(expected = "below the vocabulary of 2")]
    fn an_id_past_the_table_is_named() {
        embedding_backward(&[0.0; 3], 3, &[2], 1.0, &mut [0.0; 6]);
    }
}
