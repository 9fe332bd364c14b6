//! Draws from many rows of logits, over the current `rayon` pool when that pays; the result is the same either way.

use rayon::prelude::*;

use super::{
    filter::{Filter, Scratch},
    log_prob::{Drawn, Unusable},
};

/// Logits from which on threads pay: about 50 µs of work at half a nanosecond each, against a few µs to hand it out.
const WORTH_THREADS: usize = 1 << 17;

/// Draws from each row of `logits` (rows, vocab) with its own number in [0, 1).
///
/// `scratch` serves the caller's thread.
pub(super) fn draw(
    filter: &Filter,
    logits: &[f32],
    vocab: usize,
    uniforms: &[f64],
    scratch: &mut Scratch,
) -> Vec<Result<Drawn, Unusable>> {
    if logits.len() < WORTH_THREADS || uniforms.len() < 2 {
        let rows = logits.chunks_exact(vocab).zip(uniforms);
        return rows.map(|(row, &u)| filter.draw(row, u, scratch)).collect();
    }
    logits
        .par_chunks_exact(vocab)
        .zip(uniforms)
        .map_init(Scratch::default, |scratch, (row, &u)| {
            filter.draw(row, u, scratch)
        })
        .collect()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "what the tests feed in is valid")]
mod tests {
    use super::*;
    use crate::sample::Sampling;

    #[test]
    fn threads_change_nothing() {
        let vocab = 5000;
        let rows = WORTH_THREADS / vocab + 3;
        let logits: Vec<f32> = (0..rows * vocab)
            .map(|i| ((i * 40_503) % 65_536) as f32 * 1e-4)
            .collect();
        let uniforms: Vec<f64> = (0..rows).map(|i| (i as f64 * 0.618).fract()).collect();
        let settings = Sampling {
            temperature: 0.7,
            top_p: 0.9,
            ..Sampling::default()
        };
        let filter = Filter::new(&settings);
        let mut scratch = Scratch::default();
        let together = draw(&filter, &logits, vocab, &uniforms, &mut scratch);
        let each: Vec<_> = logits
            .chunks(vocab)
            .zip(&uniforms)
            .map(|(row, &u)| filter.draw(row, u, &mut scratch))
            .collect();
        assert_eq!(together, each);
        let tokens: std::collections::BTreeSet<u32> =
            each.iter().map(|d| d.unwrap().token).collect();
        assert!(tokens.len() > 5, "{tokens:?}");
    }
}
