//! Policies and rewards behind HTTP: a patient client, and what each kind of server is asked and answers.
//!
//! ```text
//! Endpoint ─▶ Client ─all(jobs, request, read, each)─▶ every job answered, or given up with its last fault, once
//!                ▲
//!             Patience, pace           how long, how often, how many at a time
//! ```
//!
//! The public interface blocks; a [`Client`] owns the threads that wait for the network. Call it where a thread may wait, not inside an
//! asynchronous task. No key and no prompt is ever part of an error, of `Debug` or of a record.

mod all;
mod client;
mod endpoint;
mod error;
mod fault;
mod key;
mod models;
mod pace;
mod patience;
mod policy;
mod redact;
pub mod reward;
mod wire;

pub use client::Client;
pub use endpoint::Endpoint;
pub use error::{Error, Result};
pub use fault::{Fault, GivenUp, Why};
pub use key::{DEFAULT_VARIABLE, Key};
pub use models::ServedModel;
pub use patience::Patience;
pub use policy::{
    DIALECTS, Description, Dialect, LikelihoodJob, LogProbsOf, MissingPrompt, Probe, Prompt,
    PromptForm, RemotePolicy, RemoteResponse, Rollout, SampleError, Sampling, TokenLogProbs,
};
pub use wire::Request;
