//! The seam between Burn's automatic differentiation and our CPU kernels: an operation on slices with its own backward, put on the tape.
//!
//! Burn hands a backend's own tensor out and takes it back ([`Tensor::try_into_primitive`], [`Tensor::from_primitive`]); between the two a
//! [`Fused`] operation reads plain slices and writes a plain vector, and one [`Backward`] step, the same for every operation, is registered.
//! Operations have one to four inputs and one output, all matrices.

use std::{any::Any, fmt::Debug, sync::Arc};

use burn::{
    Tensor,
    backend::{
        Autodiff, DispatchDevice, Flex, TensorMetadata,
        autodiff::{
            checkpoint::base::Checkpointer,
            checkpoint::strategy::NoCheckpointing,
            grads::Gradients,
            ops::{Backward, Ops, OpsKind},
        },
        tensor::FloatTensor,
    },
    tensor::{Device, TensorData},
};

/// A matrix as a kernel sees it: row-major values and their shape.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Matrix<'a> {
    /// `rows * cols` values, row after row.
    pub(crate) values: &'a [f32],
    /// Rows.
    pub(crate) rows: usize,
    /// Columns.
    pub(crate) cols: usize,
}

/// What a forward pass gives back.
pub(crate) struct Forward {
    /// The output, row-major.
    pub(crate) values: Vec<f32>,
    /// Its rows.
    pub(crate) rows: usize,
    /// Its columns.
    pub(crate) cols: usize,
    /// What the backward pass wants to find again (log-sum-exps, inverse deviations); `()` for nothing.
    pub(crate) saved: Box<dyn Any + Send + Sync>,
}

impl Forward {
    /// An output with nothing saved.
    pub(crate) fn new(values: Vec<f32>, rows: usize, cols: usize) -> Self {
        Self {
            values,
            rows,
            cols,
            saved: Box::new(()),
        }
    }
}

/// What a backward pass can look at.
pub(crate) struct Tape<'a, const N: usize> {
    /// The inputs of the forward pass.
    pub(crate) inputs: [Matrix<'a>; N],
    /// Its output.
    pub(crate) output: Matrix<'a>,
    /// What it saved.
    pub(crate) saved: &'a (dyn Any + Send + Sync),
    /// The gradient of the loss with respect to the output.
    pub(crate) gradient: Matrix<'a>,
    /// Which inputs want a gradient; what is not wanted need not be computed.
    pub(crate) wanted: [bool; N],
}

/// A CPU operation of `N` matrices with its own backward pass.
pub(crate) trait Fused<const N: usize>: Debug + Send + Sync + 'static {
    /// The output; `save` says whether a backward pass can follow.
    fn forward(&self, inputs: [Matrix<'_>; N], save: bool) -> Forward;

    /// The gradient for every input that is wanted, row-major in the input's shape.
    fn backward(&self, tape: &Tape<'_, N>) -> [Option<Vec<f32>>; N];

    /// Whether `backward` reads the output; if not, it need not be kept.
    fn reads_output(&self) -> bool {
        false
    }
}

/// Whether tensors of this device can be read as slices, so that fused operations apply.
#[must_use]
pub fn is_cpu(device: &Device) -> bool {
    #[cfg(test)]
    if composed::FORCED.get() {
        return false;
    }
    match device.as_dispatch() {
        DispatchDevice::Flex(_) => true,
        DispatchDevice::Autodiff(_) => is_cpu(&device.clone().without_autodiff()),
        #[cfg(any(
            feature = "wgpu",
            feature = "cuda",
            feature = "metal",
            feature = "rocm"
        ))]
        _ => false,
    }
}

/// Applies a fused operation; on the tape if an input is on it.
///
/// # Panics
/// If a tensor does not live on the CPU: callers ask [`is_cpu`] first.
pub(crate) fn apply<const N: usize>(op: impl Fused<N>, inputs: [Tensor<2>; N]) -> Tensor<2> {
    if inputs.iter().any(Tensor::is_autodiff) {
        return on_tape(Arc::new(op), inputs.map(Tensor::autodiff));
    }
    let inputs = inputs.map(|t| contiguous(t.try_into_primitive::<Flex>().expect("a CPU tensor")));
    Tensor::from_primitive::<Flex>(tensor(op.forward(matrices(&inputs), false)).0)
}

type Cpu = FloatTensor<Flex>;
type Taped = Autodiff<Flex, NoCheckpointing>;
type TapedTensor = FloatTensor<Taped>;

fn on_tape<const N: usize>(op: Arc<dyn Fused<N>>, inputs: [Tensor<2>; N]) -> Tensor<2> {
    let inputs = inputs.map(|t| t.try_into_primitive::<Taped>().expect("a CPU tensor"));
    let wanted = inputs.each_ref().map(TapedTensor::is_tracked);
    let nodes = inputs.each_ref().map(TapedTensor::node);
    let inputs = inputs.map(|t| contiguous(t.into_primitive()));
    let output = match (Step::<N>)
        .prepare::<NoCheckpointing>(nodes)
        .compute_bound()
        .stateful()
    {
        OpsKind::Tracked(prep) => {
            let (output, saved) = tensor(op.forward(matrices(&inputs), true));
            let state = State {
                output: op.reads_output().then(|| output.clone()),
                op,
                inputs,
                saved: Arc::from(saved),
                wanted,
            };
            prep.finish(state, output)
        }
        OpsKind::UnTracked(prep) => prep.finish(tensor(op.forward(matrices(&inputs), false)).0),
    };
    Tensor::from_primitive::<Taped>(output)
}

/// What waits on the tape for the backward pass.
#[derive(Debug, Clone)]
struct State<const N: usize> {
    op: Arc<dyn Fused<N>>,
    inputs: [Cpu; N],
    output: Option<Cpu>,
    saved: Arc<dyn Any + Send + Sync>,
    wanted: [bool; N],
}

/// The backward step of every fused operation.
#[derive(Debug)]
struct Step<const N: usize>;

impl<const N: usize> Backward<Flex, N> for Step<N> {
    type State = State<N>;

    fn backward(self, ops: Ops<State<N>, N>, grads: &mut Gradients, _: &mut Checkpointer) {
        let gradient = contiguous(grads.consume::<Flex>(&ops.node));
        let state = ops.state;
        let gradient = matrix(&gradient);
        let results = state.op.backward(&Tape {
            inputs: matrices(&state.inputs),
            output: state.output.as_ref().map_or(
                Matrix {
                    values: &[],
                    ..gradient
                },
                matrix,
            ),
            saved: &*state.saved,
            gradient,
            wanted: state.wanted,
        });
        for ((node, values), input) in ops.parents.into_iter().zip(results).zip(&state.inputs) {
            if let (Some(node), Some(values)) = (node, values) {
                let shape = input.shape();
                grads.register::<Flex>(node.id, Cpu::from_data(TensorData::new(values, shape)));
            }
        }
    }
}

fn tensor(forward: Forward) -> (Cpu, Box<dyn Any + Send + Sync>) {
    let data = TensorData::new(forward.values, [forward.rows, forward.cols]);
    (Cpu::from_data(data), forward.saved)
}

/// The same tensor with its values in row order and nothing else in its buffer.
fn contiguous(t: Cpu) -> Cpu {
    if t.is_contiguous() {
        t
    } else {
        t.to_contiguous()
    }
}

fn matrices<const N: usize>(tensors: &[Cpu; N]) -> [Matrix<'_>; N] {
    tensors.each_ref().map(matrix)
}

fn matrix(t: &Cpu) -> Matrix<'_> {
    let shape = t.shape();
    Matrix {
        values: t.as_slice::<f32>().expect("contiguous f32 values"),
        rows: shape[0],
        cols: shape[1],
    }
}

/// Lets `f` look at a CPU tensor, on a tape or not.
///
/// # Panics
/// If the tensor does not live on the CPU.
pub(crate) fn with<R>(t: &Tensor<2>, f: impl FnOnce(Matrix<'_>) -> R) -> R {
    let t = contiguous(
        t.clone()
            .without_autodiff()
            .try_into_primitive::<Flex>()
            .expect("a CPU tensor"),
    );
    f(matrix(&t))
}

/// Lets `f` read a CPU tensor's values, row after row.
///
/// # Panics
/// If the tensor does not live on the CPU.
pub(crate) fn read<R>(t: &Tensor<2>, f: impl FnOnce(&[f32]) -> R) -> R {
    with(t, |m| f(m.values))
}

/// Lets `f` change CPU tensors in place; a tensor that is shared is copied first.
///
/// # Panics
/// If a tensor does not live on the CPU.
pub(crate) fn write<const N: usize>(tensors: [&mut Tensor<2>; N], f: impl FnOnce([&mut [f32]; N])) {
    let mut taken = tensors.map(|t| {
        let empty = Tensor::zeros([0, 0], &t.device());
        let own = std::mem::replace(t, empty);
        (
            t,
            contiguous(own.try_into_primitive::<Flex>().expect("a CPU tensor")),
        )
    });
    f(taken.each_mut().map(|(_, own)| own.storage_mut::<f32>()));
    for (t, own) in taken {
        *t = Tensor::from_primitive::<Flex>(own);
    }
}

/// For tests: the CPU takes the way of other devices, so that each formula is there twice.
#[cfg(test)]
pub(crate) mod composed {
    use std::cell::Cell;

    thread_local! {
        pub(super) static FORCED: Cell<bool> = const { Cell::new(false) };
    }

    /// Runs `f` with every operation composed of Burn's own.
    pub(crate) fn run<R>(f: impl FnOnce() -> R) -> R {
        FORCED.set(true);
        let result = f();
        FORCED.set(false);
        result
    }
}
