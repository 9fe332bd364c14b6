//! Flags of every command that runs a model: where, in which numbers, on how many threads.

use std::num::NonZero;

use clap::ValueEnum;
use infalign_lm::Precision;

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Machine {
    /// Where models run: cpu, wgpu[:N], cuda[:N], metal or rocm[:N]; `infalign devices` lists what there is.
    #[arg(long, value_name = "DEVICE", default_value = "cpu")]
    pub(crate) device: String,
    /// Numbers that models compute in.
    #[arg(long, value_enum, default_value_t = Dtype::F32)]
    pub(crate) dtype: Dtype,
    /// Worker threads; results do not depend on it. Default: one for each processor.
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) threads: Option<NonZero<usize>>,
    /// Says nothing but errors.
    #[arg(long)]
    pub(crate) quiet: bool,
}

/// Numbers that a model computes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Dtype {
    /// 32 bits.
    F32,
    /// 16 bits with the range of f32; on GPUs.
    Bf16,
    /// 16 bits, IEEE half precision; on GPUs.
    F16,
}

impl Dtype {
    pub(crate) const fn precision(self) -> Precision {
        match self {
            Self::F32 => Precision::F32,
            Self::Bf16 => Precision::Bf16,
            Self::F16 => Precision::F16,
        }
    }
}
