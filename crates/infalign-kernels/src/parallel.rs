//! Spreads pieces of work over the current thread pool, or does them in order when they are too small to be worth it.
//!
//! Pieces never share what they write, so the result is the same whichever thread does which.

use pulp::{Arch, NullaryFnOnce};
use rayon::prelude::*;

/// Values that a piece of an element-wise kernel takes: 64 KiB, well inside a second-level cache.
pub(crate) const PIECE: usize = 1 << 14;

/// Runs `f` with the widest vectors that the machine has.
///
/// `f` is called as `FnMut`: a closure that only borrows would, called as `FnOnce`, go through a shim that is compiled without wide vectors.
#[inline(always)]
pub(crate) fn vectorised<R>(f: impl FnMut() -> R) -> R {
    struct Run<F>(F);

    impl<R, F: FnMut() -> R> NullaryFnOnce for Run<F> {
        type Output = R;

        #[inline(always)]
        fn call(mut self) -> R {
            (self.0)()
        }
    }

    Arch::new().dispatch(Run(f))
}

/// What may be added to what was there, as gradients of a value used twice are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Write {
    /// The result replaces what was there.
    Set,
    /// The result is added to what was there.
    Add,
}

impl Write {
    /// `old + new`, or `new`.
    #[inline(always)]
    pub(crate) fn put(self, old: &mut f32, new: f32) {
        match self {
            Self::Set => *old = new,
            Self::Add => *old += new,
        }
    }
}

/// Rows of `width` values that make a piece.
pub(crate) fn rows_a_piece(width: usize) -> usize {
    (PIECE / width.max(1)).max(1)
}

/// Calls `f` on every task: in parallel where there are several tasks and threads, in order otherwise.
pub(crate) fn each<T: Send>(tasks: Vec<T>, f: impl Fn(T) + Send + Sync) {
    if tasks.len() < 2 || rayon::current_num_threads() < 2 {
        tasks.into_iter().for_each(f);
    } else {
        tasks.into_par_iter().for_each(f);
    }
}

/// Calls `f` on every task with a scratch that tasks of one thread share; what is in it must not matter to a result.
pub(crate) fn each_with<T: Send, X>(
    tasks: Vec<T>,
    scratch: impl Fn() -> X + Send + Sync,
    f: impl Fn(&mut X, T) + Send + Sync,
) {
    if tasks.len() < 2 || rayon::current_num_threads() < 2 {
        let mut scratch = scratch();
        for task in tasks {
            f(&mut scratch, task);
        }
    } else {
        tasks.into_par_iter().for_each_init(scratch, f);
    }
}

/// The values that `f` gives for every task, in the order of the tasks.
pub(crate) fn map<T: Send, U: Send>(tasks: Vec<T>, f: impl Fn(T) -> U + Send + Sync) -> Vec<U> {
    if tasks.len() < 2 || rayon::current_num_threads() < 2 {
        tasks.into_iter().map(f).collect()
    } else {
        tasks.into_par_iter().map(f).collect()
    }
}
