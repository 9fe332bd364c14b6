//! Labels that never overlap: the nearest positions to those wanted, a line height apart.

/// Positions for labels wanted at `wanted`, at least `gap` apart and within `[low, high]`, with
/// the least sum of squared shifts: isotonic regression (pool adjacent violators) of
/// `wanted[i] − i·gap` in the order of `wanted`, clamped. Too many labels for the room keep their
/// order and run past `high`.
pub(crate) fn apart(wanted: &[f64], gap: f64, low: f64, high: f64) -> Vec<f64> {
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    order.sort_by(|a, b| wanted[*a].total_cmp(&wanted[*b]));
    // (sum, count) of each pool.
    let mut pools: Vec<(f64, usize)> = Vec::new();
    for (rank, index) in order.iter().enumerate() {
        let mut pool = (wanted[*index] - rank as f64 * gap, 1);
        while let Some(last) = pools.last().copied() {
            if last.0 / last.1 as f64 <= pool.0 / pool.1 as f64 {
                break;
            }
            pool = (pool.0 + last.0, pool.1 + last.1);
            pools.pop();
        }
        pools.push(pool);
    }
    let top = (high - wanted.len().saturating_sub(1) as f64 * gap).max(low);
    let shifts = pools
        .into_iter()
        .flat_map(|(sum, count)| core::iter::repeat_n((sum / count as f64).clamp(low, top), count));
    let mut placed = vec![0.0; wanted.len()];
    for ((rank, index), shift) in order.into_iter().enumerate().zip(shifts) {
        placed[index] = shift + rank as f64 * gap;
    }
    placed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_keep_their_distance_and_stay_inside() {
        assert_eq!(apart(&[], 10.0, 0.0, 100.0), Vec::<f64>::new());
        assert_eq!(apart(&[40.0, 80.0], 10.0, 0.0, 100.0), [40.0, 80.0]);
        assert_eq!(apart(&[50.0, 50.0], 10.0, 0.0, 100.0), [45.0, 55.0]);
        assert_eq!(
            apart(&[99.0, 98.0, 97.0], 10.0, 0.0, 100.0),
            [100.0, 90.0, 80.0]
        );
        assert_eq!(apart(&[1.0, 2.0], 10.0, 0.0, 100.0), [0.0, 10.0]);
    }
}
