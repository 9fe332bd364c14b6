//! Fast CPU kernels of decoder-only language models, on plain `f32` slices: one operation a file, each with its own backward.
//!
//! Nothing here knows a tensor library. Every kernel stands beside a plain scalar `reference` of the same formula, and is tested against it;
//! backward passes are tested against finite differences in `f64`.
//!
//! Conventions, the same everywhere:
//! - matrices are row-major; weights are stored `(out, in)`, as files of the Hugging Face hub have them;
//! - a *ragged batch* is `tokens` rows with `offsets`, `sequences + 1` row numbers of which the first is 0 and the last `tokens`;
//! - a forward result does not depend on the number of rows it is computed with, on its neighbours, or on the number of threads: every row's
//!   sums are taken in one fixed order. A backward result does not depend on the number of threads: reductions over rows are made of partial
//!   sums of a fixed number of rows;
//! - work is spread over the current `rayon` pool; small work stays on the caller's thread;
//! - instruction sets are chosen at run time.

pub mod activation;
pub mod adamw;
pub mod attention;
pub mod cache;
pub mod decode;
pub mod embedding;
pub mod exp;
pub mod layer_norm;
pub mod linear;
pub mod norm2;
pub mod rms_norm;
pub mod rotary;
pub mod tanh;
pub mod vocab;

mod aligned;
#[cfg(test)]
mod check;
mod lanes;
mod parallel;

pub use parallel::Write;
