//! y = x Wᵀ + b + r with W `(out, in)` as hub files store it; b and the residual r are optional.
//!
//! Backward: ∂x = ∂y W, ∂W = ∂yᵀ x, ∂b = Σ ∂y over rows, ∂r = ∂y. Adding the residual here saves a pass over memory in every half layer.

use std::sync::Arc;

use burn::Tensor;
use infalign_kernels::linear::{
    self, Dims, Packed, linear_backward_bias, linear_input_gradient, linear_weight_gradient,
};

use super::fused::{self, Forward, Fused, Matrix, Tape};

/// A matrix of weights, and on a CPU, once it is frozen, the same matrix laid out for the kernel.
#[derive(Debug, Clone)]
pub(crate) struct Weight {
    /// `(out, in)`.
    pub(crate) tensor: Tensor<2>,
    packed: Option<Arc<Packed>>,
}

impl Weight {
    /// A weight that may still change.
    pub(crate) fn new(tensor: Tensor<2>) -> Self {
        Self {
            tensor,
            packed: None,
        }
    }

    /// The same weight laid out for many small products: sampling multiplies by it at every step.
    pub(crate) fn freeze(&mut self) {
        let device = self.tensor.device();
        if self.packed.is_none() && fused::is_cpu(&device) {
            let [n, k] = self.tensor.dims();
            self.packed = Some(Arc::new(fused::read(&self.tensor, |w| {
                Packed::new(w, n, k)
            })));
        }
    }

    /// Forgets the layout of [`Weight::freeze`].
    pub(crate) fn thaw(&mut self) {
        self.packed = None;
    }

    /// The same weight, off any tape.
    pub(crate) fn inner(&self) -> Self {
        Self {
            tensor: self.tensor.clone().inner(),
            packed: self.packed.clone(),
        }
    }

    /// The kernel's layout, if it has been made.
    pub(crate) fn packed(&self) -> Option<&Packed> {
        self.packed.as_deref()
    }

    /// The tensor, to be changed.
    pub(crate) fn change(&mut self) -> &mut Tensor<2> {
        self.thaw();
        &mut self.tensor
    }
}

/// `x (rows, in)` times the weight, plus what is given: bias `(1, out)`, residual `(rows, out)`.
pub(crate) fn linear(
    x: Tensor<2>,
    w: &Weight,
    bias: Option<&Tensor<2>>,
    residual: Option<Tensor<2>>,
) -> Tensor<2> {
    if !fused::is_cpu(&x.device()) {
        let mut y = x.matmul(w.tensor.clone().transpose());
        if let Some(bias) = bias {
            y = y + bias.clone();
        }
        return match residual {
            Some(r) => y + r,
            None => y,
        };
    }
    let op = Linear {
        packed: w.packed.clone(),
        bias: bias.is_some(),
    };
    let w = w.tensor.clone();
    match (bias, residual) {
        (None, None) => fused::apply::<2>(op, [x, w]),
        (Some(b), None) => fused::apply::<3>(op, [x, w, b.clone()]),
        (None, Some(r)) => fused::apply::<3>(op, [x, w, r]),
        (Some(b), Some(r)) => fused::apply::<4>(op, [x, w, b.clone(), r]),
    }
}

#[derive(Debug)]
struct Linear {
    packed: Option<Arc<Packed>>,
    /// Whether the third input is a bias (a residual follows, or not).
    bias: bool,
}

impl<const N: usize> Fused<N> for Linear {
    fn forward(&self, inputs: [Matrix<'_>; N], _: bool) -> Forward {
        let (x, w) = (inputs[0], inputs[1]);
        let dims = dims(x, w);
        let bias = self.bias.then(|| inputs[2].values);
        let residual = inputs.get(2 + usize::from(self.bias)).map(|r| r.values);
        let y = match &self.packed {
            Some(packed) => packed.apply(x.values, dims.rows, bias, residual),
            None => linear::linear(dims, x.values, w.values, bias, residual),
        };
        Forward::new(y, dims.rows, dims.outputs)
    }

    fn backward(&self, tape: &Tape<'_, N>) -> [Option<Vec<f32>>; N] {
        let (x, w, dy) = (tape.inputs[0], tape.inputs[1], tape.gradient);
        let dims = dims(x, w);
        std::array::from_fn(|i| {
            tape.wanted[i].then(|| match i {
                0 => linear_input_gradient(dims, dy.values, w.values),
                1 => linear_weight_gradient(dims, dy.values, x.values),
                2 if self.bias => {
                    let mut db = vec![0.0; w.rows];
                    linear_backward_bias(dims, dy.values, false, &mut db);
                    db
                }
                _ => dy.values.to_vec(),
            })
        })
    }
}

fn dims(x: Matrix<'_>, w: Matrix<'_>) -> Dims {
    Dims {
        rows: x.rows,
        outputs: w.rows,
        inputs: w.cols,
    }
}
