//! The loop and its objectives against what is known of them: fixed points with exact expectations, and runs that must end alike.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod exact;
mod tiny;
mod trajectories;
