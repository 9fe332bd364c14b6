//! The seed that a request carries: another one for every prompt and block of responses, because one seed on different prompts gives nearly the
//! same text.
//!
//! Derivation, fixed for good because texts depend on it (as the streams of samples that are drawn here, see `infalign-lm`):
//!
//! ```text
//! hash = SHA-256("infalign remote 1" ‖ run's seed (8 bytes, little endian) ‖ index of the block's first response (8 bytes, little endian) ‖ prompt id (UTF-8))
//! seed = the first 8 bytes of it, little endian, modulo 2^bits
//! ```
//!
//! `bits` is what the kind of server takes: 53 at most, since a gateway may carry numbers as f64.

use sha2::{Digest, Sha256};

const DOMAIN: &[u8] = b"infalign remote 1";

/// The seed of a block of responses.
pub(super) fn block_seed(run: u64, prompt_id: &str, first: u64, bits: u32) -> u64 {
    let hash = Sha256::new()
        .chain_update(DOMAIN)
        .chain_update(run.to_le_bytes())
        .chain_update(first.to_le_bytes())
        .chain_update(prompt_id.as_bytes())
        .finalize();
    let mut word = [0; 8];
    word.copy_from_slice(&hash[..8]);
    u64::from_le_bytes(word) & ((1 << bits.min(63)) - 1)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// A promise: a change would change every recorded text.
    #[test]
    fn the_derivation_is_as_written() {
        let mut bytes = DOMAIN.to_vec();
        bytes.extend([5, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0]);
        bytes.extend("é".as_bytes());
        let hash = Sha256::digest(&bytes);
        let word = (0..8).fold(0, |word, i| word | u64::from(hash[i]) << (8 * i));
        assert_eq!(block_seed(5, "é", 2, 53), word % (1 << 53));
        assert_eq!(block_seed(5, "é", 2, 31), word % (1 << 31));
    }

    #[test]
    fn every_part_matters_and_the_range_holds() {
        let mut seen = BTreeSet::new();
        for run in 0..10 {
            for first in 0..10 {
                for id in 0..10 {
                    let seed = block_seed(run, &id.to_string(), first, 31);
                    assert!(seed < 1 << 31);
                    seen.insert(seed);
                }
            }
        }
        // Of 1000 draws from 2³¹, two agree with a probability of 1000²/2³², about 2·10⁻⁴.
        assert_eq!(seen.len(), 1000);
    }
}
