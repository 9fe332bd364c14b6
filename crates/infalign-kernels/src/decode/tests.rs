//! Decoding against attention over the whole sequence, and against itself in other company.

use proptest::prelude::*;

use super::*;
use crate::attention::Group;
use crate::cache::{CachePool, CacheShape};
use crate::check::{assert_close, assert_same, random, wide};
use crate::rotary::Rotary;

const SHAPE: CacheShape = CacheShape {
    layers: 2,
    kv_heads: 2,
    head_dim: 0,
};

/// Outputs (samples, tokens, out width) of `samples` continuations of one prompt, decoded together in groups of `together`.
fn decoded(
    a: &Attention<'_>,
    prompt: &[f32],
    samples: &[Vec<f32>],
    together: usize,
) -> Vec<Vec<f32>> {
    let shape = CacheShape {
        head_dim: a.head_dim,
        kv_heads: a.kv_heads,
        ..SHAPE
    };
    let (width, out_width) = (a.qkv_width(), a.out_width());
    let mut pool = CachePool::new(shape, 1 << 26);
    let n = prompt.len() / width;
    let mut prefix = [pool.prefix(n).expect("room")];
    let mut out = vec![0.0; n * out_width];
    for layer in 0..2 {
        prefill_attention(a, layer, prompt, &[0, n], &mut out, &mut prefix);
    }
    let [prefix] = prefix;
    let prefix = Arc::new(prefix);
    let mut sequences: Vec<_> = samples
        .iter()
        .map(|_| Sequence::new(prefix.clone()))
        .collect();
    let mut outputs = vec![Vec::new(); samples.len()];
    let longest = samples.iter().map(|s| s.len() / width).max().unwrap_or(0);
    for t in 0..longest {
        let mut live: Vec<_> = (sequences.iter_mut().zip(samples).zip(&mut outputs))
            .filter(|((_, rows), _)| (t + 1) * width <= rows.len())
            .collect();
        for live in live.chunks_mut(together) {
            let qkv: Vec<f32> = (live.iter())
                .flat_map(|((_, rows), _)| rows[t * width..(t + 1) * width].to_vec())
                .collect();
            let mut out = vec![f32::NAN; live.len() * out_width];
            for layer in 0..2 {
                let mut some: Vec<&mut Sequence> = Vec::new();
                for ((sequence, _), _) in live.iter_mut() {
                    pool.reserve(sequence, 1).expect("room");
                    some.push(&mut **sequence);
                }
                decode_attention(a, layer, &mut some, &qkv, &mut out);
            }
            for (((sequence, _), output), out) in live.iter_mut().zip(out.chunks(out_width)) {
                sequence.advance();
                output.extend_from_slice(out);
            }
        }
    }
    outputs
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn decoding_agrees_with_attention_over_the_whole_sequence(
        prompt in 0_usize..50, lengths in prop::collection::vec(1_usize..40, 1..12),
        kv_heads in 1_usize..3, group in 1_usize..4,
        head_dim in prop::sample::select(vec![4_usize, 8, 20, 32, 64, 80, 128]),
        window in prop::option::of(1_usize..60), softcap in prop::option::of(0.5_f32..4.0),
        seed: u64,
    ) {
        let rotary = Rotary::new(&[1.0, 0.1], 100, 1.0);
        let a = Attention {
            heads: kv_heads * group, kv_heads, head_dim, scale: 1.5 / (head_dim as f32).sqrt(),
            window, softcap, rotary: Some(&rotary),
        };
        let width = a.qkv_width();
        let prefix = random(prompt * width, seed);
        let samples: Vec<_> = (0..).zip(&lengths)
            .map(|(i, n)| random(n * width, seed ^ (i + 1))).collect();
        let together = decoded(&a, &prefix, &samples, samples.len());
        for (sample, got) in samples.iter().zip(&together) {
            let whole = [&prefix[..], sample].concat();
            let tokens = whole.len() / width;
            let mut out = vec![0.0; tokens * a.out_width()];
            let mut lse = vec![0.0; tokens * a.heads];
            a.forward(&whole, &[Group::alone(tokens)], &mut out, &mut lse);
            assert_close(got, &wide(&out[prompt * a.out_width()..]), 5e-6);
        }
    }
}

#[test]
fn company_and_threads_do_not_change_a_bit() {
    for (head_dim, group, window) in [(32, 1, None), (64, 3, Some(40)), (20, 2, Some(9))] {
        let rotary = Rotary::new(&[1.0, 0.1], 100, 1.0);
        let a = Attention {
            heads: 2 * group,
            kv_heads: 2,
            head_dim,
            scale: 0.3,
            window,
            softcap: None,
            rotary: Some(&rotary),
        };
        let width = a.qkv_width();
        let prefix = random(37 * width, 1);
        let samples: Vec<_> = (0..13)
            .map(|i| random((3 + 5 * i) * width, 2 + i as u64))
            .collect();
        let all = decoded(&a, &prefix, &samples, 13);
        for together in [1, 2, 5] {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(together)
                .build();
            let some = pool
                .expect("a pool")
                .install(|| decoded(&a, &prefix, &samples, together));
            for (x, y) in all.iter().zip(&some) {
                assert_same(x, y);
            }
        }
    }
}

#[test]
#[should_panic(expected = "no room for another")]
fn a_sequence_without_room_says_so() {
    let a = Attention {
        heads: 2,
        kv_heads: 2,
        head_dim: 4,
        scale: 1.0,
        window: None,
        softcap: None,
        rotary: None,
    };
    let shape = CacheShape {
        head_dim: 4,
        ..SHAPE
    };
    let prefix = CachePool::new(shape, 1 << 20).prefix(0).expect("room");
    let mut sequence = Sequence::new(Arc::new(prefix));
    decode_attention(&a, 0, &mut [&mut sequence], &[0.0; 24], &mut [0.0; 8]);
}
