//! How fast raw rewards become calibrated ones: bulk sorting, building, looking up.
#![expect(
    clippy::unwrap_used,
    reason = "a failed construction stops the benchmark"
)]

use divan::{Bencher, counter::ItemsCount};
use infalign::calibration::{CalibrationTables, Calibrator, PieceShape, RankRule};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

fn main() {
    divan::main();
}

/// This many rewards in [0, 1), by a fixed seed.
fn rewards(count: usize) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    (0..count).map(|_| rng.random()).collect()
}

/// About a million rewards in rows of K, the network against the standard sort row by row.
#[divan::bench(args = [10, 32, 100, 256, 1000, 1024, 2048])]
fn tables(bencher: Bencher<'_, '_>, k: usize) {
    let rows = rewards(1_000_000 / k * k);
    bencher
        .counter(ItemsCount::new(rows.len()))
        .with_inputs(|| rows.clone())
        .bench_values(|rows| CalibrationTables::new(rows, k));
}

#[divan::bench(args = [10, 32, 100, 256, 1000, 1024, 2048])]
fn standard_sort(bencher: Bencher<'_, '_>, k: usize) {
    let rows = rewards(1_000_000 / k * k);
    bencher
        .counter(ItemsCount::new(rows.len()))
        .with_inputs(|| rows.clone())
        .bench_values(|mut rows| {
            rows.chunks_exact_mut(k)
                .for_each(|row| row.sort_unstable_by(f32::total_cmp));
            rows
        });
}

/// One prompt's calibrator from unsorted rewards.
#[divan::bench]
fn calibrator_of_100(bencher: Bencher<'_, '_>) {
    let row = rewards(100);
    bencher
        .counter(ItemsCount::new(row.len()))
        .bench(|| Calibrator::new(&row, RankRule::MidRank));
}

/// A batch of 4096 lookups at K = 100.
#[divan::bench(args = RankRule::ALL)]
fn lookups(bencher: Bencher<'_, '_>, rule: &RankRule) {
    let calibrator = Calibrator::new(&rewards(100), *rule).unwrap();
    let raw = rewards(4196).split_off(100);
    let mut out = vec![0.0; raw.len()];
    bencher
        .counter(ItemsCount::new(raw.len()))
        .bench_local(|| calibrator.calibrate_into(&raw, &mut out));
}

/// The same from 16 anchors.
#[divan::bench(args = PieceShape::ALL)]
fn anchored_lookups(bencher: Bencher<'_, '_>, shape: &PieceShape) {
    let calibrator = Calibrator::new(&rewards(100), RankRule::MidRank).unwrap();
    let anchors = calibrator.compress(16, *shape).unwrap();
    let raw = rewards(4196).split_off(100);
    let mut out = vec![0.0; raw.len()];
    bencher
        .counter(ItemsCount::new(raw.len()))
        .bench_local(|| anchors.calibrate_into(&raw, &mut out));
}
