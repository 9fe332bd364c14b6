//! Exponentials of a slice.

use divan::counter::ItemsCount;
use divan::{Bencher, bench};
use infalign_kernels::exp::exp_in_place;

/// Items are exponentials; a slice fits the first cache.
#[bench(args = [4096])]
fn exponentials(bencher: Bencher<'_, '_>, len: usize) {
    let values: Vec<f32> = (0..len).map(|i| i as f32 * -0.001).collect();
    let mut scratch = values.clone();
    bencher.counter(ItemsCount::new(len)).bench_local(|| {
        scratch.copy_from_slice(&values);
        exp_in_place(&mut scratch);
    });
}

fn main() {
    divan::main();
}
