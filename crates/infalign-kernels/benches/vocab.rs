//! The language-model head: statistics alone, cross-entropy, and a step with a reference; one thread.
//!
//! Items are the floating-point operations of the matrix products alone, so that figures compare with those of the linear layers.

use divan::counter::ItemsCount;
use divan::{Bencher, bench};
use infalign_kernels::vocab::{
    Head, HeadGradients, RowGrad, RowStats, head_loss, kl_rows, log_probs,
};

/// (rows, vocab, dim).
const SHAPES: [(usize, usize, usize); 2] = [(1024, 4096, 256), (512, 32_000, 512)];

fn noise(len: usize, seed: usize) -> Vec<f32> {
    (0..len)
        .map(|i| ((i * 7919 + seed) % 1013) as f32 / 1013.0 - 0.5)
        .collect()
}

struct Data {
    hidden: Vec<f32>,
    weight: Vec<f32>,
    targets: Vec<i32>,
    stats: Vec<RowStats>,
    vocab: usize,
    dim: usize,
}

impl Data {
    fn new((rows, vocab, dim): (usize, usize, usize)) -> Self {
        Self {
            hidden: noise(rows * dim, 1),
            weight: noise(vocab * dim, 2),
            targets: (0..rows).map(|row| (row * 31 % vocab) as i32).collect(),
            stats: vec![RowStats::default(); rows],
            vocab,
            dim,
        }
    }
}

fn head<'a>(hidden: &'a [f32], weight: &'a [f32], data: (usize, usize)) -> Head<'a> {
    Head {
        hidden,
        weight,
        packed: None,
        bias: None,
        vocab: data.0,
        dim: data.1,
        soft_cap: None,
        temperature: 1.0,
    }
}

fn products(count: usize, (rows, vocab, dim): (usize, usize, usize)) -> ItemsCount {
    ItemsCount::new(count * 2 * rows * vocab * dim)
}

#[bench(args = SHAPES, sample_count = 20)]
fn head_statistics(bencher: Bencher<'_, '_>, shape: (usize, usize, usize)) {
    let Data {
        hidden,
        weight,
        targets,
        mut stats,
        vocab,
        dim,
    } = Data::new(shape);
    let head = head(&hidden, &weight, (vocab, dim));
    bencher
        .counter(products(1, shape))
        .bench_local(|| log_probs(&head, &targets, &mut stats));
}

#[bench(args = SHAPES, sample_count = 20)]
fn head_divergence(bencher: Bencher<'_, '_>, shape: (usize, usize, usize)) {
    let Data {
        hidden,
        weight,
        targets,
        mut stats,
        vocab,
        dim,
    } = Data::new(shape);
    let head = head(&hidden, &weight, (vocab, dim));
    bencher
        .counter(products(2, shape))
        .bench_local(|| kl_rows(&head, &head, &targets, &mut stats));
}

fn gradient(
    bencher: Bencher<'_, '_>,
    shape: (usize, usize, usize),
    with_reference: bool,
    answer: RowGrad,
) {
    let Data {
        hidden,
        weight,
        targets,
        mut stats,
        vocab,
        dim,
    } = Data::new(shape);
    let head = head(&hidden, &weight, (vocab, dim));
    let (mut d_hidden, mut d_weight) = (hidden.clone(), vec![0.0; weight.len()]);
    bencher
        .counter(products(3 + usize::from(with_reference), shape))
        .bench_local(|| {
            let gradients = HeadGradients {
                hidden: &mut d_hidden,
                weight: Some(&mut d_weight),
                bias: None,
            };
            let reference = with_reference.then_some(&head);
            head_loss(
                &head,
                reference,
                &targets,
                &mut |_, _| answer,
                gradients,
                &mut stats,
            )
        });
}

#[bench(args = SHAPES, sample_count = 20)]
fn head_cross_entropy(bencher: Bencher<'_, '_>, shape: (usize, usize, usize)) {
    gradient(
        bencher,
        shape,
        false,
        RowGrad {
            d_log_prob: -1.0,
            ..RowGrad::default()
        },
    );
}

#[bench(args = SHAPES, sample_count = 20)]
fn head_with_reference(bencher: Bencher<'_, '_>, shape: (usize, usize, usize)) {
    let answer = RowGrad {
        loss: 0.0,
        d_log_prob: -1.0,
        d_kl: 0.1,
        d_entropy: -0.01,
        ..RowGrad::default()
    };
    gradient(bencher, shape, true, answer);
}

fn main() {
    divan::main();
}
