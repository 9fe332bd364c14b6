//! Norms, activations, embedding and AdamW at the sizes of a small model: 2048 rows of 256, 688 gated; run with one thread pinned.
#![expect(
    clippy::unwrap_used,
    reason = "a benchmark stops at the first surprise"
)]

use divan::{Bencher, black_box, counter::ItemsCount};
use infalign_kernels::{
    Write,
    activation::Activation,
    adamw::AdamW,
    embedding::{embedding, embedding_backward},
    layer_norm::LayerNorm,
    norm2::sum_squares,
    rms_norm::RmsNorm,
};

const ROWS: usize = 2048;
const DIM: usize = 256;
const FFN: usize = 688;

fn main() {
    rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .build_global()
        .unwrap();
    divan::main();
}

fn values(n: usize) -> Vec<f32> {
    (0..n)
        .map(|i| ((i * 37 % 101) as f32 - 50.0) / 25.0)
        .collect()
}

#[divan::bench]
fn rms_norm_forward(bencher: Bencher<'_, '_>) {
    let (x, weight, mut y) = (values(ROWS * DIM), values(DIM), vec![0.0; ROWS * DIM]);
    let norm = RmsNorm {
        weight: &weight,
        offset: 0.0,
        eps: 1e-6,
    };
    bencher
        .counter(ItemsCount::new(x.len()))
        .bench_local(|| norm.forward(black_box(&x), &mut y));
}

#[divan::bench]
fn rms_norm_backward(bencher: Bencher<'_, '_>) {
    let (x, dy, weight) = (values(ROWS * DIM), values(ROWS * DIM), values(DIM));
    let (mut dx, mut dw) = (vec![0.0; ROWS * DIM], vec![0.0; DIM]);
    let norm = RmsNorm {
        weight: &weight,
        offset: 0.0,
        eps: 1e-6,
    };
    bencher.counter(ItemsCount::new(x.len())).bench_local(|| {
        norm.backward(
            black_box(&x),
            &dy,
            (&mut dx, Write::Set),
            Some((&mut dw, Write::Set)),
        );
    });
}

#[divan::bench]
fn layer_norm_forward(bencher: Bencher<'_, '_>) {
    let (x, weight, bias, mut y) = (
        values(ROWS * DIM),
        values(DIM),
        values(DIM),
        vec![0.0; ROWS * DIM],
    );
    let norm = LayerNorm {
        weight: &weight,
        bias: &bias,
        eps: 1e-5,
    };
    bencher
        .counter(ItemsCount::new(x.len()))
        .bench_local(|| norm.forward(black_box(&x), &mut y));
}

#[divan::bench(args = [Activation::Silu, Activation::GeluTanh, Activation::Gelu])]
fn gated(bencher: Bencher<'_, '_>, activation: Activation) {
    let (x, mut y) = (values(ROWS * 2 * FFN), vec![0.0; ROWS * FFN]);
    bencher
        .counter(ItemsCount::new(y.len()))
        .bench_local(|| activation.gated(black_box(&x), FFN, &mut y));
}

#[divan::bench(args = [Activation::Silu, Activation::GeluTanh, Activation::Gelu])]
fn gated_backward(bencher: Bencher<'_, '_>, activation: Activation) {
    let (x, dy, mut dx) = (
        values(ROWS * 2 * FFN),
        values(ROWS * FFN),
        vec![0.0; ROWS * 2 * FFN],
    );
    bencher
        .counter(ItemsCount::new(dy.len()))
        .bench_local(|| activation.gated_backward(black_box(&x), FFN, &dy, &mut dx));
}

#[divan::bench]
fn embedding_both(bencher: Bencher<'_, '_>) {
    let ids: Vec<u32> = (0..ROWS as u32).map(|i| i * 7 % 4096).collect();
    let (table, mut y, mut d) = (
        values(4096 * DIM),
        vec![0.0; ROWS * DIM],
        vec![0.0; 4096 * DIM],
    );
    bencher.counter(ItemsCount::new(y.len())).bench_local(|| {
        embedding(black_box(&table), DIM, &ids, 1.0, &mut y);
        embedding_backward(&y, DIM, &ids, 1.0, &mut d);
    });
}

#[divan::bench]
fn adamw(bencher: Bencher<'_, '_>) {
    let n = 1 << 20;
    let (mut p, g, mut m, mut v) = (values(n), values(n), vec![0.0; n], vec![0.0; n]);
    let step = AdamW {
        learning_rate: 1e-3,
        beta1: 0.9,
        beta2: 0.95,
        eps: 1e-8,
        weight_decay: 0.1,
        step: 3,
        gradient_scale: 1.0,
    };
    bencher
        .counter(ItemsCount::new(n))
        .bench_local(|| step.update(&mut p, black_box(&g), &mut m, &mut v));
}

#[divan::bench]
fn squares(bencher: Bencher<'_, '_>) {
    let g = values(1 << 20);
    bencher
        .counter(ItemsCount::new(g.len()))
        .bench_local(|| sum_squares(black_box(&g)));
}
