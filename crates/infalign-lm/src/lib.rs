//! Decoder-only language models and reward heads: load, save, tokenise, sample, score log-probabilities, train a step.

pub mod sample;
