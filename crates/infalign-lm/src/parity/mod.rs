//! Agreement with transformers, PyTorch and peft, by the fixtures of `tests/parity`.

mod files;
mod groups;
mod numbers;
mod sampling;
mod shared;
