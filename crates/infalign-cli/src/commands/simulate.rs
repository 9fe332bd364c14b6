//! `infalign simulate`: a table of rollouts whose gold reward is known.

use infalign_data::{RewardTable, TableBuilder, write_table};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{StandardNormal, StudentT};

use crate::{
    args::Simulate,
    error::{Error, Result},
    print,
};

/// Share of error in the proxy, and the degrees of freedom of its heavy tail.
const ERROR: f64 = 0.5;
const FREEDOM: f64 = 3.0;
/// Deviations of the prompts' offsets and of the logarithm of their spreads.
const OFFSETS: f64 = 2.0;
const SPREADS: f64 = 0.6;

pub(super) fn run(args: &Simulate) -> Result<()> {
    let table = table(args.prompts, args.k, args.seed)?;
    write_table(&args.out, &table)?;
    print::note(&format!(
        "wrote {}: {} prompts with {} responses each, columns `proxy` (to train with) and `gold` (to judge by)",
        args.out.display(),
        table.prompts(),
        args.k
    ));
    Ok(())
}

/// The table that the help text of `simulate` describes.
pub(super) fn table(prompts: usize, k: usize, seed: u64) -> Result<RewardTable> {
    if !(1..=1_000_000).contains(&prompts) || !(1..=100_000).contains(&k) {
        return Err(Error::Usage(format!(
            "--prompts {prompts} --k {k}: give 1 to 1000000 prompts and 1 to 100000 responses"
        )));
    }
    let tail = StudentT::new(FREEDOM).map_err(|e| Error::Usage(e.to_string()))?;
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let normal = |rng: &mut ChaCha8Rng| rng.sample::<f64, _>(StandardNormal);
    let mut builder = TableBuilder::new(["proxy", "gold"])?;
    for prompt in 0..prompts {
        let offset = OFFSETS * normal(&mut rng);
        let spread = (SPREADS * normal(&mut rng)).exp();
        let (mut proxy, mut gold) = (Vec::with_capacity(k), Vec::with_capacity(k));
        for _ in 0..k {
            let g = normal(&mut rng);
            gold.push(g as f32);
            proxy.push((offset + spread * (g + ERROR * rng.sample(tail))) as f32);
        }
        builder.insert(&format!("simulated-{prompt}"), None, &[&proxy, &gold], &[])?;
    }
    Ok(builder.finish()?)
}
