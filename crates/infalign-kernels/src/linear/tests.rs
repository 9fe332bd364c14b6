//! Tests of linear layers: against `f64`, and of every promise about bits.

use proptest::prelude::*;

use super::backward::{backward_input, backward_weight};
use super::kernel::available;
use super::*;

/// Numbers in [−1, 1) that look random.
fn noise(len: usize, seed: u32) -> Vec<f32> {
    let mut state = u64::from(seed) * 2 + 0x9e37_79b9_7f4a_7c15;
    core::iter::repeat_with(|| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1_u64 << 23) as f32 - 1.0
    })
    .take(len)
    .collect()
}

/// start + Σ left · right in `f64`.
fn dot(start: f64, terms: impl Iterator<Item = (f32, f32)>) -> f64 {
    terms.fold(start, |sum, (a, b)| sum + f64::from(a) * f64::from(b))
}

/// Rounding of a chain of n steps of terms below 1 with a start below 2: n sums of at most n + 2, each off by half a unit.
fn tolerance(depth: usize) -> f64 {
    let n = depth as f64 + 2.0;
    n * n * f64::from(f32::EPSILON)
}

fn close(got: &[f32], exact: impl Fn(usize) -> f64, tolerance: f64) -> Result<(), TestCaseError> {
    for (i, got) in got.iter().enumerate() {
        let error = (f64::from(*got) - exact(i)).abs();
        prop_assert!(
            error <= tolerance,
            "element {i}: {got} instead of {}",
            exact(i)
        );
    }
    Ok(())
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|x| x.to_bits()).collect()
}

fn in_pool<R: Send>(threads: usize, work: impl FnOnce() -> R + Send) -> R {
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .expect("a pool")
        .install(work)
}

fn sizes() -> impl Strategy<Value = Dims> {
    let rows = prop_oneof![0_usize..20, Just(64), Just(129)];
    let outputs = prop_oneof![0_usize..70, 120_usize..140];
    let inputs = prop_oneof![0_usize..40, 250_usize..270, Just(513)];
    (rows, outputs, inputs).prop_map(|(rows, outputs, inputs)| Dims {
        rows,
        outputs,
        inputs,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn forward_is_the_formula(
        dims in sizes(), seed: u32, with_bias: bool, accumulate: bool,
    ) {
        let Dims { rows, outputs, inputs } = dims;
        let (x, w) = (noise(rows * inputs, seed), noise(outputs * inputs, seed ^ 1));
        let (bias, before) = (noise(outputs, seed ^ 2), noise(rows * outputs, seed ^ 3));
        let bias = with_bias.then_some(&bias[..]);
        let exact = |at: usize| {
            let (i, o) = (at / outputs, at % outputs);
            let start = if accumulate { f64::from(before[at]) } else { 0.0 }
                + bias.map_or(0.0, |bias| f64::from(bias[o]));
            dot(start, (0..inputs).map(|p| (x[i * inputs + p], w[o * inputs + p])))
        };
        let mut once = before.clone();
        linear_forward(dims, &x, &w, bias, accumulate, &mut once);
        close(&once, exact, tolerance(inputs))?;
        for kernel in available() {
            let packed = Packed::with_kernel(kernel, &w, outputs, inputs);
            prop_assert_eq!(packed.dims(rows), dims);
            let mut y = before.clone();
            packed.forward(&x, rows, bias, accumulate, &mut y);
            close(&y, exact, tolerance(inputs))?;
            if kernel.name != "portable" {
                prop_assert_eq!(bits(&y), bits(&once), "{}", kernel.name);
            }
            let residual = accumulate.then_some(&before[..]);
            prop_assert_eq!(bits(&packed.apply(&x, rows, bias, residual)), bits(&y));
        }
        let residual = accumulate.then_some(&before[..]);
        prop_assert_eq!(bits(&linear(dims, &x, &w, bias, residual)), bits(&once));
    }

    #[test]
    fn gradients_in_new_vectors_are_the_same(dims in sizes(), seed: u32) {
        let Dims { rows, outputs, inputs } = dims;
        let (x, w) = (noise(rows * inputs, seed), noise(outputs * inputs, seed ^ 1));
        let dy = noise(rows * outputs, seed ^ 2);
        let mut dx = vec![f32::NAN; rows * inputs];
        linear_backward_input(dims, &dy, &w, false, &mut dx);
        prop_assert_eq!(bits(&linear_input_gradient(dims, &dy, &w)), bits(&dx));
        let mut dw = vec![f32::NAN; outputs * inputs];
        linear_backward_weight(dims, &dy, &x, false, &mut dw);
        prop_assert_eq!(bits(&linear_weight_gradient(dims, &dy, &x)), bits(&dw));
    }

    #[test]
    fn a_row_does_not_know_its_neighbours(
        outputs in 1_usize..200, inputs in prop_oneof![1_usize..50, 250_usize..530], seed: u32,
    ) {
        let most = 129;
        let (x, w) = (noise(most * inputs, seed), noise(outputs * inputs, seed ^ 1));
        let bias = noise(outputs, seed ^ 2);
        for kernel in available() {
            let packed = Packed::with_kernel(kernel, &w, outputs, inputs);
            let mut all = vec![f32::NAN; most * outputs];
            packed.forward(&x, most, Some(&bias), false, &mut all);
            for rows in [1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 13, 64] {
                let first = seed as usize % (most - rows);
                let mut some = vec![f32::NAN; rows * outputs];
                packed.forward(&x[first * inputs..][..rows * inputs], rows, Some(&bias), false, &mut some);
                prop_assert_eq!(bits(&some), bits(&all[first * outputs..][..rows * outputs]));
            }
        }
    }

    #[test]
    fn gradients_are_the_formula(dims in sizes(), seed: u32, accumulate: bool) {
        let Dims { rows, outputs, inputs } = dims;
        let (x, w) = (noise(rows * inputs, seed), noise(outputs * inputs, seed ^ 1));
        let dy = noise(rows * outputs, seed ^ 2);
        let start = |before: f32| if accumulate { f64::from(before) } else { 0.0 };
        let before = (noise(x.len(), seed ^ 3), noise(w.len(), seed ^ 4), noise(outputs, seed ^ 5));
        for kernel in available() {
            let mut dx = before.0.clone();
            backward_input(kernel, dims, &dy, &w, accumulate, &mut dx);
            close(&dx, |at| {
                let (i, p) = (at / inputs, at % inputs);
                let terms = (0..outputs).map(|o| (dy[i * outputs + o], w[o * inputs + p]));
                dot(start(before.0[at]), terms)
            }, tolerance(outputs))?;
            let mut dw = before.1.clone();
            backward_weight(kernel, dims, &dy, &x, accumulate, &mut dw);
            close(&dw, |at| {
                let (o, p) = (at / inputs, at % inputs);
                let terms = (0..rows).map(|i| (dy[i * outputs + o], x[i * inputs + p]));
                dot(start(before.1[at]), terms)
            }, tolerance(rows))?;
        }
        let mut db = before.2.clone();
        linear_backward_bias(dims, &dy, accumulate, &mut db);
        close(&db, |o| {
            dot(start(before.2[o]), (0..rows).map(|i| (dy[i * outputs + o], 1.0)))
        }, tolerance(rows))?;
    }
}

#[test]
fn threads_do_not_change_a_bit() {
    // Large enough for threads; more than one block of rows, of depth and of transposed dy.
    for dims in [
        Dims {
            rows: 1100,
            outputs: 70,
            inputs: 300,
        },
        Dims {
            rows: 7,
            outputs: 700,
            inputs: 520,
        },
        Dims {
            rows: 1100,
            outputs: 40,
            inputs: 1030,
        },
    ] {
        let Dims {
            rows,
            outputs,
            inputs,
        } = dims;
        let (x, w) = (noise(rows * inputs, 1), noise(outputs * inputs, 2));
        let dy = noise(rows * outputs, 3);
        let pass = || {
            let packed = Packed::new(&w, outputs, inputs);
            let mut results = [
                vec![0.0; dy.len()],
                vec![0.0; dy.len()],
                vec![0.0; x.len()],
                vec![0.0; w.len()],
            ];
            let [y, once, dx, dw] = &mut results;
            packed.forward(&x, rows, None, false, y);
            linear_forward(dims, &x, &w, None, false, once);
            linear_backward_input(dims, &dy, &w, false, dx);
            linear_backward_weight(dims, &dy, &x, false, dw);
            results.map(|result| bits(&result))
        };
        let alone = in_pool(1, pass);
        assert!(alone[0] == alone[1]);
        for threads in [2, 3, 8] {
            assert!(
                in_pool(threads, pass) == alone,
                "{threads} threads, {dims:?}"
            );
        }
    }
}

#[test]
fn repacking_forgets_the_old_weights() {
    let (old, new) = (noise(65 * 33, 1), noise(65 * 33, 2));
    let x = noise(3 * 33, 3);
    let mut packed = Packed::new(&old, 65, 33);
    packed.repack(&new);
    let (mut got, mut expected) = (vec![0.0; 3 * 65], vec![0.0; 3 * 65]);
    packed.forward(&x, 3, None, false, &mut got);
    linear_forward(packed.dims(3), &x, &new, None, false, &mut expected);
    assert_eq!(bits(&got), bits(&expected));
}

#[test]
fn a_nan_stays_in_its_row_and_output() {
    let (outputs, inputs) = (130, 9);
    let mut x = noise(3 * inputs, 1);
    x[inputs + 2] = f32::NAN;
    let mut w = noise(outputs * inputs, 2);
    w[129 * inputs] = f32::INFINITY;
    let mut y = vec![0.0; 3 * outputs];
    linear_forward(
        Dims {
            rows: 3,
            outputs,
            inputs,
        },
        &x,
        &w,
        None,
        false,
        &mut y,
    );
    for (at, y) in y.iter().enumerate() {
        let (row, output) = (at / outputs, at % outputs);
        assert_eq!(y.is_nan(), row == 1, "{row} {output}");
        assert_eq!(y.is_infinite(), row != 1 && output == 129, "{row} {output}");
    }
}

#[test]
fn nothing_to_do() {
    let mut y = [7.0; 6];
    linear_forward(
        Dims {
            rows: 0,
            outputs: 3,
            inputs: 2,
        },
        &[],
        &[0.0; 6],
        None,
        false,
        &mut [],
    );
    linear_forward(
        Dims {
            rows: 2,
            outputs: 0,
            inputs: 2,
        },
        &[0.0; 4],
        &[],
        None,
        false,
        &mut [],
    );
    let no_inputs = Dims {
        rows: 2,
        outputs: 3,
        inputs: 0,
    };
    linear_forward(no_inputs, &[], &[], Some(&[1.0, 2.0, 3.0]), true, &mut y);
    assert_eq!(y, [8.0, 9.0, 10.0, 8.0, 9.0, 10.0]);
    linear_forward(no_inputs, &[], &[], None, false, &mut y);
    assert_eq!(y, [0.0; 6]);
    assert!(!instruction_set().is_empty());
}
