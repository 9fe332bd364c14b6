//! The service as its clients see it: over sockets.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod described;
mod hostile;
mod life;
mod routes;
mod server;
