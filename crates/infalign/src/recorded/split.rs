//! The random split of a prompt's responses: decided by the seed and the prompt's identity alone, so that it does not change with
//! the order of the table or with what else is in it.

use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;

/// Positions of the calibration part and of the evaluation part: halves, the odd one to the evaluation part, each increasing.
pub(super) fn halves(n: usize, id: &str, seed: u64) -> (Vec<usize>, Vec<usize>) {
    let mut order: Vec<usize> = (0..n).collect();
    let mut rng = stream(id, seed);
    order.shuffle(&mut rng);
    let mut evaluation = order.split_off(n / 2);
    order.sort_unstable();
    evaluation.sort_unstable();
    (order, evaluation)
}

/// A random stream of its own for each (seed, id): FNV-1a of the id, mixed with the seed by the generator's own seeding.
pub(crate) fn stream(id: &str, seed: u64) -> ChaCha8Rng {
    let hash = id.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| {
        (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3)
    });
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..16].copy_from_slice(&hash.to_le_bytes());
    ChaCha8Rng::from_seed(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_part_the_responses_and_depend_on_seed_and_id_only() {
        let (a, b) = halves(155, "p", 0);
        assert_eq!((a.len(), b.len()), (77, 78));
        let mut all: Vec<usize> = a.iter().chain(&b).copied().collect();
        all.sort_unstable();
        assert_eq!(all, (0..155).collect::<Vec<_>>());
        assert_eq!(halves(155, "p", 0), (a.clone(), b));
        assert_ne!(halves(155, "q", 0).0, a);
        assert_ne!(halves(155, "p", 1).0, a);
    }
}
