//! The random numbers of one sample: a stream of its own, in which token t uses the t-th number whatever happens to other samples.
//!
//! Derivation, fixed for good because texts depend on it:
//!
//! ```text
//! key = SHA-256("infalign sample 1" ‖ seed (8 bytes, little endian) ‖ index (8 bytes, little endian) ‖ prompt id (UTF-8))
//! u_t = (w_t >> 11) · 2⁻⁵³,  w_t = the t-th 64-bit word of ChaCha8 with this key (nonce 0)
//! ```
//!
//! The parts of fixed length come first, so that different triples never hash the same bytes. `u_t` is uniform on the multiples of 2⁻⁵³ in
//! [0, 1). `ChaCha` counts its blocks, so that any t can be had at once.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sha2::{Digest, Sha256};

const DOMAIN: &[u8] = b"infalign sample 1";

/// The random numbers of one sample.
#[derive(Debug, Clone)]
pub struct Stream {
    rng: ChaCha8Rng,
    /// The position that the generator stands at.
    next: u64,
}

impl Stream {
    /// Of sample `index` of a prompt in a run.
    #[must_use]
    pub fn new(seed: u64, prompt_id: &str, index: u64) -> Self {
        let key = Sha256::new()
            .chain_update(DOMAIN)
            .chain_update(seed.to_le_bytes())
            .chain_update(index.to_le_bytes())
            .chain_update(prompt_id.as_bytes())
            .finalize();
        Self {
            rng: ChaCha8Rng::from_seed(key.into()),
            next: 0,
        }
    }

    /// The uniform number in [0, 1) that draws token `position` of the response.
    pub fn uniform(&mut self, position: u64) -> f64 {
        if position != self.next {
            self.rng.set_word_pos(u128::from(position) * 2);
        }
        self.next = position.wrapping_add(1);
        (self.rng.next_u64() >> 11) as f64 * (1.0 / (1_u64 << 53) as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// χ² of counts in equal cells.
    fn chi2(counts: &[u32]) -> f64 {
        let expected = f64::from(counts.iter().sum::<u32>()) / counts.len() as f64;
        counts
            .iter()
            .map(|&c| (f64::from(c) - expected).powi(2) / expected)
            .sum()
    }

    /// The 1 − 10⁻⁴ quantile of χ² with d degrees of freedom (Wilson and Hilferty).
    fn critical(d: f64) -> f64 {
        let c = 2.0 / (9.0 * d);
        d * (1.0 - c + 3.719 * c.sqrt()).powi(3)
    }

    #[test]
    fn any_position_in_any_order() {
        let mut forward = Stream::new(3, "p", 1);
        let all: Vec<f64> = (0..100).map(|t| forward.uniform(t)).collect();
        let mut other = Stream::new(3, "p", 1);
        for t in [99, 0, 50, 51, 51, 7, 98, 8, 0] {
            assert_eq!(other.uniform(t as u64), all[t]);
        }
        assert!(all.iter().all(|u| (0.0..1.0).contains(u)));
    }

    /// The derivation is a promise: a change of it would change every recorded text.
    #[test]
    fn the_derivation_is_as_written() {
        let mut bytes = DOMAIN.to_vec();
        bytes.extend([5, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0]);
        bytes.extend("é".as_bytes());
        let mut rng = ChaCha8Rng::from_seed(Sha256::digest(&bytes).into());
        let mut stream = Stream::new(5, "é", 2);
        for t in 0..40 {
            assert_eq!(
                stream.uniform(t),
                (rng.next_u64() >> 11) as f64 / 2f64.powi(53)
            );
        }
    }

    /// Pairs of numbers that neighbouring streams give for the same token fill the unit square evenly. A stream that ignored one of its
    /// three parts would put all pairs on the diagonal.
    #[test]
    fn streams_that_differ_in_one_part_are_independent() {
        type Pair = fn(u64) -> (Stream, Stream);
        let pairs: [Pair; 4] = [
            |s| (Stream::new(s, "p", 0), Stream::new(s, "p", 1)),
            |s| (Stream::new(s, "p", 0), Stream::new(s + 1, "p", 0)),
            |s| {
                (
                    Stream::new(1, &s.to_string(), 0),
                    Stream::new(1, &(s + 1).to_string(), 0),
                )
            },
            |s| (Stream::new(1, "1", s), Stream::new(s, "1", 1 << 40)),
        ];
        for (which, pair) in pairs.iter().enumerate() {
            let mut cells = vec![0; 64];
            for s in 0..500 {
                let (mut a, mut b) = pair(s);
                for t in 0..40 {
                    let (x, y) = (a.uniform(t) * 8.0, b.uniform(t) * 8.0);
                    cells[x as usize * 8 + y as usize] += 1;
                }
            }
            assert!(
                chi2(&cells) < critical(63.0),
                "pair {which}: {}",
                chi2(&cells)
            );
        }
        // The test can fail: a stream against itself.
        let mut cells = vec![0; 64];
        for t in 0..2000 {
            let cell = (Stream::new(0, "p", 0).uniform(t) * 8.0) as usize;
            cells[cell * 8 + cell] += 1;
        }
        assert!(chi2(&cells) > critical(63.0));
    }

    #[test]
    fn successive_numbers_of_one_stream_are_independent() {
        let mut stream = Stream::new(9, "serial", 0);
        let mut cells = vec![0; 256];
        let mut before = stream.uniform(0);
        for t in 1..100_000 {
            let now = stream.uniform(t);
            cells[(before * 16.0) as usize * 16 + (now * 16.0) as usize] += 1;
            before = now;
        }
        assert!(chi2(&cells) < critical(255.0), "{}", chi2(&cells));
    }
}
