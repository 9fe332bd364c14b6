//! The nonlinearity of a feed-forward layer: plain a(x), or gated a(g) ∘ u on rows that hold `[g | u]`.

use burn::{Tensor, tensor::activation};
use infalign_kernels::activation::Activation;

use super::fused::{self, Forward, Fused, Matrix, Tape};

/// a(x), value by value.
pub(crate) fn plain(x: Tensor<2>, a: Activation) -> Tensor<2> {
    if fused::is_cpu(&x.device()) {
        return fused::apply(Plain(a), [x]);
    }
    composite(x, a)
}

/// a(g) ∘ u for rows `[g | u]`: `(rows, 2 width)` to `(rows, width)`.
pub(crate) fn gated(x: Tensor<2>, a: Activation) -> Tensor<2> {
    if fused::is_cpu(&x.device()) {
        return fused::apply(Gated(a), [x]);
    }
    let [rows, cols] = x.dims();
    let g = x.clone().slice([0..rows, 0..cols / 2]);
    let u = x.slice([0..rows, cols / 2..cols]);
    composite(g, a) * u
}

fn composite(x: Tensor<2>, a: Activation) -> Tensor<2> {
    match a {
        Activation::Silu => activation::silu(x),
        Activation::Relu => activation::relu(x),
        Activation::Gelu => activation::gelu(x),
        Activation::GeluTanh => activation::gelu_approximate(x),
    }
}

#[derive(Debug)]
struct Plain(Activation);

impl Fused<1> for Plain {
    fn forward(&self, [x]: [Matrix<'_>; 1], _: bool) -> Forward {
        let mut y = vec![0.0; x.values.len()];
        self.0.forward(x.values, &mut y);
        Forward::new(y, x.rows, x.cols)
    }

    fn backward(&self, tape: &Tape<'_, 1>) -> [Option<Vec<f32>>; 1] {
        let [x] = tape.inputs;
        let mut dx = tape.gradient.values.to_vec();
        self.0.backward(x.values, &mut dx);
        [Some(dx)]
    }
}

#[derive(Debug)]
struct Gated(Activation);

impl Fused<1> for Gated {
    fn forward(&self, [x]: [Matrix<'_>; 1], _: bool) -> Forward {
        let width = x.cols / 2;
        let mut y = vec![0.0; x.rows * width];
        self.0.gated(x.values, width, &mut y);
        Forward::new(y, x.rows, width)
    }

    fn backward(&self, tape: &Tape<'_, 1>) -> [Option<Vec<f32>>; 1] {
        let [x] = tape.inputs;
        let mut dx = vec![0.0; x.values.len()];
        self.0
            .gated_backward(x.values, x.cols / 2, tape.gradient.values, &mut dx);
        [Some(dx)]
    }
}
