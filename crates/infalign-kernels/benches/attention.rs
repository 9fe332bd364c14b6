//! Causal attention of 8 sequences of 256 tokens, 8 heads of 32: time of the forward and of the backward pass.
//!
//! Useful work is 4 · head size · T² / 2 floating-point operations a head and sequence forward (0.268 GFLOP here), 2.5 times that backward;
//! divide by the time shown. One thread: run with `RAYON_NUM_THREADS=1`.

use divan::Bencher;
use divan::counter::ItemsCount;
use infalign_kernels::attention::{Attention, Group};
use infalign_kernels::rotary::Rotary;

fn main() {
    divan::main();
}

/// Sequences of `T` tokens that make 2048.
fn groups(length: usize) -> Vec<Group> {
    vec![Group::alone(length); 2048 / length]
}

fn values(n: usize) -> Vec<f32> {
    (0..n)
        .map(|i| ((i * 7919) % 1000) as f32 / 500.0 - 1.0)
        .collect()
}

const SHAPES: [(usize, usize, usize); 5] = [
    (32, 8, 256),
    (64, 8, 256),
    (128, 4, 256),
    (32, 8, 1024),
    (64, 8, 2048),
];

fn flops((head_dim, heads, length): (usize, usize, usize)) -> usize {
    2 * head_dim * heads * length * 2048
}

#[divan::bench(args = SHAPES)]
fn forward(bencher: Bencher<'_, '_>, shape: (usize, usize, usize)) {
    let (head_dim, heads, length) = shape;
    let frequencies: Vec<f32> = (0..head_dim / 2).map(|k| 0.8_f32.powi(k as i32)).collect();
    let rotary = Rotary::new(&frequencies, length, 1.0);
    let attention = attention(head_dim, heads, &rotary);
    let (groups, qkv) = (groups(length), values(2048 * attention.qkv_width()));
    let mut out = vec![0.0; 2048 * attention.out_width()];
    let mut lse = vec![0.0; 2048 * attention.heads];
    bencher
        .counter(ItemsCount::new(flops(shape)))
        .bench_local(|| attention.forward(&qkv, &groups, &mut out, &mut lse));
}

#[divan::bench(args = SHAPES)]
fn backward(bencher: Bencher<'_, '_>, shape: (usize, usize, usize)) {
    let (head_dim, heads, length) = shape;
    let frequencies: Vec<f32> = (0..head_dim / 2).map(|k| 0.8_f32.powi(k as i32)).collect();
    let rotary = Rotary::new(&frequencies, length, 1.0);
    let attention = attention(head_dim, heads, &rotary);
    let (groups, qkv) = (groups(length), values(2048 * attention.qkv_width()));
    let mut out = vec![0.0; 2048 * attention.out_width()];
    let mut lse = vec![0.0; 2048 * attention.heads];
    attention.forward(&qkv, &groups, &mut out, &mut lse);
    let dout = values(out.len());
    let mut dqkv = vec![0.0; qkv.len()];
    bencher
        .counter(ItemsCount::new(flops(shape) * 5 / 2))
        .bench_local(|| attention.backward(&qkv, &groups, &out, &lse, &dout, &mut dqkv));
}

fn attention(head_dim: usize, heads: usize, rotary: &Rotary) -> Attention<'_> {
    Attention {
        heads,
        kv_heads: heads,
        head_dim,
        scale: 1.0 / (head_dim as f32).sqrt(),
        window: None,
        softcap: None,
        rotary: Some(rotary),
    }
}
