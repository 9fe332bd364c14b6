//! The operations of a decoder: on a CPU a fused kernel, elsewhere the same formula composed of Burn's operations.

pub(crate) mod activation;
pub(crate) mod attention;
pub(crate) mod embedding;
pub(crate) mod fused;
pub(crate) mod head;
pub(crate) mod known;
pub(crate) mod linear;
pub(crate) mod norm;

pub(crate) use linear::Weight;
