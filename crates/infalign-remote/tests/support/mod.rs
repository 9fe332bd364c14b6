//! Servers within the test: a raw one that does over a connection whatever a test asks of it, and policies on top of it.

pub mod policies;
pub mod server;
