//! Prints how many rewards per second this machine calibrates and judges, as JSON, for comparisons.
//!
//! `cargo run --release --example rates [seconds per figure]`; each figure is the median over
//! repetitions, on one thread.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use infalign::{
    calibration::{CalibrationTables, Calibrator, RankRule},
    estimate::{OrderLaw, win_rate},
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Prompts and rollouts per prompt of the table: a million rewards.
const PROMPTS: usize = 10_000;
const K: usize = 100;
/// Rewards a side of the win rate.
const M: usize = 128;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let given = std::env::args().nth(1).unwrap_or_else(|| "1".into());
    let budget = Duration::try_from_secs_f64(given.parse()?)?;
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut rewards = |count: usize| -> Vec<f32> { (0..count).map(|_| rng.random()).collect() };

    let table = rewards(PROMPTS * K);
    let tables = rate(
        budget,
        table.len(),
        || table.clone(),
        |rows| CalibrationTables::new(rows, K),
    );

    let calibrator = Calibrator::new(&table[..K], RankRule::MidRank)?;
    let raw = rewards(100_000);
    let mut out = vec![0.0; raw.len()];
    let lookups = rate(
        budget,
        raw.len(),
        || (),
        |()| calibrator.calibrate_into(&raw, &mut out),
    );

    let law = OrderLaw::best_of(4, M)?;
    let judged = rewards(1000 * 2 * M);
    let win_rates = rate(
        budget,
        judged.len(),
        || (),
        |()| {
            let prompts = judged.chunks_exact(2 * M).map(|prompt| prompt.split_at(M));
            prompts
                .map(|(policy, base)| win_rate(policy, &law, base, &law))
                .sum::<Result<f64, _>>()
        },
    );

    print(&[
        ("calibrate_tables", tables),
        ("lookups", lookups),
        ("win_rate", win_rates),
    ]);
    Ok(())
}

/// Items per second: the median over repetitions within the budget, after one to warm up.
fn rate<I, O>(
    budget: Duration,
    items: usize,
    mut input: impl FnMut() -> I,
    mut work: impl FnMut(I) -> O,
) -> f64 {
    black_box(work(input()));
    let (mut rates, start) = (Vec::new(), Instant::now());
    while rates.is_empty() || start.elapsed() < budget {
        let given = input();
        let begun = Instant::now();
        black_box(work(given));
        rates.push(items as f64 / begun.elapsed().as_secs_f64());
    }
    rates.sort_unstable_by(f64::total_cmp);
    rates[rates.len() / 2]
}

#[expect(clippy::print_stdout, reason = "printing is what this program is for")]
fn print(rates: &[(&str, f64)]) {
    let fields: Vec<String> = rates
        .iter()
        .map(|(name, rate)| format!("\"{name}\": {rate:.0}"))
        .collect();
    println!("{{{}}}", fields.join(", "));
}
