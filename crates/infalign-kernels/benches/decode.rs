//! Attention of one new token for each of 64 sequences, 8 heads of 32, in 6 layers, behind one prompt or behind 64.
//!
//! Bytes are those of the sequences' own keys and values, and of each prefix once. One thread: run with `RAYON_NUM_THREADS=1`.

use std::sync::Arc;

use divan::Bencher;
use divan::counter::BytesCount;
use infalign_kernels::attention::Attention;
use infalign_kernels::cache::{CacheFull, CachePool, CacheShape, Sequence};
use infalign_kernels::decode::{decode_attention, prefill_attention};

fn main() {
    divan::main();
}

const SEQUENCES: usize = 64;
const LAYERS: usize = 6;

/// (prompts, tokens of a prompt, tokens after it).
#[divan::bench(args = [(1, 256, 64), (1, 256, 1), (64, 0, 128), (64, 16, 256), (8, 256, 64)])]
fn decode(bencher: Bencher<'_, '_>, (prompts, prompt, own): (usize, usize, usize)) {
    let attention = Attention {
        heads: 8,
        kv_heads: 8,
        head_dim: 32,
        scale: 0.2,
        window: None,
        softcap: None,
        rotary: None,
    };
    let shape = CacheShape {
        layers: LAYERS,
        kv_heads: 8,
        head_dim: 32,
    };
    let Ok(mut sequences) = filled(&attention, shape, prompts, prompt, own) else {
        return;
    };
    let qkv = values(SEQUENCES * attention.qkv_width());
    let mut out = vec![0.0; SEQUENCES * attention.out_width()];
    let tokens = prompts * prompt + SEQUENCES * own;
    bencher
        .counter(BytesCount::new(tokens * shape.bytes_per_token()))
        .bench_local(|| {
            for layer in 0..LAYERS {
                let mut all: Vec<&mut Sequence> = sequences.iter_mut().collect();
                decode_attention(&attention, layer, &mut all, &qkv, &mut out);
            }
        });
}

fn values(n: usize) -> Vec<f32> {
    (0..n)
        .map(|i| ((i * 7919) % 1000) as f32 / 500.0 - 1.0)
        .collect()
}

/// Sequences whose next token is the `own`-th after the prompt.
fn filled(
    attention: &Attention<'_>,
    shape: CacheShape,
    prompts: usize,
    prompt: usize,
    own: usize,
) -> Result<Vec<Sequence>, CacheFull> {
    let mut pool = CachePool::new(shape, 1 << 30);
    let qkv = values(prompt.max(SEQUENCES) * attention.qkv_width());
    let mut sequences = Vec::new();
    for _ in 0..prompts {
        let mut prefix = [pool.prefix(prompt)?];
        let mut out = vec![0.0; prompt * attention.out_width()];
        let rows = &qkv[..prompt * attention.qkv_width()];
        for layer in 0..LAYERS {
            prefill_attention(attention, layer, rows, &[0, prompt], &mut out, &mut prefix);
        }
        for prefix in prefix.map(Arc::new) {
            sequences.extend((0..SEQUENCES / prompts).map(|_| Sequence::new(prefix.clone())));
        }
    }
    let mut out = vec![0.0; SEQUENCES * attention.out_width()];
    let rows = &qkv[..SEQUENCES * attention.qkv_width()];
    for t in 0..own {
        for sequence in &mut sequences {
            pool.reserve(sequence, 1)?;
        }
        if t + 1 < own {
            for layer in 0..LAYERS {
                let mut all: Vec<&mut Sequence> = sequences.iter_mut().collect();
                decode_attention(attention, layer, &mut all, rows, &mut out);
            }
            sequences.iter_mut().for_each(Sequence::advance);
        }
    }
    Ok(sequences)
}
