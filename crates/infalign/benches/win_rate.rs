//! How fast the inference-time win rate is estimated from sampled rewards.
#![expect(
    clippy::unwrap_used,
    reason = "a failed construction stops the benchmark"
)]

use divan::{Bencher, counter::ItemsCount};
use infalign::estimate::{OrderLaw, win_rate};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

fn main() {
    divan::main();
}

/// One prompt, m rewards a side, N = 4; a fresh prompt each time, as branch predictors learn one.
#[divan::bench(args = [16, 128, 1024])]
fn best_of_4(bencher: Bencher<'_, '_>, m: usize) {
    let law = OrderLaw::best_of(4, m).unwrap();
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let prompts: Vec<f32> = (0..64 * 2 * m).map(|_| rng.random()).collect();
    bencher
        .counter(ItemsCount::new(prompts.len()))
        .bench_local(|| {
            let rates = prompts.chunks_exact(2 * m).map(|prompt| {
                let (policy, base) = prompt.split_at(m);
                win_rate(policy, &law, base, &law).unwrap()
            });
            rates.sum::<f64>()
        });
}

/// The law of one procedure on m samples.
#[divan::bench(args = [128, 4096])]
fn order_law(bencher: Bencher<'_, '_>, m: usize) {
    bencher.bench(|| OrderLaw::best_of(4, m));
}
