//! A step of training: gradients of a loss, and an optimiser that follows them.

mod gradients;
mod optimiser;
mod scores;
mod state;

pub use gradients::{Gradients, Objective, gradients};
pub use optimiser::{AdamW, AdamWConfig, Update};
pub use scores::{ScoreGrad, score_gradients};
