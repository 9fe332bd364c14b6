//! Linear layers beside the `gemm` crate, one thread.

use core::hint::black_box;
use divan::counter::ItemsCount;
use divan::{Bencher, bench};
use gemm::Parallelism;
use infalign_kernels::linear::{
    Dims, Packed, linear_backward_input, linear_backward_weight, linear_forward,
};

/// (rows, outputs, inputs); items are floating-point operations.
const SHAPES: [(usize, usize, usize); 7] = [
    (2048, 256, 768),
    (2048, 688 * 2, 256),
    (64, 256, 768),
    (64, 4096, 256),
    (1, 768, 256),
    (2048, 256, 256),
    (1024, 1024, 1024),
];

struct Data {
    dims: Dims,
    x: Vec<f32>,
    w: Vec<f32>,
    y: Vec<f32>,
}

fn noise(len: usize, seed: usize) -> Vec<f32> {
    (0..len)
        .map(|i| ((i * 7919 + seed) % 1013) as f32 / 1013.0 - 0.5)
        .collect()
}

fn data((rows, outputs, inputs): (usize, usize, usize)) -> Data {
    Data {
        dims: Dims {
            rows,
            outputs,
            inputs,
        },
        x: noise(rows * inputs, 1),
        w: noise(outputs * inputs, 2),
        y: noise(rows * outputs, 3),
    }
}

fn operations((rows, outputs, inputs): (usize, usize, usize)) -> ItemsCount {
    ItemsCount::new(2 * rows * outputs * inputs)
}

/// c (m, n) ← a (m, k) · b (k, n); strides (row, column).
#[expect(unsafe_code, reason = "the gemm crate takes pointers")]
fn peer(
    (m, n, k): (usize, usize, usize),
    (a, a_strides): (&[f32], (usize, usize)),
    (b, b_strides): (&[f32], (usize, usize)),
    c: &mut [f32],
) {
    // SAFETY: the callers' strides stay within their slices.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            c.as_mut_ptr(),
            1,
            n as isize,
            false,
            a.as_ptr(),
            a_strides.1 as isize,
            a_strides.0 as isize,
            b.as_ptr(),
            b_strides.1 as isize,
            b_strides.0 as isize,
            0.0,
            1.0,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}

#[bench(args = SHAPES, sample_count = 50)]
fn forward_packed(bencher: Bencher<'_, '_>, shape: (usize, usize, usize)) {
    let Data { dims, x, w, mut y } = data(shape);
    let packed = Packed::new(&w, dims.outputs, dims.inputs);
    bencher
        .counter(operations(shape))
        .bench_local(|| packed.forward(black_box(&x), dims.rows, None, false, &mut y));
}

/// All matrices of a language model of 5.8 M parameters in turn, as a step of sampling multiplies by them: they do not stay in the second cache.
#[bench(args = [1, 4, 16, 64, 256], sample_count = 30)]
fn forward_model(bencher: Bencher<'_, '_>, rows: usize) {
    const LAYER: [(usize, usize); 4] = [(768, 256), (256, 256), (688 * 2, 256), (256, 688)];
    let shapes = LAYER.repeat(6).into_iter().chain([(4096, 256)]);
    let layers: Vec<(Data, Packed)> = shapes
        .map(|(outputs, inputs)| {
            let data = data((rows, outputs, inputs));
            let packed = Packed::new(&data.w, outputs, inputs);
            (data, packed)
        })
        .collect();
    let operations = layers
        .iter()
        .map(|(d, _)| 2 * rows * d.w.len())
        .sum::<usize>();
    let mut y = vec![0.0; rows * 4096];
    bencher
        .counter(ItemsCount::new(operations))
        .bench_local(|| {
            for (data, packed) in &layers {
                let y = &mut y[..rows * data.dims.outputs];
                packed.forward(black_box(&data.x), rows, None, false, y);
            }
        });
}

#[bench(args = SHAPES, sample_count = 50)]
fn forward_once(bencher: Bencher<'_, '_>, shape: (usize, usize, usize)) {
    let Data { dims, x, w, mut y } = data(shape);
    bencher
        .counter(operations(shape))
        .bench_local(|| linear_forward(dims, black_box(&x), &w, None, false, &mut y));
}

#[bench(args = SHAPES, sample_count = 50)]
fn forward_peer(bencher: Bencher<'_, '_>, shape: (usize, usize, usize)) {
    let Data {
        dims: Dims {
            rows,
            outputs,
            inputs,
        },
        x,
        w,
        mut y,
    } = data(shape);
    bencher.counter(operations(shape)).bench_local(|| {
        peer(
            (rows, outputs, inputs),
            (black_box(&x), (inputs, 1)),
            (&w, (1, inputs)),
            &mut y,
        );
    });
}

#[bench(args = SHAPES, sample_count = 50)]
fn input_gradient(bencher: Bencher<'_, '_>, shape: (usize, usize, usize)) {
    let Data { dims, mut x, w, y } = data(shape);
    bencher
        .counter(operations(shape))
        .bench_local(|| linear_backward_input(dims, black_box(&y), &w, false, &mut x));
}

#[bench(args = SHAPES, sample_count = 50)]
fn input_gradient_peer(bencher: Bencher<'_, '_>, shape: (usize, usize, usize)) {
    let Data {
        dims: Dims {
            rows,
            outputs,
            inputs,
        },
        mut x,
        w,
        y,
    } = data(shape);
    bencher.counter(operations(shape)).bench_local(|| {
        peer(
            (rows, inputs, outputs),
            (black_box(&y), (outputs, 1)),
            (&w, (inputs, 1)),
            &mut x,
        );
    });
}

#[bench(args = SHAPES, sample_count = 50)]
fn weight_gradient(bencher: Bencher<'_, '_>, shape: (usize, usize, usize)) {
    let Data { dims, x, mut w, y } = data(shape);
    bencher
        .counter(operations(shape))
        .bench_local(|| linear_backward_weight(dims, black_box(&y), &x, false, &mut w));
}

#[bench(args = SHAPES, sample_count = 50)]
fn weight_gradient_peer(bencher: Bencher<'_, '_>, shape: (usize, usize, usize)) {
    let Data {
        dims: Dims {
            rows,
            outputs,
            inputs,
        },
        x,
        mut w,
        y,
    } = data(shape);
    bencher.counter(operations(shape)).bench_local(|| {
        peer(
            (outputs, inputs, rows),
            (black_box(&y), (1, outputs)),
            (&x, (inputs, 1)),
            &mut w,
        );
    });
}

/// What one core's multiply-add units could do at most: independent chains in registers.
#[cfg(target_arch = "x86_64")]
#[bench(sample_count = 50)]
fn peak(bencher: Bencher<'_, '_>) {
    const STEPS: usize = 10_000;
    if !is_x86_feature_detected!("avx512f") {
        return;
    }
    #[expect(unsafe_code, reason = "vector instructions")]
    bencher
        .counter(ItemsCount::new(2 * 16 * 24 * STEPS))
        .bench_local(|| {
            // SAFETY: the processor has AVX-512F.
            unsafe { chains(STEPS) }
        });
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn chains(steps: usize) -> f32 {
    use core::arch::x86_64::*;
    let factor = _mm512_set1_ps(black_box(0.999));
    let mut sums = [_mm512_set1_ps(black_box(1.0)); 24];
    for _ in 0..steps {
        for sum in &mut sums {
            *sum = _mm512_fmadd_ps(*sum, factor, factor);
        }
    }
    let mut total = sums[0];
    for sum in &sums[1..] {
        total = _mm512_add_ps(total, *sum);
    }
    _mm512_reduce_add_ps(total)
}

fn main() {
    divan::main();
}
