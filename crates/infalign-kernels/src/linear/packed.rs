//! Weights laid out once for many forward passes.

use super::Dims;
use super::kernel::{Kernel, fastest};
use super::product::{Product, Right, pack_all, packed_len};
use crate::aligned::Aligned;

/// The weights W (outputs, inputs) of a linear layer in panels: `width` outputs wide, `inputs` deep, the last filled up with zeros. The width
/// is the micro-kernel's of this processor.
#[derive(Debug, Clone)]
pub struct Packed {
    outputs: usize,
    inputs: usize,
    panels: Aligned,
    kernel: &'static Kernel,
}

impl Packed {
    /// Packs `weight` (outputs, inputs).
    ///
    /// # Panics
    /// If the weight's length is not outputs · inputs.
    #[must_use]
    pub fn new(weight: &[f32], outputs: usize, inputs: usize) -> Self {
        Self::with_kernel(fastest(), weight, outputs, inputs)
    }

    pub(super) fn with_kernel(
        kernel: &'static Kernel,
        weight: &[f32],
        outputs: usize,
        inputs: usize,
    ) -> Self {
        let mut panels = Aligned::new();
        panels.resize(packed_len(kernel, inputs, outputs));
        let mut packed = Self {
            outputs,
            inputs,
            panels,
            kernel,
        };
        packed.repack(weight);
        packed
    }

    /// Replaces the weights by others of the same shape, taking no new memory.
    ///
    /// # Panics
    /// If the weight's length is not outputs · inputs.
    pub fn repack(&mut self, weight: &[f32]) {
        let Self {
            outputs,
            inputs,
            ref mut panels,
            kernel,
        } = *self;
        assert_eq!(weight.len(), outputs * inputs, "length of the weight");
        let right = Right::Transposed(weight);
        pack_all(kernel, right, (inputs, outputs), panels.as_mut_slice());
    }

    /// y = x Wᵀ + bias, or y += x Wᵀ + bias if `accumulate`; x (rows, inputs), y (rows, outputs).
    ///
    /// Equal to [`linear_forward`](super::linear_forward), bit for bit.
    ///
    /// # Panics
    /// If a slice's length is not what the sizes say.
    pub fn forward(
        &self,
        x: &[f32],
        rows: usize,
        bias: Option<&[f32]>,
        accumulate: bool,
        y: &mut [f32],
    ) {
        self.product(x, rows, bias).run(self.kernel, accumulate, y);
    }

    /// x Wᵀ + bias + residual in a new vector; the residual (rows, outputs).
    ///
    /// # Panics
    /// If a slice's length is not what the sizes say.
    #[must_use]
    pub fn apply(
        &self,
        x: &[f32],
        rows: usize,
        bias: Option<&[f32]>,
        residual: Option<&[f32]>,
    ) -> Vec<f32> {
        self.product(x, rows, bias).fresh(self.kernel, residual)
    }

    fn product<'a>(&'a self, x: &'a [f32], rows: usize, bias: Option<&'a [f32]>) -> Product<'a> {
        Product {
            rows,
            depth: self.inputs,
            cols: self.outputs,
            x,
            right: Right::Packed(self.panels.as_slice()),
            bias,
        }
    }

    /// The sizes of a pass of so many rows.
    #[must_use]
    pub const fn dims(&self, rows: usize) -> Dims {
        Dims {
            rows,
            outputs: self.outputs,
            inputs: self.inputs,
        }
    }
}
