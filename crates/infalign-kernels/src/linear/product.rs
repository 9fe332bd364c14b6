//! Products of matrices, cut into blocks for the caches and into tasks for the threads.
//!
//! y (rows, cols) ← start + x (rows, depth) · b (depth, cols), where start is 0, y or another matrix, plus the bias. Every element is one chain of
//! multiply-adds over the depth in ascending order, so that it depends neither on the blocks nor on the tasks.
//!
//! A panel's piece of `DEPTH` rows stays in the first two caches while all rows of a task pass it. A task's rows of x are few enough to stay
//! in the second cache over all panels. Where a product has more rows than that and its right factor is not packed yet, it is packed as a
//! whole beforehand; with fewer rows, a piece at a time in passing.

use core::cell::RefCell;

use rayon::prelude::*;

use super::kernel::{Block, Kernel};
use super::transpose::transpose;
use crate::aligned::Aligned;
use crate::lanes::copy;

/// Rows of a panel that are used at a time: 64 KiB with the widest panels.
const DEPTH: usize = 256;
/// Elements of x that a task reads again for every panel: 1 MiB.
const X_BLOCK: usize = 1 << 18;
/// Elements of a right factor that may be packed as a whole: 32 MiB.
const WHOLE: usize = 1 << 23;
/// Multiply-adds below which threads cost more than they bring.
const PARALLEL_FROM: usize = 1 << 20;

/// The right factor b.
#[derive(Clone, Copy)]
pub(super) enum Right<'a> {
    /// Panels as `pack` writes them.
    Packed(&'a [f32]),
    /// bᵀ (cols, depth), packed piece by piece.
    Transposed(&'a [f32]),
    /// b (depth, cols), packed piece by piece.
    Straight(&'a [f32]),
}

/// The product x · b, and a bias for every row.
#[derive(Clone, Copy)]
pub(super) struct Product<'a> {
    pub(super) rows: usize,
    pub(super) depth: usize,
    pub(super) cols: usize,
    pub(super) x: &'a [f32],
    pub(super) right: Right<'a>,
    pub(super) bias: Option<&'a [f32]>,
}

/// The first elements of y, which tasks write in disjoint blocks, and of what its sums start from (null for 0).
#[derive(Clone, Copy)]
struct Output {
    y: *mut f32,
    start: *const f32,
}

// SAFETY: every task writes its own block of y and reads the same block of the start, and the caller's borrows outlive all tasks.
#[expect(
    unsafe_code,
    reason = "disjoint blocks of one slice, which are not slices themselves"
)]
unsafe impl Send for Output {}
// SAFETY: as for `Send`.
#[expect(
    unsafe_code,
    reason = "disjoint blocks of one slice, which are not slices themselves"
)]
unsafe impl Sync for Output {}

thread_local! {
    static PIECE: RefCell<Aligned> = const { RefCell::new(Aligned::new()) };
    static PANELS: RefCell<Aligned> = const { RefCell::new(Aligned::new()) };
}

/// Threads that are worth using for so many multiply-adds. The pool is not asked, nor made, for small work.
pub(super) fn threads(work: usize) -> usize {
    if work > PARALLEL_FROM {
        rayon::current_num_threads()
    } else {
        1
    }
}

impl Product<'_> {
    /// y = x b + bias, or y += x b + bias if `accumulate`.
    ///
    /// # Panics
    /// If a slice's length is not what the sizes say.
    #[expect(unsafe_code, reason = "outputs are written through pointers")]
    pub(super) fn run(&self, kernel: &'static Kernel, accumulate: bool, y: &mut [f32]) {
        assert_eq!(y.len(), self.rows * self.cols, "length of y");
        let y = y.as_mut_ptr();
        let start = if accumulate { y } else { core::ptr::null() };
        // SAFETY: y has rows · cols elements.
        unsafe { self.write(kernel, Output { y, start }) }
    }

    /// x b + bias + start in a new vector, whose memory is written once and not zeroed before.
    ///
    /// # Panics
    /// As [`Self::run`].
    #[expect(unsafe_code, reason = "outputs are written through pointers")]
    pub(super) fn fresh(&self, kernel: &'static Kernel, start: Option<&[f32]>) -> Vec<f32> {
        let len = self.rows * self.cols;
        if let Some(start) = start {
            assert_eq!(start.len(), len, "length of the start");
        }
        let mut y = Vec::with_capacity(len);
        let output = Output {
            y: y.as_mut_ptr(),
            start: start.map_or(core::ptr::null(), <[f32]>::as_ptr),
        };
        // SAFETY: y has room for rows · cols elements, start has so many, and `write` leaves none of y unwritten.
        unsafe {
            self.write(kernel, output);
            y.set_len(len);
        }
        y
    }

    /// Writes every element of y.
    ///
    /// # Safety
    /// y has room for rows · cols elements that nobody else uses; start is null, y, or as many elements that nobody writes.
    #[expect(unsafe_code, reason = "outputs are written through pointers")]
    unsafe fn write(&self, kernel: &'static Kernel, output: Output) {
        let Self {
            rows,
            depth,
            cols,
            x,
            ..
        } = *self;
        let panels = cols.div_ceil(kernel.width);
        assert_eq!(x.len(), rows * depth, "length of x");
        match self.right {
            Right::Packed(b) => assert_eq!(b.len(), panels * depth * kernel.width, "panels"),
            Right::Transposed(b) | Right::Straight(b) => {
                assert_eq!(b.len(), depth * cols, "length of the right factor");
            }
        }
        if let Some(bias) = self.bias {
            assert_eq!(bias.len(), cols, "length of the bias");
        }
        if rows == 0 || cols == 0 {
            return;
        }
        let unpacked = !matches!(self.right, Right::Packed(_));
        if unpacked && rows > self.cached_rows(kernel) && depth * cols <= WHOLE {
            // Taken, not borrowed: the thread may compute someone else's product while it waits for others.
            let mut panels = PANELS.take();
            let whole = panels.at_least(packed_len(kernel, depth, cols));
            pack_all(kernel, self.right, (depth, cols), whole);
            let right = Right::Packed(whole);
            // SAFETY: the caller's promise.
            unsafe { Product { right, ..*self }.write(kernel, output) };
            PANELS.set(panels);
            return;
        }
        let threads = threads(rows.saturating_mul(cols).saturating_mul(depth));
        let height = self.rows_of_a_task(kernel, panels, threads);
        let tasks = panels * rows.div_ceil(height);
        let task = |task: usize| {
            let first = task / panels * height;
            self.panel(
                kernel,
                first..rows.min(first + height),
                task % panels,
                output,
            );
        };
        if threads == 1 {
            (0..tasks).for_each(task);
        } else {
            (0..tasks).into_par_iter().for_each(task);
        }
    }

    /// Rows of x that stay in the second cache.
    fn cached_rows(&self, kernel: &Kernel) -> usize {
        (X_BLOCK / self.depth.max(1)).max(16 * kernel.height)
    }

    fn rows_of_a_task(&self, kernel: &Kernel, panels: usize, threads: usize) -> usize {
        let cached = match self.right {
            Right::Packed(_) => self.cached_rows(kernel),
            // Packing again for every block would cost more than reading x from further away.
            Right::Transposed(_) | Right::Straight(_) => self.rows,
        };
        let parts = if threads == 1 {
            1
        } else {
            (4 * threads).div_ceil(panels)
        };
        cached
            .min(self.rows.div_ceil(parts))
            .next_multiple_of(kernel.height)
    }

    /// One panel of a range of rows of y.
    #[expect(
        unsafe_code,
        reason = "several threads write interleaved rows of one y"
    )]
    fn panel(
        &self,
        kernel: &'static Kernel,
        rows: core::ops::Range<usize>,
        panel: usize,
        Output { y, start }: Output,
    ) {
        let Self { depth, cols, .. } = *self;
        let first = panel * kernel.width;
        let bias = self
            .bias
            .map_or(core::ptr::null(), |bias| bias[first..].as_ptr());
        let at = rows.start * cols + first;
        let mut from = 0;
        loop {
            let deep = (depth - from).min(DEPTH);
            let block = |piece: &[f32], next: *const f32| Block {
                x: self.x[(rows.start * depth + from).min(self.x.len())..].as_ptr(),
                x_stride: depth,
                rows: rows.len(),
                panel: piece.as_ptr(),
                depth: deep,
                next,
                // SAFETY: row `rows.start` and column `first` exist in y.
                y: unsafe { y.add(at) },
                y_stride: cols,
                cols: (cols - first).min(kernel.width),
                start: match from {
                    0 if start.is_null() => start,
                    // SAFETY: as for y.
                    0 => unsafe { start.add(at) },
                    _ => unsafe { y.add(at) },
                },
                bias: if from == 0 { bias } else { core::ptr::null() },
            };
            // SAFETY: kernels are only handed out where they run. `run` has checked all lengths: the block's rows, columns and depth lie
            // within x, y and bias, the piece is `deep` rows of a panel, and no other task writes these elements of y.
            let run = |piece: &[f32], next| unsafe { (kernel.run)(&block(piece, next)) };
            if let Right::Packed(packed) = self.right {
                let (piece, after) =
                    packed[(panel * depth + from) * kernel.width..].split_at(deep * kernel.width);
                let next = match after {
                    [] => core::ptr::null(),
                    after => after.as_ptr(),
                };
                run(piece, next);
            } else {
                PIECE.with_borrow_mut(|piece| {
                    let piece = piece.at_least(deep * kernel.width);
                    pack(self.right, (depth, cols), kernel.width, panel, from, piece);
                    run(piece, core::ptr::null());
                });
            }
            from += deep;
            if from >= depth {
                break;
            }
        }
    }
}

/// Writes rows `from..` of a panel of b (depth, cols), as many as fit into `piece`; columns past the end are zeros.
fn pack(
    right: Right<'_>,
    (depth, cols): (usize, usize),
    width: usize,
    panel: usize,
    from: usize,
    piece: &mut [f32],
) {
    let first = panel * width;
    let used = (cols - first).min(width);
    let deep = piece.len() / width;
    if used < width {
        piece.fill(0.0);
    }
    match right {
        Right::Packed(_) => {}
        Right::Transposed(b) if deep > 0 => {
            transpose(
                &b[first * depth + from..],
                depth,
                (used, deep),
                piece,
                width,
            );
        }
        Right::Transposed(_) => {}
        Right::Straight(b) => {
            for (to, row) in piece.chunks_exact_mut(width).zip(from..) {
                copy(&b[row * cols + first..][..used], &mut to[..used]);
            }
        }
    }
}

/// Elements of all panels of b (depth, cols).
pub(super) fn packed_len(kernel: &Kernel, depth: usize, cols: usize) -> usize {
    cols.div_ceil(kernel.width) * kernel.width * depth
}

/// Writes all panels of b (depth, cols).
pub(super) fn pack_all(
    kernel: &Kernel,
    right: Right<'_>,
    (depth, cols): (usize, usize),
    panels: &mut [f32],
) {
    let size = kernel.width * depth;
    if size == 0 {
        return;
    }
    let write = |(panel, piece): (usize, &mut [f32])| {
        pack(right, (depth, cols), kernel.width, panel, 0, piece);
    };
    if threads(panels.len()) == 1 {
        panels.chunks_exact_mut(size).enumerate().for_each(write);
    } else {
        panels
            .par_chunks_exact_mut(size)
            .enumerate()
            .for_each(write);
    }
}
