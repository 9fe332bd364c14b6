//! Root-mean-square and layer normalisation of rows, and of the heads inside a row (Qwen 3's q/k norm).
//!
//! RMS: y = x / √(mean x² + ε) · (w + offset), offset 1 in the Gemma family. Layer: y = (x − mean) / √(var + ε) · w + b.

use burn::Tensor;
use infalign_kernels::{Write, layer_norm::LayerNorm, rms_norm::RmsNorm};

use super::fused::{self, Forward, Fused, Matrix, Tape};

/// y = x / rms(x) · (w + offset); w `(1, dim)`.
pub(crate) fn rms(x: Tensor<2>, w: &Tensor<2>, eps: f32, offset: f32) -> Tensor<2> {
    if fused::is_cpu(&x.device()) {
        return fused::apply(Rms { eps, offset }, [x, w.clone()]);
    }
    let scale = x.clone().powi_scalar(2).mean_dim(1).add_scalar(eps).sqrt();
    x / scale * w.clone().add_scalar(offset)
}

/// y = (x − mean) / deviation · w + b; w and b `(1, dim)`.
pub(crate) fn layer(x: Tensor<2>, w: &Tensor<2>, b: &Tensor<2>, eps: f32) -> Tensor<2> {
    if fused::is_cpu(&x.device()) {
        return fused::apply(Layer { eps }, [x, w.clone(), b.clone()]);
    }
    let centred = x.clone() - x.mean_dim(1);
    let scale = centred
        .clone()
        .powi_scalar(2)
        .mean_dim(1)
        .add_scalar(eps)
        .sqrt();
    centred / scale * w.clone() + b.clone()
}

/// RMS norm of each head of `dim = w.cols` values by itself, over columns `from..to` of x; the other columns pass unchanged.
pub(crate) fn heads(x: Tensor<2>, w: &Tensor<2>, from: usize, to: usize, eps: f32) -> Tensor<2> {
    let [rows, cols] = x.dims();
    let dim = w.dims()[1];
    let part = x
        .clone()
        .slice([0..rows, from..to])
        .reshape([rows * (to - from) / dim, dim]);
    let part = rms(part, w, eps, 0.0).reshape([rows, to - from]);
    let mut parts = Vec::with_capacity(3);
    if from > 0 {
        parts.push(x.clone().slice([0..rows, 0..from]));
    }
    parts.push(part);
    if to < cols {
        parts.push(x.slice([0..rows, to..cols]));
    }
    Tensor::cat(parts, 1)
}

#[derive(Debug)]
struct Rms {
    eps: f32,
    offset: f32,
}

impl Rms {
    fn kernel<'a>(&self, w: Matrix<'a>) -> RmsNorm<'a> {
        RmsNorm {
            weight: w.values,
            offset: self.offset,
            eps: self.eps,
        }
    }
}

impl Fused<2> for Rms {
    fn forward(&self, [x, w]: [Matrix<'_>; 2], _: bool) -> Forward {
        let mut y = vec![0.0; x.values.len()];
        self.kernel(w).forward(x.values, &mut y);
        Forward::new(y, x.rows, x.cols)
    }

    fn backward(&self, tape: &Tape<'_, 2>) -> [Option<Vec<f32>>; 2] {
        let [x, w] = tape.inputs;
        let mut dx = vec![0.0; x.values.len()];
        let mut dw = tape.wanted[1].then(|| vec![0.0; w.values.len()]);
        let parameters = dw.as_deref_mut().map(|dw| (dw, Write::Set));
        self.kernel(w).backward(
            x.values,
            tape.gradient.values,
            (&mut dx, Write::Set),
            parameters,
        );
        [Some(dx), dw]
    }
}

#[derive(Debug)]
struct Layer {
    eps: f32,
}

impl Layer {
    fn kernel<'a>(&self, w: Matrix<'a>, b: Matrix<'a>) -> LayerNorm<'a> {
        LayerNorm {
            weight: w.values,
            bias: b.values,
            eps: self.eps,
        }
    }
}

impl Fused<3> for Layer {
    fn forward(&self, [x, w, b]: [Matrix<'_>; 3], _: bool) -> Forward {
        let mut y = vec![0.0; x.values.len()];
        self.kernel(w, b).forward(x.values, &mut y);
        Forward::new(y, x.rows, x.cols)
    }

    fn backward(&self, tape: &Tape<'_, 3>) -> [Option<Vec<f32>>; 3] {
        let [x, w, b] = tape.inputs;
        let mut dx = vec![0.0; x.values.len()];
        let mut parameters = (tape.wanted[1] || tape.wanted[2])
            .then(|| (vec![0.0; w.values.len()], vec![0.0; b.values.len()]));
        let into = parameters
            .as_mut()
            .map(|(dw, db)| (&mut dw[..], &mut db[..], Write::Set));
        self.kernel(w, b)
            .backward(x.values, tape.gradient.values, (&mut dx, Write::Set), into);
        let (dw, db) = parameters.unzip();
        [Some(dx), dw, db]
    }
}
