//! What a micro-kernel computes, and which one this processor gets.
//!
//! A micro-kernel advances a block of output rows, as wide as one panel, by `depth` steps of
//! y\[i, j\] ← fma(x\[i, p\], b\[p, j\], y\[i, j\]) for p ascending. An element's steps are the same whatever the block's rows are, and it
//! does not matter where a chain is cut into blocks, since an interrupted sum waits in y as the same `f32`. Micro-kernels with fused
//! multiply-add agree bit for bit; a target without it multiplies and adds, with two roundings.

use std::sync::OnceLock;

/// One block of work: `rows` rows of y against `depth` rows of one panel.
///
/// Pointers, since several threads write interleaved rows of one y.
#[derive(Clone, Copy)]
pub(super) struct Block {
    /// First element of the block's x; row i begins at `x + i * x_stride`, and `depth` elements of it are read.
    pub(super) x: *const f32,
    pub(super) x_stride: usize,
    pub(super) rows: usize,
    /// `depth` rows of the panel, each as wide as the kernel's `width`.
    pub(super) panel: *const f32,
    pub(super) depth: usize,
    /// Null, or where the piece begins that is most likely used next, as wide and as deep as this one: a hint for the caches, never read.
    pub(super) next: *const f32,
    /// First element of the block's y; `cols` elements of each row are written, at most the kernel's `width`.
    pub(super) y: *mut f32,
    pub(super) y_stride: usize,
    pub(super) cols: usize,
    /// Null, for sums that start at 0, or the first of the elements that they start from, laid out as y is; may be y itself.
    pub(super) start: *const f32,
    /// Null, or `cols` elements to add to every row before the first step.
    pub(super) bias: *const f32,
}

/// A micro-kernel and the width of its panels.
#[derive(Debug)]
pub(super) struct Kernel {
    pub(super) name: &'static str,
    /// Columns of a panel.
    pub(super) width: usize,
    /// Rows it takes at a time when there are enough.
    pub(super) height: usize,
    /// # Safety
    /// The processor must have the kernel's instructions, and the block's pointers must be valid for what `Block` says.
    pub(super) run: unsafe fn(&Block),
    /// Whether this processor has the instructions.
    available: fn() -> bool,
}

/// From the fastest to the one that runs everywhere.
static KERNELS: &[Kernel] = &[
    #[cfg(target_arch = "x86_64")]
    Kernel {
        name: "avx512f",
        width: super::avx512::WIDTH,
        height: super::avx512::HEIGHT,
        run: super::avx512::run,
        available: || is_x86_feature_detected!("avx512f"),
    },
    #[cfg(target_arch = "x86_64")]
    Kernel {
        name: "avx2+fma",
        width: super::avx2::WIDTH,
        height: super::avx2::HEIGHT,
        run: super::avx2::run,
        available: || is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
    },
    Kernel {
        name: "portable",
        width: super::portable::WIDTH,
        height: super::portable::HEIGHT,
        run: super::portable::run,
        available: || true,
    },
];

/// The micro-kernels that this processor can run, the fastest first.
pub(super) fn available() -> impl Iterator<Item = &'static Kernel> {
    KERNELS.iter().filter(|kernel| (kernel.available)())
}

/// The fastest micro-kernel of this processor, found once.
pub(super) fn fastest() -> &'static Kernel {
    static CHOICE: OnceLock<&'static Kernel> = OnceLock::new();
    CHOICE.get_or_init(|| available().next().unwrap_or(&KERNELS[KERNELS.len() - 1]))
}

/// How many of the `left` rows to take next, at most `height`: an unfilled end is split evenly, since a block of one row waits for its own
/// sums.
#[inline(always)]
pub(super) fn take_rows(left: usize, height: usize) -> usize {
    if left <= height {
        left
    } else if left < 2 * height {
        left.div_ceil(2)
    } else {
        height
    }
}
